//! All settings, in the order in which they are documented.

use super::setting::Setting;
use super::{
    appview, blobs, branding, crawlers, entryway, fetch, firehose, identity, imports, invites, limits, log, mail,
    oauth, proxy, reports, secrets, service, storage,
};

/// The settings of each section under its title.
pub(super) const TABLES: &[(&str, &[Setting])] = &[
    ("Service", service::SETTINGS),
    ("Secrets", secrets::SETTINGS),
    ("Storage", storage::SETTINGS),
    ("Identity", identity::SETTINGS),
    ("Invites", invites::SETTINGS),
    ("Blobs", blobs::SETTINGS),
    ("Imports", imports::SETTINGS),
    ("Firehose", firehose::SETTINGS),
    ("Crawlers", crawlers::SETTINGS),
    ("AppView", appview::SETTINGS),
    ("Moderation and reports", reports::SETTINGS),
    ("Proxying", proxy::SETTINGS),
    ("Fetching", fetch::SETTINGS),
    ("Mail", mail::SETTINGS),
    ("OAuth", oauth::SETTINGS),
    ("Rate limits", limits::SETTINGS),
    ("Branding", branding::SETTINGS),
    ("Entryway", entryway::SETTINGS),
    ("Logging", log::SETTINGS),
];

/// Every setting.
pub(super) fn all_settings() -> impl Iterator<Item = &'static Setting> {
    TABLES.iter().flat_map(|(_, settings)| settings.iter())
}

/// The setting called `name`.
pub(super) fn setting(name: &str) -> Option<&'static Setting> {
    all_settings().find(|setting| setting.name == name)
}

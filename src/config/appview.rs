//! The AppView that answers what this server does not.

use super::reader::Reader;
use super::setting::Setting;
use super::upstream::Upstream;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_BSKY_APP_VIEW_URL", "AppView to which other requests are proxied."),
    Setting::new(
        "PDS_BSKY_APP_VIEW_DID",
        "DID of the AppView; needed beside its address.",
    ),
    Setting::new(
        "PDS_BSKY_APP_VIEW_CDN_URL_PATTERN",
        "Addresses of images: `%s` for preset, DID and CID, in this order.",
    ),
];

/// The AppView that answers what this server does not.
#[derive(Debug, Clone)]
pub struct AppViewConfig {
    /// `PDS_BSKY_APP_VIEW_URL` and `PDS_BSKY_APP_VIEW_DID`.
    pub service: Option<Upstream>,
    /// `PDS_BSKY_APP_VIEW_CDN_URL_PATTERN`: with three `%s`, for preset, DID and CID.
    pub cdn_url_pattern: Option<String>,
}

impl AppViewConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let (url, did) = ("PDS_BSKY_APP_VIEW_URL", "PDS_BSKY_APP_VIEW_DID");
        reader.remind_if_unset(url);
        Self {
            service: Upstream::read(reader, url, did),
            cdn_url_pattern: reader.parsed(
                "PDS_BSKY_APP_VIEW_CDN_URL_PATTERN",
                "an address with three %s",
                |text| (text.matches("%s").count() == 3).then(|| text.to_owned()),
            ),
        }
    }
}

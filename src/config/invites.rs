//! Who may create an account.

use std::time::Duration;

use super::reader::Reader;
use super::setting::Setting;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_INVITE_REQUIRED", "Whether a new account needs an invite code.").or("true"),
    Setting::new(
        "PDS_INVITE_INTERVAL",
        "Time after which an account earns another invite code, in ms.",
    )
    .or_computed("accounts earn none"),
    Setting::new(
        "PDS_INVITE_EPOCH",
        "Time before which no invite codes are earned, in ms since 1970.",
    )
    .or("0"),
];

/// Who may create an account.
#[derive(Debug, Clone)]
pub struct InvitesConfig {
    /// `PDS_INVITE_REQUIRED`: whether a new account needs an invite code.
    pub required: bool,
    /// `PDS_INVITE_INTERVAL`: time after which an account earns another invite code; none means never.
    pub interval: Option<Duration>,
    /// `PDS_INVITE_EPOCH`: time before which none are earned, in ms since 1970.
    pub epoch: u64,
}

impl InvitesConfig {
    pub(super) fn read(reader: &mut Reader<'_>, dev_mode: Option<bool>) -> Self {
        let required = reader.flag("PDS_INVITE_REQUIRED");
        if !required && dev_mode == Some(false) {
            reader.warn(
                "PDS_INVITE_REQUIRED is false: anybody may create accounts here, and relays take no more than some (often 100) of a new server",
            );
        }
        Self {
            required,
            interval: reader.optional_number("PDS_INVITE_INTERVAL").map(Duration::from_millis),
            epoch: reader.number("PDS_INVITE_EPOCH"),
        }
    }
}

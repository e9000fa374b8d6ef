//! Requests to addresses that users chose.

use atproto_data::Did;

use super::reader::Reader;
use super::setting::Setting;

const DISABLE_SSRF_PROTECTION: &str = "PDS_DISABLE_SSRF_PROTECTION";

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        DISABLE_SSRF_PROTECTION,
        "Allow private and local addresses. For development only.",
    )
    .or_computed("`PDS_DEV_MODE`"),
    Setting::new(
        "PDS_FETCH_MAX_RESPONSE_SIZE",
        "Largest answer to a fetch of an address that a user chose, in bytes.",
    )
    .or("524288")
    .not_yet(),
    Setting::new(
        "PDS_LEXICON_AUTHORITY_DID",
        "For development: the DID whose repo holds all lexicons.",
    )
    .not_yet(),
];

/// Requests to addresses that users chose.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// `PDS_DISABLE_SSRF_PROTECTION`: allow private and local addresses; `PDS_DEV_MODE` by default.
    pub disable_ssrf_protection: bool,
    /// `PDS_FETCH_MAX_RESPONSE_SIZE`: largest answer, in bytes.
    pub max_response_bytes: u64,
    /// `PDS_LEXICON_AUTHORITY_DID`: the DID whose repo holds all lexicons.
    pub lexicon_authority_did: Option<Did>,
}

impl FetchConfig {
    /// `dev_mode` is that of the service; none if it is unknown, because the service's settings are wrong.
    pub(super) fn read(reader: &mut Reader<'_>, dev_mode: Option<bool>) -> Self {
        let disabled = reader
            .text(DISABLE_SSRF_PROTECTION)
            .map(|_| reader.flag(DISABLE_SSRF_PROTECTION));
        Self {
            disable_ssrf_protection: disabled.or(dev_mode).unwrap_or_default(),
            max_response_bytes: reader.number("PDS_FETCH_MAX_RESPONSE_SIZE"),
            lexicon_authority_did: reader.parsed("PDS_LEXICON_AUTHORITY_DID", "a DID", |text| text.parse().ok()),
        }
    }
}

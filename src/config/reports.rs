//! Where moderation happens.

use super::reader::Reader;
use super::setting::Setting;
use super::upstream::Upstream;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_MOD_SERVICE_URL", "Moderation service."),
    Setting::new(
        "PDS_MOD_SERVICE_DID",
        "DID of the moderation service, which may call admin methods; needed beside its address.",
    ),
    Setting::new("PDS_REPORT_SERVICE_URL", "Service that receives reports.").or_computed("the moderation service"),
    Setting::new(
        "PDS_REPORT_SERVICE_DID",
        "DID of the report service; needed beside its address.",
    )
    .or_computed("the moderation service's"),
];

/// Where moderation happens.
#[derive(Debug, Clone)]
pub struct ReportsConfig {
    /// `PDS_MOD_SERVICE_URL` and `PDS_MOD_SERVICE_DID`: the moderation service, which may call admin methods.
    pub moderation_service: Option<Upstream>,
    /// `PDS_REPORT_SERVICE_URL` and `PDS_REPORT_SERVICE_DID`: receives reports; the moderation service by default.
    pub report_service: Option<Upstream>,
}

impl ReportsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        if !reader.is_given("PDS_MOD_SERVICE_URL") {
            reader.remind_if_unset("PDS_REPORT_SERVICE_URL");
        }
        let moderation_service = Upstream::read(reader, "PDS_MOD_SERVICE_URL", "PDS_MOD_SERVICE_DID");
        let report_service = Upstream::read(reader, "PDS_REPORT_SERVICE_URL", "PDS_REPORT_SERVICE_DID");
        Self {
            report_service: report_service.or_else(|| moderation_service.clone()),
            moderation_service,
        }
    }
}

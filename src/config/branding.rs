//! How the server presents itself to people.

use super::reader::{Reader, is_web_address};
use super::setting::Setting;

/// Longest colour, in characters.
const MAX_COLOR: usize = 64;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_SERVICE_NAME", "Name shown to users.").or_computed("`<PDS_HOSTNAME> PDS`"),
    Setting::new("PDS_HOME_URL", "The operator's home page."),
    Setting::new("PDS_LOGO_URL", "Logo on pages and in mail."),
    Setting::new("PDS_PRIVACY_POLICY_URL", "Privacy policy, named by `describeServer`."),
    Setting::new(
        "PDS_TERMS_OF_SERVICE_URL",
        "Terms of service, named by `describeServer`.",
    ),
    Setting::new("PDS_SUPPORT_URL", "Where users get help."),
    Setting::new(
        "PDS_CONTACT_EMAIL_ADDRESS",
        "Mail address for questions, named by `describeServer`.",
    ),
    Setting::new("PDS_PRIMARY_COLOR", "CSS colour of buttons and links."),
    Setting::new("PDS_ERROR_COLOR", "CSS colour of errors.").not_yet(),
    Setting::new("PDS_WARNING_COLOR", "CSS colour of warnings.").not_yet(),
    Setting::new("PDS_INFO_COLOR", "CSS colour of remarks.").not_yet(),
    Setting::new("PDS_SUCCESS_COLOR", "CSS colour of successes.").not_yet(),
    Setting::new("PDS_BACKGROUND_LIGHT_URL", "Background image of light pages.").not_yet(),
    Setting::new("PDS_BACKGROUND_DARK_URL", "Background image of dark pages.").not_yet(),
];

/// How the server presents itself to people.
#[derive(Debug, Clone)]
pub struct BrandingConfig {
    /// `PDS_SERVICE_NAME`: name shown to users.
    pub service_name: String,
    /// `PDS_HOME_URL`: the operator's home page.
    pub home_url: Option<String>,
    /// `PDS_LOGO_URL`: logo on pages and in mail.
    pub logo_url: Option<String>,
    /// `PDS_PRIVACY_POLICY_URL`: privacy policy.
    pub privacy_policy_url: Option<String>,
    /// `PDS_TERMS_OF_SERVICE_URL`: terms of service.
    pub terms_of_service_url: Option<String>,
    /// `PDS_SUPPORT_URL`: where users get help.
    pub support_url: Option<String>,
    /// `PDS_CONTACT_EMAIL_ADDRESS`: mail address for questions.
    pub contact_email_address: Option<String>,
    /// Colours of pages and mail.
    pub colors: Colors,
    /// `PDS_BACKGROUND_LIGHT_URL`: background image of light pages.
    pub background_light_url: Option<String>,
    /// `PDS_BACKGROUND_DARK_URL`: background image of dark pages.
    pub background_dark_url: Option<String>,
}

/// CSS colours that contain nothing but letters, digits and `#(),.%/ -`.
#[derive(Debug, Clone)]
pub struct Colors {
    /// `PDS_PRIMARY_COLOR`: buttons and links.
    pub primary: Option<String>,
    /// `PDS_ERROR_COLOR`: errors.
    pub error: Option<String>,
    /// `PDS_WARNING_COLOR`: warnings.
    pub warning: Option<String>,
    /// `PDS_INFO_COLOR`: remarks.
    pub info: Option<String>,
    /// `PDS_SUCCESS_COLOR`: successes.
    pub success: Option<String>,
}

impl BrandingConfig {
    /// `hostname` is that of the service; none if it is wrong, which is reported elsewhere.
    pub(super) fn read(reader: &mut Reader<'_>, hostname: Option<&str>) -> Self {
        let default_name = format!("{} PDS", hostname.unwrap_or("localhost"));
        Self {
            service_name: reader.text("PDS_SERVICE_NAME").unwrap_or(default_name),
            home_url: read_link(reader, "PDS_HOME_URL"),
            logo_url: read_link(reader, "PDS_LOGO_URL"),
            privacy_policy_url: read_link(reader, "PDS_PRIVACY_POLICY_URL"),
            terms_of_service_url: read_link(reader, "PDS_TERMS_OF_SERVICE_URL"),
            support_url: read_link(reader, "PDS_SUPPORT_URL"),
            contact_email_address: reader.text("PDS_CONTACT_EMAIL_ADDRESS"),
            colors: Colors {
                primary: read_color(reader, "PDS_PRIMARY_COLOR"),
                error: read_color(reader, "PDS_ERROR_COLOR"),
                warning: read_color(reader, "PDS_WARNING_COLOR"),
                info: read_color(reader, "PDS_INFO_COLOR"),
                success: read_color(reader, "PDS_SUCCESS_COLOR"),
            },
            background_light_url: read_link(reader, "PDS_BACKGROUND_LIGHT_URL"),
            background_dark_url: read_link(reader, "PDS_BACKGROUND_DARK_URL"),
        }
    }
}

/// A link as the operator wrote it: clients compare these, so nothing is normalised.
fn read_link(reader: &mut Reader<'_>, name: &'static str) -> Option<String> {
    reader.parsed(name, "an http:// or https:// address", |text| {
        is_web_address(text).then(|| text.to_owned())
    })
}

/// Colours end up in style sheets, so nothing may lead out of a CSS value.
fn read_color(reader: &mut Reader<'_>, name: &'static str) -> Option<String> {
    let is_color = |text: &str| {
        text.len() <= MAX_COLOR
            && text
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || "#(),.%/ -".contains(character))
    };
    reader.parsed(name, "a CSS colour such as #0f73ff or rgb(15, 115, 255)", |text| {
        is_color(text).then(|| text.to_owned())
    })
}

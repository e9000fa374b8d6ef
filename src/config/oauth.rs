//! The OAuth authorization server.

use super::reader::Reader;
use super::secret::Secret;
use super::setting::Setting;

const SITE_KEY: &str = "PDS_HCAPTCHA_SITE_KEY";
const SECRET_KEY: &str = "PDS_HCAPTCHA_SECRET_KEY";
const TOKEN_SALT: &str = "PDS_HCAPTCHA_TOKEN_SALT";

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "PDS_OAUTH_TRUSTED_CLIENTS",
        "Client ids whose sessions last as long as the server's own.",
    )
    .not_yet(),
    Setting::new(
        SITE_KEY,
        "hCaptcha on the sign-up page: site key; all three are needed.",
    )
    .not_yet(),
    Setting::new(SECRET_KEY, "hCaptcha: secret key.").secret().not_yet(),
    Setting::new(TOKEN_SALT, "hCaptcha: salt of hashed tokens.")
        .secret()
        .not_yet(),
];

/// The OAuth authorization server.
#[derive(Debug, Clone)]
pub struct OAuthConfig {
    /// `PDS_OAUTH_TRUSTED_CLIENTS`: client ids whose sessions last as long as the server's own.
    pub trusted_clients: Vec<String>,
    /// hCaptcha on the sign-up page.
    pub hcaptcha: Option<HcaptchaConfig>,
}

/// hCaptcha on the sign-up page.
#[derive(Debug, Clone)]
pub struct HcaptchaConfig {
    /// `PDS_HCAPTCHA_SITE_KEY`: public key of the site.
    pub site_key: String,
    /// `PDS_HCAPTCHA_SECRET_KEY`: key for checking answers.
    pub secret_key: Secret,
    /// `PDS_HCAPTCHA_TOKEN_SALT`: salt of hashed tokens.
    pub token_salt: Secret,
}

impl OAuthConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            trusted_clients: reader.list("PDS_OAUTH_TRUSTED_CLIENTS"),
            hcaptcha: read_hcaptcha(reader),
        }
    }
}

fn read_hcaptcha(reader: &mut Reader<'_>) -> Option<HcaptchaConfig> {
    let site_key = reader.text(SITE_KEY);
    let secret_key = reader.secret(SECRET_KEY);
    let token_salt = reader.secret(TOKEN_SALT);
    let given = [site_key.is_some(), secret_key.is_some(), token_salt.is_some()];
    if given.contains(&true) && given.contains(&false) {
        // As in the reference server, which however says nothing.
        reader.warn(format!(
            "hCaptcha is off: it needs {SITE_KEY}, {SECRET_KEY} and {TOKEN_SALT}"
        ));
    }
    Some(HcaptchaConfig {
        site_key: site_key?,
        secret_key: secret_key?,
        token_salt: token_salt?,
    })
}

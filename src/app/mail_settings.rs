//! From the operator's settings to those of mail.

use super::StartError;
use crate::config::{Config, Mailbox, SmtpConfig, SmtpTls};
use crate::mail::{Branding, MailServerError, MailSettings, Sender, TlsUse};

/// How mail leaves and what it looks like.
///
/// # Errors
/// Which setting is wrong, and how.
pub(crate) fn mail_settings(config: &Config) -> Result<MailSettings, StartError> {
    let branding = &config.branding;
    let our_name = config.service.hostname.as_str();
    Ok(MailSettings {
        users: sender("PDS_EMAIL_SMTP_URL", config.mail.users.as_ref(), our_name)?,
        moderation: sender(
            "PDS_MODERATION_EMAIL_SMTP_URL",
            config.mail.moderation.as_ref(),
            our_name,
        )?,
        branding: Branding {
            service_name: branding.service_name.clone(),
            public_url: config.service.public_url.clone(),
            home_url: branding.home_url.clone(),
            logo_url: branding.logo_url.clone(),
            support_url: branding.support_url.clone(),
            primary_color: branding.colors.primary.clone(),
            confirmation_link: !config.mail.disable_confirmation_link,
        },
    })
}

fn sender(url_name: &str, mailbox: Option<&Mailbox>, our_name: &str) -> Result<Option<Sender>, StartError> {
    let Some(mailbox) = mailbox else { return Ok(None) };
    let from = &mailbox.from_address;
    let sender = match &mailbox.server {
        SmtpConfig::Url(url) => Sender::new(url.expose(), from, our_name),
        SmtpConfig::Host(host) => {
            let login = host.login.as_ref();
            let login = login.map(|(user, password)| (user.clone(), password.expose().to_owned().into()));
            let tls = match host.tls {
                SmtpTls::FromTheStart => TlsUse::Always,
                SmtpTls::StartTls => TlsUse::StartTls,
                SmtpTls::Never => TlsUse::Never,
            };
            Sender::at(host.host.clone(), host.port, tls, login, from, our_name)
        }
    };
    sender
        .map(Some)
        .map_err(|error: MailServerError| format!("{url_name}: {error}").into())
}

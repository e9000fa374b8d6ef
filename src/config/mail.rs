//! Outgoing mail.

use super::reader::Reader;
use super::secret::Secret;
use super::setting::Setting;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "PDS_EMAIL_SMTP_URL",
        "SMTP server for mail to users: `smtps://user:password@host:465/`, user and password percent-encoded.",
    )
    .secret()
    .not_yet(),
    Setting::new("PDS_EMAIL_FROM_ADDRESS", "Sender of mail to users.").not_yet(),
    Setting::new(
        "PDS_EMAIL_DISABLE_CONFIRMATION_LINK",
        "Leave the link to bsky.app out of confirmation mail.",
    )
    .or("false")
    .not_yet(),
    Setting::new("PDS_MODERATION_EMAIL_SMTP_URL", "SMTP server for mail from moderators.")
        .secret()
        .not_yet(),
    Setting::new("PDS_MODERATION_EMAIL_ADDRESS", "Sender of mail from moderators.").not_yet(),
];

/// Outgoing mail.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `PDS_EMAIL_SMTP_URL` and `PDS_EMAIL_FROM_ADDRESS`: mail to users.
    pub users: Option<Mailbox>,
    /// `PDS_MODERATION_EMAIL_SMTP_URL` and `PDS_MODERATION_EMAIL_ADDRESS`: mail from moderators.
    pub moderation: Option<Mailbox>,
    /// `PDS_EMAIL_DISABLE_CONFIRMATION_LINK`: leave the link to bsky.app out of confirmation mail.
    pub disable_confirmation_link: bool,
}

/// How mail of one kind leaves.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// Address of the SMTP server, with user and password: `smtp://` or `smtps://`.
    pub smtp_url: Secret,
    /// The sender, `user@domain` or `Name <user@domain>`.
    pub from_address: String,
}

impl MailConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            users: read_mailbox(reader, "PDS_EMAIL_SMTP_URL", "PDS_EMAIL_FROM_ADDRESS"),
            moderation: read_mailbox(reader, "PDS_MODERATION_EMAIL_SMTP_URL", "PDS_MODERATION_EMAIL_ADDRESS"),
            disable_confirmation_link: reader.flag("PDS_EMAIL_DISABLE_CONFIRMATION_LINK"),
        }
    }
}

fn read_mailbox(reader: &mut Reader<'_>, url_name: &'static str, address_name: &'static str) -> Option<Mailbox> {
    let smtp_url = reader.parsed(
        url_name,
        "an address such as smtps://user:password@smtp.example.com:465/",
        |text| is_smtp_url(text).then(|| Secret::from(text)),
    );
    let from_address = reader.parsed(address_name, "a mail address", |text| {
        text.contains('@').then(|| text.to_owned())
    });
    if smtp_url.is_some() && !reader.is_given(address_name) {
        reader.problem(address_name, format!("must be set beside {url_name}"));
    }
    if smtp_url.is_none() && from_address.is_some() {
        // Charts set a sender whether or not there is a server, so this must not keep the server from starting.
        reader.warn(format!("{address_name} is set without {url_name}: no mail is sent"));
    }
    Some(Mailbox {
        smtp_url: smtp_url?,
        from_address: from_address?,
    })
}

/// `smtp:///?sendmail=true`, which the reference server knows, has no host.
fn is_smtp_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "smtp" | "smtps"))
}

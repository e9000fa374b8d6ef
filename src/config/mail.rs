//! Outgoing mail.

use super::reader::Reader;
use super::secret::Secret;
use super::setting::Setting;

const URL: &str = "PDS_EMAIL_SMTP_URL";
const FROM: &str = "PDS_EMAIL_FROM_ADDRESS";
const HOST: &str = "PDS_EMAIL_SMTP_HOST";
const PORT: &str = "PDS_EMAIL_SMTP_PORT";
const USER: &str = "PDS_EMAIL_SMTP_USER";
const PASSWORD: &str = "PDS_EMAIL_SMTP_PASSWORD";
const TLS: &str = "PDS_EMAIL_SMTP_TLS";

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        URL,
        "SMTP server for mail to users: `smtps://user:password@host:465/`, user and password percent-encoded. `smtp://` uses STARTTLS \
         if the server offers it; `?requireTLS=true` demands it.",
    )
    .secret(),
    Setting::new(
        HOST,
        "SMTP server for mail to users, in place of `PDS_EMAIL_SMTP_URL`, with the settings below.",
    ),
    Setting::new(PORT, "Its port.").or_computed("465 with `PDS_EMAIL_SMTP_TLS=tls`, else 587"),
    Setting::new(USER, "User to log in as."),
    Setting::new(PASSWORD, "That user's password, as it is.").secret(),
    Setting::new(
        TLS,
        "When the connection is encrypted: `tls` from the start, `starttls` before anything is said, `none` never.",
    )
    .or_computed("`tls` with port 465, else `starttls`"),
    Setting::new(FROM, "Sender of mail to users."),
    Setting::new(
        "PDS_EMAIL_DISABLE_CONFIRMATION_LINK",
        "Leave the link to this server's page out of confirmation mail.",
    )
    .or("false"),
    Setting::new(
        "PDS_MODERATION_EMAIL_SMTP_URL",
        "SMTP server for mail from moderators; without it theirs leaves as mail to users.",
    )
    .secret(),
    Setting::new("PDS_MODERATION_EMAIL_ADDRESS", "Sender of mail from moderators."),
];

/// Outgoing mail.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `PDS_EMAIL_SMTP_URL` or `PDS_EMAIL_SMTP_HOST`, and `PDS_EMAIL_FROM_ADDRESS`: mail to users.
    pub users: Option<Mailbox>,
    /// `PDS_MODERATION_EMAIL_SMTP_URL` and `PDS_MODERATION_EMAIL_ADDRESS`: mail from moderators.
    pub moderation: Option<Mailbox>,
    /// `PDS_EMAIL_DISABLE_CONFIRMATION_LINK`: leave the link to this server's page out of confirmation mail.
    pub disable_confirmation_link: bool,
}

/// How mail of one kind leaves.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// The server that takes it.
    pub server: SmtpConfig,
    /// The sender, `user@domain` or `Name <user@domain>`.
    pub from_address: String,
}

/// An SMTP server.
#[derive(Debug, Clone)]
pub enum SmtpConfig {
    /// By its address, with user and password: `smtp://` or `smtps://`.
    Url(Secret),
    /// By settings of its own.
    Host(SmtpHost),
}

/// An SMTP server by settings of its own.
#[derive(Debug, Clone)]
pub struct SmtpHost {
    /// `PDS_EMAIL_SMTP_HOST`: name or address.
    pub host: String,
    /// `PDS_EMAIL_SMTP_PORT`.
    pub port: u16,
    /// `PDS_EMAIL_SMTP_USER` and `PDS_EMAIL_SMTP_PASSWORD`.
    pub login: Option<(String, Secret)>,
    /// `PDS_EMAIL_SMTP_TLS`.
    pub tls: SmtpTls,
}

/// When a connection to an SMTP server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the start.
    FromTheStart,
    /// By STARTTLS, before anything is said.
    StartTls,
    /// Never.
    Never,
}

impl MailConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let url = read_url(reader, URL);
        let host = read_host(reader);
        if url.is_some() && host.is_some() {
            reader.problem(HOST, format!("is set beside {URL}: keep one of the two"));
        }
        Self {
            users: read_mailbox(reader, url.or(host), URL, FROM),
            moderation: {
                let url = read_url(reader, "PDS_MODERATION_EMAIL_SMTP_URL");
                read_mailbox(
                    reader,
                    url,
                    "PDS_MODERATION_EMAIL_SMTP_URL",
                    "PDS_MODERATION_EMAIL_ADDRESS",
                )
            },
            disable_confirmation_link: reader.flag("PDS_EMAIL_DISABLE_CONFIRMATION_LINK"),
        }
    }
}

fn read_url(reader: &mut Reader<'_>, name: &'static str) -> Option<SmtpConfig> {
    let url = reader.parsed(
        name,
        "an address such as smtps://user:password@smtp.example.com:465/",
        |text| is_smtp_url(text).then(|| Secret::from(text)),
    );
    url.map(SmtpConfig::Url)
}

fn read_host(reader: &mut Reader<'_>) -> Option<SmtpConfig> {
    /// The ports of mail submission (RFC 8314, RFC 6409).
    const SUBMISSIONS: u16 = 465;
    const SUBMISSION: u16 = 587;
    let host = reader.parsed(HOST, "a host name or an IP address", |text| {
        (!text.contains(['/', '@', ' '])).then(|| text.to_owned())
    });
    let port = reader.parsed(PORT, "a port", |text| text.parse().ok().filter(|port| *port > 0));
    let tls = reader.parsed(TLS, "tls, starttls or none", |text| match text {
        "tls" => Some(SmtpTls::FromTheStart),
        "starttls" => Some(SmtpTls::StartTls),
        "none" => Some(SmtpTls::Never),
        _ => None,
    });
    let login = read_login(reader);
    if host.is_none() {
        let others = [PORT, USER, PASSWORD, TLS];
        if let Some(name) = others.into_iter().find(|name| reader.is_given(name)) {
            reader.warn(format!("{name} is set without {HOST}: it has no effect"));
        }
    }
    let tls = tls.unwrap_or(match port {
        Some(SUBMISSIONS) => SmtpTls::FromTheStart,
        _ => SmtpTls::StartTls,
    });
    let port = port.unwrap_or(match tls {
        SmtpTls::FromTheStart => SUBMISSIONS,
        SmtpTls::StartTls | SmtpTls::Never => SUBMISSION,
    });
    Some(SmtpConfig::Host(SmtpHost {
        host: host?,
        port,
        login,
        tls,
    }))
}

fn read_login(reader: &mut Reader<'_>) -> Option<(String, Secret)> {
    let (user, password) = (reader.text(USER), reader.secret(PASSWORD));
    match (&user, &password) {
        (Some(_), None) => reader.problem(PASSWORD, format!("must be set beside {USER}, or {PASSWORD}_FILE")),
        (None, Some(_)) => reader.problem(USER, format!("must be set beside {PASSWORD}")),
        _ => {}
    }
    user.zip(password)
}

fn read_mailbox(
    reader: &mut Reader<'_>,
    server: Option<SmtpConfig>,
    server_name: &'static str,
    address_name: &'static str,
) -> Option<Mailbox> {
    let from_address = reader.parsed(address_name, "a mail address", |text| {
        text.contains('@').then(|| text.to_owned())
    });
    if let Some(server) = &server
        && !reader.is_given(address_name)
    {
        let beside = match server {
            SmtpConfig::Url(_) => server_name,
            SmtpConfig::Host(_) => HOST,
        };
        reader.problem(address_name, format!("must be set beside {beside}"));
    }
    if server.is_none() && from_address.is_some() {
        // Charts set a sender whether or not there is a server, so this must not keep the server from starting.
        reader.warn(format!("{address_name} is set without {server_name}: no mail is sent"));
    }
    Some(Mailbox {
        server: server?,
        from_address: from_address?,
    })
}

/// `smtp:///?sendmail=true`, which the reference server knows, has no host.
fn is_smtp_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "smtp" | "smtps"))
}

//! Which mail server takes our mail and in whose name: the address of `PDS_EMAIL_SMTP_URL`, in the forms that the reference server takes.

use lettre::message::Mailbox;
use reqwest::Url;
use zeroize::Zeroizing;

/// The ports of mail submission (RFC 6409, RFC 8314).
const SUBMISSION_PORT: u16 = 587;
const SUBMISSIONS_PORT: u16 = 465;
/// Where sendmail usually is; the search path is asked for it.
const SENDMAIL: &str = "sendmail";

/// A mail server and the sender that we are to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    pub(super) route: Route,
    pub(super) from: Mailbox,
}

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Through a program on this machine (`smtp:///?sendmail=true`).
    Sendmail { program: String },
    /// Through a server.
    Smtp(SmtpServer),
}

/// A server that takes mail by SMTP.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SmtpServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: TlsUse,
    /// Whether its certificate need not be a good one (`?tls.rejectUnauthorized=false`).
    pub(super) any_certificate: bool,
    pub(super) login: Option<(String, Zeroizing<String>)>,
    /// The name with which we greet it: our own host's. Servers distrust those who give none.
    pub(super) our_name: String,
}

/// When the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsUse {
    /// From the start (`smtps://`, `PDS_EMAIL_SMTP_TLS=tls`).
    Always,
    /// By STARTTLS, which the server must offer (`?requireTLS=true`).
    StartTls,
    /// By STARTTLS if the server offers it (`smtp://`).
    IfOffered,
    /// Never (`?ignoreTLS=true`).
    Never,
}

impl std::fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let login = if self.login.is_some() {
            "with login"
        } else {
            "without login"
        };
        write!(f, "{}:{} ({:?}, {login})", self.host, self.port, self.tls)
    }
}

/// Why mail cannot be set up. Says nothing of passwords.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailServerError {
    /// The address is none.
    #[error(
        "must be an address such as smtps://user:password@smtp.example.com:465/, user and password percent-encoded"
    )]
    Url,
    /// The address names no host.
    #[error("names no host: smtps://user:password@HOST:465/")]
    Host,
    /// The sender is no mail address.
    #[error("the sender must be user@domain or Name <user@domain>")]
    From,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl Sender {
    /// Reads a mail server's address and our own, to a server with the host name `our_name`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(url: &str, from: &str, our_name: &str) -> Result<Sender, MailServerError> {
        let from = from.parse().map_err(|_| MailServerError::From)?;
        let url = Url::parse(url).map_err(|_| MailServerError::Url)?;
        if option(&url, "sendmail").as_deref() == Some("true") {
            let program = option(&url, "path").unwrap_or_else(|| SENDMAIL.to_owned());
            return Ok(Sender {
                route: Route::Sendmail { program },
                from,
            });
        }
        Ok(Sender {
            route: Route::Smtp(SmtpServer::read(&url, our_name)?),
            from,
        })
    }

    /// A mail server by settings of its own. A login is a user and a password.
    ///
    /// # Errors
    /// If our own address is none.
    pub fn at(
        host: String,
        port: u16,
        tls: TlsUse,
        login: Option<(String, Zeroizing<String>)>,
        from: &str,
        our_name: &str,
    ) -> Result<Sender, MailServerError> {
        let server = SmtpServer {
            host,
            port,
            tls,
            any_certificate: false,
            login,
            our_name: our_name.to_owned(),
        };
        Ok(Sender {
            route: Route::Smtp(server),
            from: from.parse().map_err(|_| MailServerError::From)?,
        })
    }
}

impl SmtpServer {
    fn read(url: &Url, our_name: &str) -> Result<SmtpServer, MailServerError> {
        let is_on = |name: &str| option(url, name).as_deref() == Some("true");
        let tls = match url.scheme() {
            "smtps" => TlsUse::Always,
            "smtp" if is_on("secure") => TlsUse::Always,
            "smtp" if is_on("requireTLS") => TlsUse::StartTls,
            "smtp" if is_on("ignoreTLS") => TlsUse::Never,
            "smtp" => TlsUse::IfOffered,
            _ => return Err(MailServerError::Url),
        };
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or(MailServerError::Host)?;
        let user = decode(url.username()).ok_or(MailServerError::Url)?;
        let password = decode(url.password().unwrap_or_default()).ok_or(MailServerError::Url)?;
        Ok(SmtpServer {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(match tls {
                TlsUse::Always => SUBMISSIONS_PORT,
                _ => SUBMISSION_PORT,
            }),
            tls,
            any_certificate: option(url, "tls.rejectUnauthorized").as_deref() == Some("false"),
            login: (!user.is_empty()).then(|| (user, Zeroizing::new(password))),
            our_name: our_name.to_owned(),
        })
    }
}

fn option(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Undoes percent-encoding (RFC 3986 §2.1); nothing if it is malformed or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn server(url: &str) -> SmtpServer {
        match Sender::new(url, "Me <me@pds.test>", "pds.test").unwrap().route {
            Route::Smtp(server) => server,
            Route::Sendmail { .. } => panic!("{url}"),
        }
    }

    #[test]
    fn servers_of_all_kinds() {
        for (url, shown) in [
            ("smtp://127.0.0.1:2525", "127.0.0.1:2525 (IfOffered, without login)"),
            ("smtp://mail.test", "mail.test:587 (IfOffered, without login)"),
            (
                "smtp://mail.test?requireTLS=true",
                "mail.test:587 (StartTls, without login)",
            ),
            (
                "smtp://mail.test/?ignoreTLS=true",
                "mail.test:587 (Never, without login)",
            ),
            ("smtps://u:p@mail.test/", "mail.test:465 (Always, with login)"),
            (
                "smtp://u:p@mail.test:2465/?secure=true",
                "mail.test:2465 (Always, with login)",
            ),
            ("smtps://[::1]:1465", "::1:1465 (Always, without login)"),
        ] {
            assert_eq!(format!("{:?}", server(url)), shown, "{url}");
        }
    }

    #[test]
    fn user_and_password_are_decoded() {
        let (user, password) = server("smtps://a%40b.test:p%3A%2F%3F%23%C3%A4@mail.test")
            .login
            .unwrap();
        assert_eq!((user.as_str(), password.as_str()), ("a@b.test", "p:/?#ä"));
        assert!(server("smtps://mail.test?tls.rejectUnauthorized=false").any_certificate);
    }

    #[test]
    fn sendmail_needs_no_host() {
        for (url, expected) in [
            ("smtp:///?sendmail=true", "sendmail"),
            ("smtp://?sendmail=true&path=/usr/sbin/exim", "/usr/sbin/exim"),
        ] {
            let Route::Sendmail { program } = Sender::new(url, "me@pds.test", "pds.test").unwrap().route else {
                panic!("{url}");
            };
            assert_eq!(program, expected);
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for (url, from, expected) in [
            ("http://mail.test", "me@pds.test", MailServerError::Url),
            ("mail.test:587", "me@pds.test", MailServerError::Url),
            ("smtp://u:%zz@mail.test", "me@pds.test", MailServerError::Url),
            ("smtp://mail.test:99999", "me@pds.test", MailServerError::Url),
            ("smtp:///", "me@pds.test", MailServerError::Host),
            ("smtp://mail.test", "me", MailServerError::From),
            (
                "smtp://mail.test",
                "me@pds.test\r\nBcc: x@y.test",
                MailServerError::From,
            ),
        ] {
            assert_eq!(Sender::new(url, from, "pds.test").unwrap_err(), expected, "{url}");
        }
    }
}

//! Handing one letter over to a mail server.

use std::process::Stdio;
use std::time::Duration;

use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::io::AsyncWriteExt as _;

use super::Letter;
use super::sender::{MailServerError, Route, Sender, SmtpServer, TlsUse};

/// How long a mail server may take for one step.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take for all of them: the client bounds only the time until the connection is there.
const LETTER_TIMEOUT: Duration = Duration::from_mins(2);
/// What a server says of us rather than of the letter ([RFC 4954 §6](https://www.rfc-editor.org/rfc/rfc4954#section-6)): settings can mend it.
const LOGIN_REFUSED: [u16; 4] = [530, 534, 535, 538];

/// Why a letter was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// It never will be: the server refuses it, or it is no mail.
    #[error("{0}")]
    Refused(String),
    /// It may be later.
    #[error("{0}")]
    Failed(String),
}

/// A way out for mail.
pub(super) struct Transport {
    from: Mailbox,
    way: Way,
}

enum Way {
    Sendmail { program: String },
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

impl Transport {
    pub(super) fn new(sender: Sender) -> Result<Transport, MailServerError> {
        let way = match sender.route {
            Route::Sendmail { program } => Way::Sendmail { program },
            Route::Smtp(server) => Way::Smtp(smtp(server)?),
        };
        Ok(Transport { from: sender.from, way })
    }

    /// Hands a letter over.
    pub(super) async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = message(&self.from, letter).map_err(SendError::Refused)?;
        match &self.way {
            Way::Sendmail { program } => sendmail(program, &message).await,
            Way::Smtp(server) => match tokio::time::timeout(LETTER_TIMEOUT, server.send(message)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) if is_of_the_letter(&error) => Err(SendError::Refused(error.to_string())),
                Ok(Err(error)) => Err(SendError::Failed(error.to_string())),
                Err(_) => Err(SendError::Failed("the mail server has gone silent".to_owned())),
            },
        }
    }
}

/// Whether the server will never take this letter, whoever brings it.
fn is_of_the_letter(error: &lettre::transport::smtp::Error) -> bool {
    let code = error.status().map(u16::from);
    error.is_permanent() && !code.is_some_and(|code| LOGIN_REFUSED.contains(&code))
}

fn smtp(server: SmtpServer) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailServerError> {
    let parameters = || tls_parameters(&server);
    let tls = match server.tls {
        TlsUse::Always => Tls::Wrapper(parameters()?),
        TlsUse::StartTls => Tls::Required(parameters()?),
        TlsUse::IfOffered => Tls::Opportunistic(parameters()?),
        TlsUse::Never => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(TIMEOUT));
    if let Some((user, password)) = server.login {
        builder = builder.credentials(Credentials::new(user, password.to_string()));
    }
    Ok(builder.build())
}

/// How connections to a server are encrypted.
pub(super) fn tls_parameters(server: &SmtpServer) -> Result<TlsParameters, MailServerError> {
    TlsParameters::builder(server.host.clone())
        .dangerous_accept_invalid_certs(server.any_certificate)
        .build_rustls()
        .map_err(|error| MailServerError::Tls(error.to_string()))
}

/// The mail as it travels (RFC 5322). The recipient is one address and nothing else, whatever it looks like.
fn message(from: &Mailbox, letter: &Letter) -> Result<Message, String> {
    let to: Address = letter
        .to
        .parse()
        .map_err(|_| "the recipient is no address".to_owned())?;
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(letter.subject.clone())
        .message_id(None)
        .multipart(MultiPart::alternative_plain_html(
            letter.text.clone(),
            letter.html.clone(),
        ))
        .map_err(|error| error.to_string())
}

/// Gives the mail to a program as sendmail takes it. No shell is asked, and what follows `--` is no option.
async fn sendmail(program: &str, message: &Message) -> Result<(), SendError> {
    let failed = |error: &dyn std::fmt::Display| SendError::Failed(format!("{program}: {error}"));
    let envelope = message.envelope();
    let mut command = tokio::process::Command::new(program);
    command.arg("-i");
    if let Some(from) = envelope.from() {
        command.arg("-f").arg(from);
    }
    command.arg("--").args(envelope.to());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&error))?;
    let run = async {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&message.formatted()).await?;
        }
        child.wait().await
    };
    let ended = tokio::time::timeout(TIMEOUT, run).await;
    let status = ended.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    if status.success() { Ok(()) } else { Err(failed(&status)) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::mail::testing::branding;

    fn letter(to: &str, subject: &str) -> Letter {
        Letter::from_moderator(to, subject, "Grüße\n.\nBcc: x@y.test", &branding())
    }

    #[test]
    fn nobody_adds_a_header_or_a_recipient() {
        let from = "Me <me@pds.test>".parse().unwrap();
        let message = message(&from, &letter("a@b.test", "Hi\r\nBcc: c@d.test\r\n\r\nx")).unwrap();
        let bytes = String::from_utf8(message.formatted()).unwrap();
        let (headers, _) = bytes.split_once("\r\n\r\n").unwrap();
        assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
        assert_eq!(message.envelope().to().len(), 1);
        assert!(headers.contains("\r\nTo: a@b.test\r\n"), "{headers}");
        for to in [
            "a@b.test, c@d.test",
            "a@b.test\r\nBcc: c@d.test",
            "A <a@b.test>",
            "",
            "a",
        ] {
            assert!(super::message(&from, &letter(to, "x")).is_err(), "{to}");
        }
    }

    #[tokio::test]
    async fn a_program_gets_the_mail_and_its_failure_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let (script, out) = (directory.path().join("sendmail"), directory.path().join("out"));
        std::fs::write(
            &script,
            format!("#!/bin/sh\necho \"$@\" > {0}\ncat >> {0}\n", out.display()),
        )
        .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        let url = format!("smtp:///?sendmail=true&path={}", script.display());
        let transport = Transport::new(Sender::new(&url, "me@pds.test").unwrap()).unwrap();
        transport.send(&letter("a@b.test", "Hi")).await.unwrap();
        let written = std::fs::read_to_string(&out).unwrap();
        assert!(written.starts_with("-i -f me@pds.test -- a@b.test\n"), "{written}");
        assert!(written.contains("Subject: Hi"), "{written}");

        let absent = Sender::new("smtp:///?sendmail=true&path=/nonexistent", "me@pds.test").unwrap();
        let failed = Transport::new(absent).unwrap().send(&letter("a@b.test", "Hi")).await;
        assert!(matches!(failed, Err(SendError::Failed(_))), "{failed:?}");
    }
}

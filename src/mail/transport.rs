//! Handing one letter over to a mail server.

use std::process::Stdio;
use std::time::Duration;

use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use tokio::io::AsyncWriteExt as _;

use super::Letter;
use super::sender::{MailServerError, Route, Sender};
use super::smtp::{Connection, Smtp};

/// How long a mail server may take for one step.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take for all of them: the client bounds only the time until the connection is there.
const LETTER_TIMEOUT: Duration = Duration::from_mins(2);
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");
/// What a server that is asked to take a recipient says of us rather than of the recipient
/// ([RFC 4954 §6](https://www.rfc-editor.org/rfc/rfc4954#section-6)): settings can mend it.
const LOGIN_REFUSED: [u16; 4] = [530, 534, 535, 538];
/// The same in the words of [RFC 3463](https://www.rfc-editor.org/rfc/rfc3463): policy, and the sender's address.
const SENDER_REFUSED: [&str; 3] = ["5.7.", "5.1.7", "5.1.8"];

/// Why a letter was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// It never will be: the server does not know the recipient, or it is no mail.
    #[error("{0}")]
    Refused(String),
    /// It may be later, or when the operator has mended the settings.
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
    Smtp(Smtp),
}

impl Transport {
    pub(super) fn new(sender: Sender) -> Result<Transport, MailServerError> {
        let way = match sender.route {
            Route::Sendmail { program } => Way::Sendmail { program },
            Route::Smtp(server) => Way::Smtp(Smtp::new(server)?),
        };
        Ok(Transport { from: sender.from, way })
    }

    /// Hands a letter over. `id` is one that no other letter has, the same each time this one is tried.
    pub(super) async fn send(&self, letter: &Letter, id: &str) -> Result<(), SendError> {
        let message = message(&self.from, letter, id).map_err(SendError::Refused)?;
        match &self.way {
            Way::Sendmail { program } => sendmail(program, &message).await,
            Way::Smtp(smtp) => match tokio::time::timeout(LETTER_TIMEOUT, send_by(smtp, &message)).await {
                Ok(sent) => sent,
                Err(_) => Err(SendError::Failed("the mail server has gone silent".to_owned())),
            },
        }
    }
}

async fn send_by(smtp: &Smtp, message: &Message) -> Result<(), SendError> {
    let mut connection = smtp.connect(TIMEOUT).await.map_err(SendError::Failed)?;
    let sent = talk(smtp, &mut connection, message).await;
    connection.close().await;
    sent
}

/// A letter is lost only if its recipient is refused. All else is ours to mend: who we are, and what we write.
async fn talk(smtp: &Smtp, connection: &mut Connection, message: &Message) -> Result<(), SendError> {
    let failed = |what: &str, error: SmtpError| SendError::Failed(format!("{what}: {error}"));
    let (envelope, bytes) = (message.envelope(), message.formatted());
    let logged_in = smtp.log_in(connection).await;
    logged_in.map_err(|error| failed("the mail server refuses user or password", error))?;
    let named = connection.name_sender(envelope, &bytes).await;
    named.map_err(|error| failed("the mail server refuses the sender, PDS_EMAIL_FROM_ADDRESS", error))?;
    for to in envelope.to() {
        match connection.name_recipient(to).await {
            Ok(()) => {}
            Err(error) if is_of_the_recipient(&error) => return Err(SendError::Refused(error.to_string())),
            Err(error) => return Err(failed("the mail server does not take mail for others from us", error)),
        }
    }
    let taken = connection.hand_over(&bytes).await;
    taken.map_err(|error| failed("the mail server refuses the letter", error))
}

/// Whether the server will never take mail for this recipient, whoever brings it.
fn is_of_the_recipient(error: &SmtpError) -> bool {
    let code = error.status().map(u16::from);
    let text = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    error.is_permanent()
        && !code.is_some_and(|code| LOGIN_REFUSED.contains(&code))
        && !SENDER_REFUSED.iter().any(|status| text.starts_with(status))
}

/// The mail as it travels (RFC 5322). The recipient is one address and nothing else, whatever it looks like. What answers mail by itself
/// should not answer (RFC 3834).
fn message(from: &Mailbox, letter: &Letter, id: &str) -> Result<Message, String> {
    let to: Address = letter
        .to
        .parse()
        .map_err(|_| "the recipient is no address".to_owned())?;
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(letter.subject.clone())
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
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
        let message = message(&from, &letter("a@b.test", "Hi\r\nBcc: c@d.test\r\n\r\nx"), "1").unwrap();
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
            assert!(super::message(&from, &letter(to, "x"), "1").is_err(), "{to}");
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
        let transport = Transport::new(Sender::new(&url, "me@pds.test", "pds.test").unwrap()).unwrap();
        transport.send(&letter("a@b.test", "Hi"), "1").await.unwrap();
        let written = std::fs::read_to_string(&out).unwrap();
        assert!(written.starts_with("-i -f me@pds.test -- a@b.test\n"), "{written}");
        assert!(written.contains("Subject: Hi"), "{written}");

        let absent = Sender::new("smtp:///?sendmail=true&path=/nonexistent", "me@pds.test", "pds.test").unwrap();
        let failed = Transport::new(absent)
            .unwrap()
            .send(&letter("a@b.test", "Hi"), "1")
            .await;
        assert!(matches!(failed, Err(SendError::Failed(_))), "{failed:?}");
    }
}

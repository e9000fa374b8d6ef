//! Trying a mail server step by step, so that an operator learns which setting is wrong.

use std::net::SocketAddr;
use std::time::Duration;

use lettre::Address;
use lettre::address::Envelope;
use tokio::net::{TcpStream, lookup_host};

use super::sender::{Route, Sender, SmtpServer};
use super::smtp::{Connection, Smtp};
use super::transport::Transport;
use super::{Branding, Letter};

/// How long a mail server may take for one step.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A step that succeeded: its name and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Such as `connect`.
    pub step: &'static str,
    /// Such as the address.
    pub found: String,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {reason}\n{advice}")]
pub struct Failed {
    /// Such as `login`.
    pub step: &'static str,
    /// What happened.
    pub reason: String,
    /// What to do about it.
    pub advice: String,
}

/// Sends a letter to `to` through a sender's server, telling each step that succeeds. `id` is one that no other letter has.
///
/// # Errors
/// The first step that fails, and what to do about it.
pub async fn check(
    sender: &Sender,
    to: &str,
    branding: &Branding,
    id: &str,
    tell: &mut dyn FnMut(Passed),
) -> Result<(), Failed> {
    let recipient = to.parse::<Address>().map_err(|error| Failed {
        step: "recipient",
        reason: error.to_string(),
        advice: "Name one mail address, such as you@example.com.".to_owned(),
    })?;
    if let Route::Smtp(server) = &sender.route {
        try_server(server, &sender.from.email, recipient, tell).await?;
    }
    let letter = Letter::from_moderator(
        to,
        "Test mail",
        "Mail from this server arrives. Nothing else is to be done.",
        branding,
    );
    let sent = match Transport::new(sender.clone()) {
        Ok(transport) => transport.send(&letter, id).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    sent.map_err(|reason| Failed {
        step: "send",
        reason,
        advice: "The mail server takes no mail from this server as it is; its log says more.".to_owned(),
    })?;
    tell(passed(
        "send",
        format!("a letter is on its way to {to}; look into its spam folder too"),
    ));
    Ok(())
}

/// Logs in to a sender's server and sends nothing.
///
/// # Errors
/// The first step that fails, and what to do about it.
pub async fn try_login(sender: &Sender) -> Result<(), Failed> {
    if let Route::Smtp(server) = &sender.route {
        enter(server, &mut drop).await?.close().await;
    }
    Ok(())
}

/// From the name to the login.
async fn enter(server: &SmtpServer, tell: &mut dyn FnMut(Passed)) -> Result<Connection, Failed> {
    let address = resolve(server, tell).await?;
    connect(server, address, tell).await?;
    let smtp = Smtp::new(server.clone()).map_err(|error| not_encrypted(server, error.to_string()))?;
    let mut connection = greet(&smtp, tell).await?;
    log_in(&mut connection, &smtp, tell).await?;
    Ok(connection)
}

/// Everything up to the letter itself.
async fn try_server(
    server: &SmtpServer,
    from: &Address,
    to: Address,
    tell: &mut dyn FnMut(Passed),
) -> Result<(), Failed> {
    let mut connection = enter(server, tell).await?;
    let envelope = Envelope::new(Some(from.clone()), vec![to.clone()]).map_err(|error| Failed {
        step: "from",
        reason: error.to_string(),
        advice: "Set PDS_EMAIL_FROM_ADDRESS to a mail address.".to_owned(),
    })?;
    connection.name_sender(&envelope, &[]).await.map_err(|error| Failed {
        step: "from",
        reason: error.to_string(),
        advice: format!(
            "The server does not let us send as {from}: set PDS_EMAIL_FROM_ADDRESS to an address that is allowed there, and \
             make sure that its domain is verified with the provider."
        ),
    })?;
    tell(passed("from", format!("the server takes mail from {from}")));
    connection.name_recipient(&to).await.map_err(|error| Failed {
        step: "recipient",
        reason: error.to_string(),
        advice: format!(
            "The server does not take mail for {to}. If it wants a login first, set user and password; a provider's test mode \
             allows only verified recipients."
        ),
    })?;
    tell(passed("recipient", format!("the server takes mail for {to}")));
    connection.close().await;
    Ok(())
}

async fn resolve(server: &SmtpServer, tell: &mut dyn FnMut(Passed)) -> Result<SocketAddr, Failed> {
    let host = server.host.as_str();
    let failed = |reason: String| Failed {
        step: "dns",
        reason,
        advice: format!(
            "Check the host name {host:?} in PDS_EMAIL_SMTP_URL or PDS_EMAIL_SMTP_HOST, and this machine's resolver."
        ),
    };
    let found = tokio::time::timeout(TIMEOUT, lookup_host((host, server.port))).await;
    let mut found = found
        .map_err(|_| failed(format!("no answer within {} s", TIMEOUT.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    let address = found
        .next()
        .ok_or_else(|| failed("the name has no address".to_owned()))?;
    tell(passed("dns", format!("{host} is {}", address.ip())));
    Ok(address)
}

async fn connect(server: &SmtpServer, address: SocketAddr, tell: &mut dyn FnMut(Passed)) -> Result<(), Failed> {
    let failed = |reason: String| Failed {
        step: "connect",
        reason,
        advice: format!(
            "Nothing answers at port {} of {}. Check the port; many hosters block 25, 465 and 587: ask yours, or use another port \
             of the mail provider, often 2525.",
            server.port, server.host
        ),
    };
    let connected = tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await;
    connected
        .map_err(|_| failed(format!("no answer within {} s", TIMEOUT.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    tell(passed("connect", format!("port {} answers", server.port)));
    Ok(())
}

/// The greeting and, if it is wanted, TLS.
async fn greet(smtp: &Smtp, tell: &mut dyn FnMut(Passed)) -> Result<Connection, Failed> {
    let connection = smtp.connect(TIMEOUT).await;
    let connection = connection.map_err(|reason| not_encrypted(&smtp.server, reason))?;
    let found = if connection.is_encrypted() {
        "the connection is encrypted"
    } else {
        "the connection is NOT encrypted"
    };
    tell(passed("tls", found.to_owned()));
    Ok(connection)
}

fn not_encrypted(server: &SmtpServer, reason: String) -> Failed {
    Failed {
        step: "tls",
        reason,
        advice: format!(
            "Port 465 wants TLS from the start (smtps:// or PDS_EMAIL_SMTP_TLS=tls), port 587 STARTTLS (smtp:// or \
             PDS_EMAIL_SMTP_TLS=starttls). The certificate must be for {} and from an authority that this machine knows; SSL_CERT_FILE \
             names a file with others.",
            server.host
        ),
    }
}

async fn log_in(connection: &mut Connection, smtp: &Smtp, tell: &mut dyn FnMut(Passed)) -> Result<(), Failed> {
    let Some((user, _)) = &smtp.server.login else {
        tell(passed("login", "without user and password".to_owned()));
        return Ok(());
    };
    smtp.log_in(connection).await.map_err(|error| Failed {
        step: "login",
        reason: error.to_string(),
        advice: format!(
            "The server refuses the user {user:?} or its password. In PDS_EMAIL_SMTP_URL both are percent-encoded; many providers \
             want an app password or an API key."
        ),
    })?;
    tell(passed("login", format!("as {user}")));
    Ok(())
}

fn passed(step: &'static str, found: String) -> Passed {
    Passed { step, found }
}

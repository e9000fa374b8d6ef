//! Trying a mail server step by step, so that an operator learns which setting is wrong.

use std::net::SocketAddr;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Mail as MailFrom, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::{TcpStream, lookup_host};

use super::sender::{Route, Sender, SmtpServer, TlsUse};
use super::transport::{self, Transport};
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

/// Sends a letter to `to` through a sender's server, telling each step that succeeds.
///
/// # Errors
/// The first step that fails, and what to do about it.
pub async fn check(sender: &Sender, to: &str, branding: &Branding, tell: &mut dyn FnMut(Passed)) -> Result<(), Failed> {
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
        Ok(transport) => transport.send(&letter).await.map_err(|error| error.to_string()),
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
        let mut connection = enter(server, &mut drop).await?;
        let _ = connection.quit().await;
    }
    Ok(())
}

/// From the name to the login.
async fn enter(server: &SmtpServer, tell: &mut dyn FnMut(Passed)) -> Result<AsyncSmtpConnection, Failed> {
    let address = resolve(server, tell).await?;
    connect(server, address, tell).await?;
    let mut connection = greet(server, tell).await?;
    log_in(&mut connection, server, tell).await?;
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
    let refused = connection
        .command(MailFrom::new(Some(from.clone()), Vec::new()))
        .await
        .err();
    if let Some(error) = refused {
        return Err(Failed {
            step: "from",
            reason: error.to_string(),
            advice: format!(
                "The server does not let us send as {from}: set PDS_EMAIL_FROM_ADDRESS to an address that is allowed there, and \
                 make sure that its domain is verified with the provider."
            ),
        });
    }
    tell(passed("from", format!("the server takes mail from {from}")));
    if let Err(error) = connection.command(Rcpt::new(to.clone(), Vec::new())).await {
        return Err(Failed {
            step: "recipient",
            reason: error.to_string(),
            advice: format!(
                "The server does not take mail for {to}. If it wants a login first, set user and password; a provider's test mode \
                 allows only verified recipients."
            ),
        });
    }
    tell(passed("recipient", format!("the server takes mail for {to}")));
    let _ = connection.command(Rset).await;
    let _ = connection.quit().await;
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
async fn greet(server: &SmtpServer, tell: &mut dyn FnMut(Passed)) -> Result<AsyncSmtpConnection, Failed> {
    let failed = |reason: String| Failed {
        step: "tls",
        reason,
        advice: format!(
            "Port 465 wants TLS from the start (smtps:// or PDS_EMAIL_SMTP_TLS=tls), port 587 STARTTLS (smtp:// or \
             PDS_EMAIL_SMTP_TLS=starttls). The certificate must be for {} and from a known authority.",
            server.host
        ),
    };
    let tls = || transport::tls_parameters(server).map_err(|error| failed(error.to_string()));
    let hello = ClientId::default();
    let wrapper = if server.tls == TlsUse::Always {
        Some(tls()?)
    } else {
        None
    };
    let target = (server.host.as_str(), server.port);
    let connected = AsyncSmtpConnection::connect_tokio1(target, Some(TIMEOUT), &hello, wrapper, None);
    let connected = tokio::time::timeout(TIMEOUT, connected).await;
    let mut connection = connected
        .map_err(|_| failed(format!("no greeting within {} s", TIMEOUT.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    let upgrade = match server.tls {
        TlsUse::StartTls if !connection.can_starttls() => {
            return Err(failed("the server does not offer STARTTLS".to_owned()));
        }
        TlsUse::StartTls => true,
        TlsUse::IfOffered => connection.can_starttls(),
        TlsUse::Always | TlsUse::Never => false,
    };
    if upgrade {
        let upgraded = connection.starttls(tls()?, &hello).await;
        upgraded.map_err(|error| failed(error.to_string()))?;
    }
    let found = if connection.is_encrypted() {
        "the connection is encrypted"
    } else {
        "the connection is NOT encrypted"
    };
    tell(passed("tls", found.to_owned()));
    Ok(connection)
}

async fn log_in(
    connection: &mut AsyncSmtpConnection,
    server: &SmtpServer,
    tell: &mut dyn FnMut(Passed),
) -> Result<(), Failed> {
    let Some((user, password)) = &server.login else {
        tell(passed("login", "without user and password".to_owned()));
        return Ok(());
    };
    let credentials = Credentials::new(user.clone(), password.to_string());
    let logged_in = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
    logged_in.map_err(|error| Failed {
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

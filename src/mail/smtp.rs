//! The steps in which a server takes mail by SMTP (RFC 5321): connection, encryption, login, sender, recipient, letter.

use std::time::Duration;

use lettre::Address;
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use super::sender::{MailServerError, SmtpServer, TlsUse};

/// A server that takes mail.
pub(super) struct Smtp {
    pub(super) server: SmtpServer,
    /// None where connections are never encrypted.
    tls: Option<TlsParameters>,
}

/// A connection to it.
pub(super) struct Connection(AsyncSmtpConnection);

impl Smtp {
    /// Certificates are judged by the system's authorities, or by those in the file that `SSL_CERT_FILE` names.
    pub(super) fn new(server: SmtpServer) -> Result<Smtp, MailServerError> {
        let parameters = || {
            TlsParameters::builder(server.host.clone())
                .dangerous_accept_invalid_certs(server.any_certificate)
                .build_rustls()
                .map_err(|error| MailServerError::Tls(error.to_string()))
        };
        let tls = match server.tls {
            TlsUse::Never => None,
            TlsUse::Always | TlsUse::StartTls | TlsUse::IfOffered => Some(parameters()?),
        };
        Ok(Smtp { server, tls })
    }

    /// Connects, hears the greeting and encrypts the connection as the settings say. Each step may take as long as `timeout`.
    pub(super) async fn connect(&self, timeout: Duration) -> Result<Connection, String> {
        let hello = ClientId::Domain(self.server.our_name.clone());
        let from_the_start = self.tls.clone().filter(|_| self.server.tls == TlsUse::Always);
        let target = (self.server.host.as_str(), self.server.port);
        let connected = AsyncSmtpConnection::connect_tokio1(target, Some(timeout), &hello, from_the_start, None);
        let mut connection = tokio::time::timeout(timeout, connected)
            .await
            .map_err(|_| format!("no greeting within {} s", timeout.as_secs()))?
            .map_err(|error| error.to_string())?;
        let starttls = match self.server.tls {
            TlsUse::StartTls if !connection.can_starttls() => {
                return Err("the server does not offer STARTTLS".to_owned());
            }
            TlsUse::StartTls => true,
            TlsUse::IfOffered => connection.can_starttls(),
            TlsUse::Always | TlsUse::Never => false,
        };
        if let Some(tls) = self.tls.clone().filter(|_| starttls) {
            let upgraded = connection.starttls(tls, &hello).await;
            upgraded.map_err(|error| error.to_string())?;
        }
        Ok(Connection(connection))
    }

    /// Logs in, if there is a user to log in as.
    pub(super) async fn log_in(&self, connection: &mut Connection) -> Result<(), Error> {
        let Some((user, password)) = &self.server.login else {
            return Ok(());
        };
        let credentials = Credentials::new(user.clone(), password.to_string());
        connection.0.auth(DEFAULT_MECHANISMS, &credentials).await.map(drop)
    }
}

impl Connection {
    pub(super) fn is_encrypted(&self) -> bool {
        self.0.is_encrypted()
    }

    /// Says who sends. `envelope` and `message` decide which extensions are needed.
    pub(super) async fn name_sender(&mut self, envelope: &Envelope, message: &[u8]) -> Result<(), Error> {
        let mut parameters = Vec::new();
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !message.is_ascii() && self.0.server_info().supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let sender = Mail::new(envelope.from().cloned(), parameters);
        self.0.command(sender).await.map(drop)
    }

    /// Says to whom.
    pub(super) async fn name_recipient(&mut self, to: &Address) -> Result<(), Error> {
        self.0.command(Rcpt::new(to.clone(), Vec::new())).await.map(drop)
    }

    /// Hands the letter over.
    pub(super) async fn hand_over(&mut self, message: &[u8]) -> Result<(), Error> {
        self.0.command(Data).await?;
        self.0.message(message).await.map(drop)
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        self.0.abort().await;
    }
}

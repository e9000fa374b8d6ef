//! TLS for services within the test: a certificate that is made for it, and a listener that shows it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Authority;

/// A certificate for `localhost` or other names, which a server trusts that is told so.
pub(crate) struct Certificate {
    file: NamedTempFile,
    acceptor: TlsAcceptor,
}

impl Certificate {
    pub(crate) fn new() -> Certificate {
        Certificate::of(&["localhost"])
    }

    pub(crate) fn of(names: &[&str]) -> Certificate {
        let authority = Authority::new();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(authority.pem().as_bytes()).unwrap();
        let mut settings = authority.settings(names);
        settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Certificate {
            file,
            acceptor: TlsAcceptor::from(Arc::new(settings)),
        }
    }

    /// The setting of the environment that makes a server trust this certificate.
    pub(crate) fn trusted(&self) -> (&'static str, &str) {
        ("SSL_CERT_FILE", self.file.path().to_str().unwrap())
    }

    /// A listener that shows this certificate and speaks HTTP/2 with those who want it.
    pub(crate) fn listener(&self, listener: TcpListener) -> TlsListener {
        TlsListener {
            listener,
            acceptor: self.acceptor.clone(),
        }
    }
}

pub(crate) struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.listener.accept().await
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

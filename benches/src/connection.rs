//! One keep-alive HTTP/1.1 connection to the server.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Error;

/// The most bytes of an error's body that are shown.
const SHOWN: usize = 300;

/// An open connection.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection(sender))
    }

    /// Sends a request, which must succeed, and returns how many bytes the answer's body has.
    pub(crate) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<u64, Error> {
        let mut response = self.send(request).await?;
        let mut length = 0;
        while let Some(frame) = response.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(length as u64)
    }

    /// Sends a request, which must succeed, and returns the answer's body.
    pub(crate) async fn bytes(&mut self, request: Request<Full<Bytes>>) -> Result<Bytes, Error> {
        let response = self.send(request).await?;
        Ok(response.into_body().collect().await?.to_bytes())
    }

    /// Sends a request, which must succeed, and returns the answer's JSON.
    pub(crate) async fn json(&mut self, request: Request<Full<Bytes>>) -> Result<serde_json::Value, Error> {
        Ok(serde_json::from_slice(&self.bytes(request).await?)?)
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        self.0.ready().await?;
        let what = request.uri().path().to_owned();
        let response = self.0.send_request(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned();
        Err(format!("{what}: {status} {body}").into())
    }
}

//! A parsed request: what a handler gets.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::body::{self, Chunks};
use super::error::XrpcError;
use super::input::Input;
use super::limits::Meter;
use super::listen::Peer;
use super::params::Params;

/// A call of an XRPC method, authenticated and within the method's limits.
pub struct Call<C> {
    /// The method.
    pub nsid: &'static str,
    /// Who calls.
    pub caller: C,
    /// The query string.
    pub params: Params,
    /// The JSON body of methods that accept JSON, else empty.
    pub input: Input,
    /// The request's verb, URI, headers and extensions (a subscription upgrades the connection from here).
    pub parts: Parts,
    /// The body of methods that accept media, unread, its transfer encodings undone; else empty.
    pub body: Body,
}

impl<C> Call<C> {
    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The type and subtype of the body, without parameters: a method that accepts media is called with both.
    ///
    /// # Errors
    /// 400 `InvalidRequest` if there is no `Content-Type`, or a malformed one.
    pub fn media_type(&self) -> Result<&str, XrpcError> {
        body::media_type(&self.parts.headers)
    }

    /// The other end of the connection: a client or a reverse proxy. `None` only where there is no connection, as in tests.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.parts.extensions.get::<Peer>().map(|peer| peer.0)
    }

    /// What the call has used of its limits, and where it comes from.
    pub fn meter(&self) -> Meter {
        Meter::of(&self.parts)
    }

    /// The body as a stream of chunks of at most `limit` bytes together.
    ///
    /// # Errors
    /// 413 `PayloadTooLarge` at once if the body's announced length is beyond the limit, and from [`Chunks::next`] if it goes beyond
    /// it unannounced.
    pub fn take_chunks(&mut self, limit: usize) -> Result<Chunks, XrpcError> {
        Chunks::new(std::mem::take(&mut self.body), limit)
    }
}

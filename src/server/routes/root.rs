//! `GET /`, which says what this is, and `GET /robots.txt`.

use axum::response::Response;

use crate::server::respond;

const ROOT: &str = "This is an AT Protocol Personal Data Server (PDS): accounts and their data live here.\n\n\
                    The API is under /xrpc/.\n\nProtocol: https://atproto.com\n";
const ROBOTS: &str = "# The public API may be crawled\nUser-agent: *\nAllow: /\n";

pub(in crate::server) async fn root() -> Response {
    respond::text(ROOT)
}

pub(in crate::server) async fn robots() -> Response {
    respond::text(ROBOTS)
}

//! `GET /`, which says what this is, and `GET /robots.txt`.

use axum::response::Response;

use crate::server::respond;

const ROOT: &str = "This is an AT Protocol Personal Data Server (PDS): accounts and their data live here.\n\n\
                    The API is under /xrpc/.\n\nProtocol: https://atproto.com\n";
const ROBOTS: &str = "# Hello!\n\n# Crawling the public API is allowed\nUser-agent: *\nAllow: /";

pub(in crate::server) async fn root() -> Response {
    respond::text(ROOT)
}

pub(in crate::server) async fn robots() -> Response {
    respond::text(ROBOTS)
}

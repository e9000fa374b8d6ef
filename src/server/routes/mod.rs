//! The routes that are not XRPC methods, one file each.

mod atproto_did;
mod did_document;
mod not_found;
mod probes;
mod root;
mod tls_check;

pub(super) use atproto_did::atproto_did;
pub(super) use did_document::did_document;
pub(super) use not_found::not_found;
pub(super) use probes::{health, livez, readiness, readyz};
pub(super) use root::{robots, root};
pub(super) use tls_check::tls_check;

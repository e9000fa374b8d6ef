//! The layers around the router, from the outside in: request log, URI length, pace, draining and compression of bodies, hosts, meter, CORS,
//! panics.

pub(super) mod compress;
pub(super) mod cors;
pub(super) mod decompress;
pub(super) mod drain;
pub(super) mod host;
pub(super) mod meter;
pub(super) mod pace;
pub(super) mod panic;
pub(super) mod request_log;
pub(super) mod uri_length;

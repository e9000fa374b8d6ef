//! `internal.pds.*`: methods of this server's own, for its command line. `.internal` is nobody's domain.

pub(in crate::xrpc) mod admin;

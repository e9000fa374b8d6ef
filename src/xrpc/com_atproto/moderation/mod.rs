//! `com.atproto.moderation.*`.

pub(in crate::xrpc) mod create_report;

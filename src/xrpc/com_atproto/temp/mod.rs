//! `com.atproto.temp.*`.

pub(in crate::xrpc) mod check_signup_queue;

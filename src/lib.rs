//! An AT Protocol Personal Data Server in one binary; `docs/ARCHITECTURE.md` is the map.

pub mod account;
pub mod app;
pub mod appview;
mod backoff;
pub mod blob;
mod causes;
pub mod cli;
pub mod clock;
pub mod config;
mod counters;
pub mod crawl;
mod file_stream;
mod html;
pub mod identity;
mod jobs;
mod locks;
pub mod mail;
pub mod observe;
pub mod outbound;
pub mod random;
pub mod repo;
pub mod sequencer;
pub mod server;
pub mod session_scope;
pub mod store;
mod web;
pub mod xrpc;

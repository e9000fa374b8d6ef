//! An AT Protocol Personal Data Server in one binary; `docs/ARCHITECTURE.md` is the map.

pub mod config;
pub mod store;

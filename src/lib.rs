//! An AT Protocol Personal Data Server in one binary; `docs/ARCHITECTURE.md` is the map.

pub mod clock;
pub mod config;
pub mod random;
pub mod store;

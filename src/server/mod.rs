//! HTTP: the listener, the router and its layers, the XRPC dispatcher, and the parsing of requests.
//!
//! This room knows no account, repo or database: what it needs of them it asks of [`Application`], which the composition root is.

pub mod application;
pub mod auth;
pub mod body;
pub mod byte_range;
pub mod call;
pub mod error;
pub mod format;
pub mod health;
pub mod input;
pub mod lifecycle;
pub mod limits;
mod linger;
pub mod listen;
pub mod method;
pub mod metrics;
pub mod open_files;
pub mod params;
pub mod respond;
pub mod router;

mod connections;
mod dispatch;
mod middleware;
mod routes;
#[cfg(test)]
mod testing;

pub use application::{Application, OnSuccess, Site};
pub use auth::{Access, Auth};
pub use call::Call;
pub use error::{XrpcError, XrpcResult};
pub use health::Health;
pub use input::Input;
pub use limits::{Client, CountsOn, Limit, Limiter, Meter};
pub use listen::{serve, serve_latest};
pub use method::{Accepts, JSON_LIMIT, Method};
pub use params::Params;

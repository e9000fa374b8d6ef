//! Who accounts are to the network: handle rules, the PLC directory, signing keys, service tokens.

pub mod handle_rules;
pub mod plc_directory;
pub mod sealing;
pub mod service_auth;
pub mod signing_keys;

pub use handle_rules::{HandleRefused, HandleRules};
pub use plc_directory::{PlcClient, PlcDirectory, PlcError};
pub use sealing::{KeySealer, SealError};
pub use service_auth::service_token;
pub use signing_keys::{SigningKeyError, SigningKeys};

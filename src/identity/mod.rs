//! Who accounts are to the network: handle rules, the PLC directory, DID documents, signing keys, service tokens.

pub mod did_resolver;
pub mod handle_rules;
pub mod plc_directory;
pub mod sealing;
pub mod service_auth;
pub mod service_signer;
pub mod service_verifier;
pub mod signing_keys;
mod spent_tokens;

pub use did_resolver::{DidResolver, PlcResolver, ResolveError, ResolvedDid};
pub use handle_rules::{HandleRefused, HandleRules};
pub use plc_directory::{PlcClient, PlcDirectory, PlcError};
pub use sealing::{KeySealer, SealError};
pub use service_auth::service_token;
pub use service_signer::ServiceSigner;
pub use service_verifier::{Issuer, ServiceCaller, ServiceTokenError, ServiceVerifier, Uses};
pub use signing_keys::{SigningKeyError, SigningKeys};
pub use spent_tokens::TokenUse;

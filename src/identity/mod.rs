//! Who accounts are to the network: handle rules, handles and DIDs resolved, the PLC directory, signing keys, service tokens.

mod did_address;
pub mod did_documents;
pub mod did_resolver;
pub mod handle_resolver;
pub mod handle_rules;
pub mod plc_directory;
pub mod sealing;
pub mod service_auth;
pub mod service_signer;
pub mod service_verifier;
pub mod signing_keys;
pub mod slurs;
mod spent_tokens;

pub(crate) use did_address::is_of_protocol;
pub use did_documents::{DidDocuments, DidDocumentsSettings};
pub use did_resolver::{DidResolver, ResolveError, Resolved, ResolvedDid};
pub use handle_resolver::HandleResolver;
pub use handle_rules::{HandleRefused, HandleRules};
pub use plc_directory::{PlcClient, PlcDirectory, PlcError};
pub use sealing::{KeySealer, SealError};
pub use service_auth::service_token;
pub use service_signer::{ServiceSigner, ServiceToken};
pub use service_verifier::{Issuer, ServiceCaller, ServiceTokenError, ServiceVerifier, Uses};
pub use signing_keys::{SigningKeyError, SigningKeys};
pub use spent_tokens::TokenUse;

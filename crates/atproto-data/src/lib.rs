//! Syntax types, CIDs, the JSON and DAG-CBOR data model, keys and signatures of the AT Protocol. Pure: no clock, socket or file.

pub mod cbor;
pub mod cid;
pub mod crypto;
pub mod json;
pub mod jws;
pub mod syntax;
pub mod value;

pub use cid::{Cid, Codec};
pub use crypto::{PublicKey, SigningKey};
pub use syntax::{AtIdentifier, AtUri, Did, Handle, Nsid, RecordKey, Tid};
pub use value::{Map, Value};

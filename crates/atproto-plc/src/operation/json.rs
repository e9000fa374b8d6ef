//! The JSON of signed operations, exactly as the directory takes and gives it.

use std::collections::BTreeMap;

use atproto_data::Cid;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{LegacyCreate, Operation, Signature, SignatureEncodingError, UnsignedOperation};
use crate::state::{Service, State};

/// Bytes of an operation's JSON at most: four times what a directory takes as DAG-CBOR, for escapes and white space.
pub const MAX_OPERATION_JSON_BYTES: usize = 16_384;

/// The bytes are not the JSON of an operation.
#[derive(Debug, thiserror::Error)]
pub enum OperationJsonError {
    /// Longer than [`MAX_OPERATION_JSON_BYTES`].
    #[error("the operation is too large ({MAX_OPERATION_JSON_BYTES} bytes of JSON at most)")]
    TooLarge,
    /// Not JSON, a field missing, unknown or of another type, or a signature in another form.
    #[error("not a valid operation: {0}")]
    Invalid(#[from] serde_json::Error),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum OperationJson {
    #[serde(rename = "plc_operation")]
    PlcOperation {
        rotation_keys: Vec<String>,
        verification_methods: BTreeMap<String, String>,
        also_known_as: Vec<String>,
        services: BTreeMap<String, Service>,
        #[serde(deserialize_with = "present")]
        prev: Option<Cid>,
        sig: String,
    },
    #[serde(rename = "create")]
    Create {
        signing_key: String,
        recovery_key: String,
        handle: String,
        service: String,
        #[serde(deserialize_with = "null")]
        prev: (),
        sig: String,
    },
    #[serde(rename = "plc_tombstone")]
    Tombstone { prev: Cid, sig: String },
}

/// Reads a value that may be null but not missing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cid>, D::Error> {
    Option::deserialize(deserializer)
}

/// Reads null and nothing else.
fn null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        None => Ok(()),
        Some(_) => Err(D::Error::custom("prev of a legacy operation must be null")),
    }
}

impl Operation {
    /// Reads one operation from at most [`MAX_OPERATION_JSON_BYTES`] of JSON.
    pub fn from_json(json: &[u8]) -> Result<Operation, OperationJsonError> {
        if json.len() > MAX_OPERATION_JSON_BYTES {
            return Err(OperationJsonError::TooLarge);
        }
        Ok(serde_json::from_slice(json)?)
    }

    /// The operation as JSON.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "strings, maps with string keys and null are always JSON"
    )]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("an operation is JSON")
    }
}

impl TryFrom<OperationJson> for Operation {
    type Error = SignatureEncodingError;

    fn try_from(json: OperationJson) -> Result<Operation, SignatureEncodingError> {
        let (unsigned, sig) = match json {
            OperationJson::PlcOperation {
                rotation_keys,
                verification_methods,
                also_known_as,
                services,
                prev,
                sig,
            } => {
                let state = State {
                    rotation_keys,
                    verification_methods,
                    also_known_as,
                    services,
                };
                (UnsignedOperation::PlcOperation { state, prev }, sig)
            }
            OperationJson::Create {
                signing_key,
                recovery_key,
                handle,
                service,
                prev: (),
                sig,
            } => (
                UnsignedOperation::Create(LegacyCreate {
                    signing_key,
                    recovery_key,
                    handle,
                    service,
                }),
                sig,
            ),
            OperationJson::Tombstone { prev, sig } => (UnsignedOperation::Tombstone { prev }, sig),
        };
        let signature: Signature = sig.parse()?;
        Ok(Operation { unsigned, signature })
    }
}

impl From<Operation> for OperationJson {
    fn from(operation: Operation) -> OperationJson {
        let sig = operation.signature.to_string();
        match operation.unsigned {
            UnsignedOperation::PlcOperation { state, prev } => {
                let State {
                    rotation_keys,
                    verification_methods,
                    also_known_as,
                    services,
                } = state;
                OperationJson::PlcOperation {
                    rotation_keys,
                    verification_methods,
                    also_known_as,
                    services,
                    prev,
                    sig,
                }
            }
            UnsignedOperation::Create(LegacyCreate {
                signing_key,
                recovery_key,
                handle,
                service,
            }) => OperationJson::Create {
                signing_key,
                recovery_key,
                handle,
                service,
                prev: (),
                sig,
            },
            UnsignedOperation::Tombstone { prev } => OperationJson::Tombstone { prev, sig },
        }
    }
}

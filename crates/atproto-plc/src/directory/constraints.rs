//! What a directory takes from clients, beyond the rules of the method. Lengths of text are in UTF-16 units, as
//! plc.directory counts them.

use std::collections::BTreeSet;

use atproto_data::PublicKey;

use crate::operation::{Operation, UnsignedOperation};
use crate::state::{Service, State};

/// Bytes of an operation's DAG-CBOR at most.
pub const MAX_OPERATION_BYTES: usize = 4_000;
/// Names in `alsoKnownAs` at most.
pub const MAX_ALSO_KNOWN_AS: usize = 10;
/// Length of a name at most: `at://` and the longest handle.
pub const MAX_ALSO_KNOWN_AS_LENGTH: usize = 258;
/// Rotation keys at most. The specification says 1 to 5 without repetition; plc.directory takes 0 to 10, even repeated.
pub const MAX_ROTATION_KEYS: usize = 10;
/// Services at most.
pub const MAX_SERVICES: usize = 10;
/// Length of a service's type at most.
pub const MAX_SERVICE_TYPE_LENGTH: usize = 256;
/// Length of a service's endpoint at most.
pub const MAX_SERVICE_ENDPOINT_LENGTH: usize = 512;
/// Verification methods at most.
pub const MAX_VERIFICATION_METHODS: usize = 10;
/// Length of the name of a service or verification method at most.
pub const MAX_ID_LENGTH: usize = 32;
/// Length of a verification method's `did:key` at most.
pub const MAX_DID_KEY_LENGTH: usize = 256;

/// Why a directory does not take an operation, whoever signed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// Longer than [`MAX_OPERATION_BYTES`].
    #[error("operation too large ({MAX_OPERATION_BYTES} bytes maximum in cbor encoding)")]
    TooLarge,
    /// The deprecated form.
    #[error("not a valid operation: the type \"create\" is deprecated, use \"plc_operation\"")]
    Deprecated,
    /// Too many entries in a field.
    #[error("too many {field} entries (max {limit})")]
    TooMany {
        /// The field.
        field: &'static str,
        /// How many are taken.
        limit: usize,
    },
    /// A text is too long.
    #[error("{field} too long (max {limit})")]
    TooLong {
        /// What is too long.
        field: &'static str,
        /// The greatest length taken.
        limit: usize,
    },
    /// A name given twice.
    #[error("duplicate alsoKnownAs entry: {0}")]
    DuplicateName(String),
    /// A rotation key is no K-256 or P-256 key.
    #[error("invalid rotationKey: {0}")]
    RotationKey(String),
    /// A verification method is no `did:key`.
    #[error("invalid verificationMethod key: {0}")]
    VerificationMethod(String),
}

/// Checks an operation as plc.directory does before it looks at signatures and history.
pub fn check(operation: &Operation) -> Result<(), ConstraintError> {
    if operation.to_cbor().len() > MAX_OPERATION_BYTES {
        return Err(ConstraintError::TooLarge);
    }
    match operation.unsigned() {
        UnsignedOperation::Tombstone { .. } => Ok(()),
        UnsignedOperation::Create(_) => Err(ConstraintError::Deprecated),
        UnsignedOperation::PlcOperation { state, .. } => check_state(state),
    }
}

fn check_state(state: &State) -> Result<(), ConstraintError> {
    count("alsoKnownAs", state.also_known_as.len(), MAX_ALSO_KNOWN_AS)?;
    let mut seen = BTreeSet::new();
    for name in &state.also_known_as {
        length("alsoKnownAs entry", name, MAX_ALSO_KNOWN_AS_LENGTH)?;
        if !seen.insert(name) {
            return Err(ConstraintError::DuplicateName(name.clone()));
        }
    }
    count("rotationKey", state.rotation_keys.len(), MAX_ROTATION_KEYS)?;
    for key in &state.rotation_keys {
        PublicKey::from_did_key(key).map_err(|_| ConstraintError::RotationKey(key.clone()))?;
    }
    count("service", state.services.len(), MAX_SERVICES)?;
    for (id, service) in &state.services {
        check_service(id, service)?;
    }
    count(
        "verificationMethod",
        state.verification_methods.len(),
        MAX_VERIFICATION_METHODS,
    )?;
    for (id, key) in &state.verification_methods {
        length("verificationMethod id", id, MAX_ID_LENGTH)?;
        length("verificationMethod key", key, MAX_DID_KEY_LENGTH)?;
        if !is_did_key(key) {
            return Err(ConstraintError::VerificationMethod(key.clone()));
        }
    }
    Ok(())
}

fn check_service(id: &str, service: &Service) -> Result<(), ConstraintError> {
    length("service id", id, MAX_ID_LENGTH)?;
    length("service type", &service.service_type, MAX_SERVICE_TYPE_LENGTH)?;
    length("service endpoint", &service.endpoint, MAX_SERVICE_ENDPOINT_LENGTH)
}

fn count(field: &'static str, count: usize, limit: usize) -> Result<(), ConstraintError> {
    if count > limit {
        Err(ConstraintError::TooMany { field, limit })
    } else {
        Ok(())
    }
}

fn length(field: &'static str, text: &str, limit: usize) -> Result<(), ConstraintError> {
    if text.encode_utf16().count() > limit {
        Err(ConstraintError::TooLong { field, limit })
    } else {
        Ok(())
    }
}

/// A `did:key` of any kind of key: verification methods need not be of a curve the directory knows.
fn is_did_key(key: &str) -> bool {
    let encoded = key.strip_prefix("did:key:z");
    encoded.is_some_and(|encoded| !encoded.is_empty() && bs58::decode(encoded).into_vec().is_ok())
}

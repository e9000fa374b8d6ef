//! A PLC directory in memory, with the answers of plc.directory.

mod constraints;
mod export;
mod rate_limit;
mod storage;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::constraints::{
    ConstraintError, MAX_ALSO_KNOWN_AS, MAX_ALSO_KNOWN_AS_LENGTH, MAX_DID_KEY_LENGTH, MAX_ID_LENGTH,
    MAX_OPERATION_BYTES, MAX_ROTATION_KEYS, MAX_SERVICE_ENDPOINT_LENGTH, MAX_SERVICE_TYPE_LENGTH, MAX_SERVICES,
    MAX_VERIFICATION_METHODS, check,
};
pub use self::export::{ExportCursor, MAX_EXPORT_COUNT};
use self::rate_limit::RateLimitError;
pub use self::rate_limit::RateLimits;
pub use self::storage::{StorageError, StorageErrorReason};
use crate::document;
use crate::history::{Entry, History, RuleError};
use crate::operation::Operation;
use crate::state::State;
use crate::timestamp::Timestamp;

/// All operations of all DIDs, in the order in which they were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    histories: BTreeMap<String, History>,
    /// Where the operation with sequence number `index + 1` is: its DID and the index in that DID's history.
    sequence: Vec<(String, usize)>,
    rate_limits: RateLimits,
}

/// A refusal, as the HTTP answer `status` with the JSON `{"message": message}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DirectoryError {
    /// The HTTP status: 400 or 404.
    pub status: u16,
    /// What is wrong.
    pub message: String,
}

impl DirectoryError {
    fn bad_request(message: String) -> DirectoryError {
        DirectoryError { status: 400, message }
    }

    fn not_registered(did: &str) -> DirectoryError {
        DirectoryError {
            status: 404,
            message: format!("DID not registered: {did}"),
        }
    }

    fn not_available(did: &str) -> DirectoryError {
        DirectoryError {
            status: 404,
            message: format!("DID not available: {did}"),
        }
    }
}

impl From<ConstraintError> for DirectoryError {
    fn from(error: ConstraintError) -> DirectoryError {
        DirectoryError::bad_request(error.to_string())
    }
}

impl From<RuleError> for DirectoryError {
    fn from(error: RuleError) -> DirectoryError {
        DirectoryError::bad_request(error.to_string())
    }
}

impl From<RateLimitError> for DirectoryError {
    fn from(error: RateLimitError) -> DirectoryError {
        DirectoryError::bad_request(error.to_string())
    }
}

impl Directory {
    /// An empty directory that takes at most so many operations. [`Directory::default`] has the limits of plc.directory.
    pub fn with_rate_limits(rate_limits: RateLimits) -> Directory {
        Directory {
            rate_limits,
            ..Directory::default()
        }
    }

    /// `POST /<did>`: takes an operation at `now` if it is well-formed, within the limits and allowed to follow.
    ///
    /// `operation` is JSON of at most [`MAX_OPERATION_JSON_BYTES`](crate::operation::MAX_OPERATION_JSON_BYTES).
    /// Operations of one DID are noted at least 1 ms apart, so that their times tell their order. Errors are 400.
    pub fn submit(&mut self, did: &str, operation: &Value, now: Timestamp) -> Result<(), DirectoryError> {
        let operation = Operation::deserialize(operation)
            .map_err(|error| DirectoryError::bad_request(format!("not a valid operation: {error}")))?;
        check(&operation)?;
        match self.histories.get_mut(did) {
            None => {
                let created_at = now.truncated_to_millis();
                let history = History::begin(did, operation, created_at)?;
                self.histories.insert(did.to_owned(), history);
                self.sequence.push((did.to_owned(), 0));
            }
            Some(history) => {
                let created_at = now.truncated_to_millis().max(history.earliest_next());
                let admission = history.admit(&operation, created_at)?;
                // Recovery is free: whoever stole a key could otherwise keep its owner out by using up the limits.
                if !admission.is_recovery() {
                    self.rate_limits.check(history.standing(), created_at)?;
                }
                self.sequence.push((did.to_owned(), history.entries().len()));
                history.append(operation, created_at, &admission);
            }
        }
        Ok(())
    }

    /// `GET /<did>`: the DID document. 404 if unknown or tombstoned.
    pub fn document(&self, did: &str) -> Result<Value, DirectoryError> {
        let (history, state) = self.available(did)?;
        Ok(document::render(history.did(), &state))
    }

    /// `GET /<did>/data`: the state with the DID. 404 if unknown or tombstoned.
    pub fn data(&self, did: &str) -> Result<Value, DirectoryError> {
        let (history, state) = self.available(did)?;
        Ok(json!({
            "did": history.did().as_str(),
            "rotationKeys": state.rotation_keys,
            "verificationMethods": state.verification_methods,
            "alsoKnownAs": state.also_known_as,
            "services": state.services,
        }))
    }

    /// `GET /<did>/log`: the operations that stand, oldest first. 404 if unknown.
    pub fn log(&self, did: &str) -> Result<Value, DirectoryError> {
        let history = self.history(did)?;
        Ok(history.standing().map(|entry| entry.operation.to_json()).collect())
    }

    /// `GET /<did>/log/audit`: all operations with the directory's notes, oldest first. 404 if unknown.
    pub fn audit_log(&self, did: &str) -> Result<Value, DirectoryError> {
        let history = self.history(did)?;
        Ok(history.to_audit_log().iter().map(to_json).collect())
    }

    /// `GET /<did>/log/last`: the newest operation that stands, perhaps a tombstone. 404 if unknown.
    pub fn last(&self, did: &str) -> Result<Value, DirectoryError> {
        Ok(self.history(did)?.last().operation.to_json())
    }

    /// The history of a DID. 404 if unknown.
    pub fn history(&self, did: &str) -> Result<&History, DirectoryError> {
        self.histories
            .get(did)
            .ok_or_else(|| DirectoryError::not_registered(did))
    }

    fn available(&self, did: &str) -> Result<(&History, State), DirectoryError> {
        let history = self.history(did)?;
        let state = history.state().ok_or_else(|| DirectoryError::not_available(did))?;
        Ok((history, state))
    }

    /// The operation at an index of the sequence, with its DID's history.
    fn sequenced(&self, index: usize) -> Option<(&History, &Entry)> {
        let (did, position) = self.sequence.get(index)?;
        let history = self.histories.get(did)?;
        Some((history, history.entries().get(*position)?))
    }
}

fn to_json(value: &impl Serialize) -> Value {
    #[expect(
        clippy::expect_used,
        reason = "log entries are strings, maps with string keys, booleans and null"
    )]
    serde_json::to_value(value).expect("a log entry is JSON")
}

//! Audit logs: what a directory says happened to a DID, and whether that can be true.

use atproto_data::{Cid, Did};
use serde::{Deserialize, Serialize};

use crate::history::{Entry, History, RuleError};
use crate::operation::Operation;
use crate::timestamp::Timestamp;

/// Bytes of an audit log's JSON at most.
pub const MAX_AUDIT_LOG_BYTES: usize = 16 * 1024 * 1024;
/// Entries of an audit log at most. A directory takes 100 operations a week.
pub const MAX_AUDIT_LOG_ENTRIES: usize = 10_000;

/// One entry of `GET /<did>/log/audit`. Fields that directories may add are passed over; the operation is strict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// The DID the operation belongs to.
    pub did: Did,
    /// The operation.
    pub operation: Operation,
    /// The CID the directory computed.
    pub cid: Cid,
    /// Whether the directory takes the operation for undone.
    pub nullified: bool,
    /// When the directory took the operation.
    pub created_at: Timestamp,
}

/// Why an audit log cannot be true. `index` counts the entries from 0.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// More than [`MAX_AUDIT_LOG_BYTES`] or [`MAX_AUDIT_LOG_ENTRIES`].
    #[error("the audit log is too large ({MAX_AUDIT_LOG_ENTRIES} entries, {MAX_AUDIT_LOG_BYTES} bytes at most)")]
    TooLarge,
    /// Not the JSON of an audit log.
    #[error("not an audit log: {0}")]
    Invalid(#[from] serde_json::Error),
    /// No entries.
    #[error("the audit log is empty")]
    Empty,
    /// An entry of another DID.
    #[error("entry {index} of the audit log belongs to another DID")]
    OtherDid {
        /// The entry.
        index: usize,
    },
    /// The CID is not that of the operation.
    #[error("entry {index} of the audit log has a wrong CID, the operation's is {computed}")]
    WrongCid {
        /// The entry.
        index: usize,
        /// The operation's CID.
        computed: Cid,
    },
    /// An entry is older than the one before it.
    #[error("entry {index} of the audit log is older than the one before it")]
    TimeRunsBack {
        /// The entry.
        index: usize,
    },
    /// The operation was not allowed.
    #[error("entry {index} of the audit log: {source}")]
    Rule {
        /// The entry.
        index: usize,
        /// The rule it breaks.
        source: RuleError,
    },
    /// An entry is called nullified but stands, or the reverse.
    #[error("entry {index} of the audit log is wrongly marked as {}", if *.nullified { "nullified" } else { "standing" })]
    WrongNullified {
        /// The entry.
        index: usize,
        /// What the log says.
        nullified: bool,
    },
}

/// Reads an audit log from at most [`MAX_AUDIT_LOG_BYTES`] of JSON and verifies it.
pub fn verify_json(did: &Did, json: &[u8]) -> Result<History, AuditError> {
    if json.len() > MAX_AUDIT_LOG_BYTES {
        return Err(AuditError::TooLarge);
    }
    verify(did, serde_json::from_slice(json)?)
}

/// Replays an audit log (specification, "Audit Logs"): every hash, signature, `prev`, recovery and mark must be right.
pub fn verify(did: &Did, log: Vec<AuditEntry>) -> Result<History, AuditError> {
    if log.len() > MAX_AUDIT_LOG_ENTRIES {
        return Err(AuditError::TooLarge);
    }
    let marks: Vec<bool> = log.iter().map(|entry| entry.nullified).collect();
    let mut history: Option<History> = None;
    for (index, entry) in log.into_iter().enumerate() {
        check_envelope(did, index, &entry)?;
        let AuditEntry {
            operation, created_at, ..
        } = entry;
        let rule = |source| AuditError::Rule { index, source };
        match &mut history {
            None => history = Some(History::begin(did.as_str(), operation, created_at).map_err(rule)?),
            Some(history) => {
                if history
                    .entries()
                    .last()
                    .is_some_and(|previous| created_at < previous.created_at)
                {
                    return Err(AuditError::TimeRunsBack { index });
                }
                history.push(operation, created_at).map_err(rule)?;
            }
        }
    }
    let history = history.ok_or(AuditError::Empty)?;
    check_marks(&history, &marks)?;
    Ok(history)
}

fn check_envelope(did: &Did, index: usize, entry: &AuditEntry) -> Result<(), AuditError> {
    if entry.did != *did {
        return Err(AuditError::OtherDid { index });
    }
    let computed = entry.operation.cid();
    if entry.cid != computed {
        return Err(AuditError::WrongCid { index, computed });
    }
    Ok(())
}

fn check_marks(history: &History, marks: &[bool]) -> Result<(), AuditError> {
    for (index, (entry, &nullified)) in history.entries().iter().zip(marks).enumerate() {
        if entry.nullified != nullified {
            return Err(AuditError::WrongNullified { index, nullified });
        }
    }
    Ok(())
}

impl History {
    /// The audit log of this history, nullified operations included.
    pub fn to_audit_log(&self) -> Vec<AuditEntry> {
        self.entries()
            .iter()
            .map(|entry| audit_entry(self.did(), entry))
            .collect()
    }
}

/// The entry as audit logs and exports show it.
pub(crate) fn audit_entry(did: &Did, entry: &Entry) -> AuditEntry {
    AuditEntry {
        did: did.clone(),
        operation: entry.operation.clone(),
        cid: entry.cid,
        nullified: entry.nullified,
        created_at: entry.created_at,
    }
}

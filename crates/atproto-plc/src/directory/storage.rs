//! The directory's file: one operation a line, only ever appended to. What recovery nullified follows from the rest.

use super::export::SequencedEntry;
use super::{Directory, RateLimits};
use crate::history::{History, RuleError};

/// Why lines are not a directory's. `line` counts from 1.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the directory's file: {reason}")]
pub struct StorageError {
    /// The line.
    pub line: usize,
    /// What is wrong with it.
    pub reason: StorageErrorReason,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum StorageErrorReason {
    /// Not the JSON of a sequenced operation.
    #[error("not a sequenced operation: {0}")]
    Invalid(#[from] serde_json::Error),
    /// Not the next sequence number.
    #[error("the sequence number should be {expected}")]
    Sequence {
        /// The next sequence number.
        expected: u64,
    },
    /// The CID is not that of the operation.
    #[error("the CID is not that of the operation")]
    WrongCid,
    /// The operation was not allowed.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

impl Directory {
    /// The operations after a sequence number (0 for all) as lines to append to the directory's file, each ending in a
    /// line feed. They have the form of a sequenced export.
    pub fn to_json_lines(&self, after: u64) -> String {
        self.sequenced_after(after).fold(String::new(), |lines, entry| {
            lines + &super::to_json(&entry).to_string() + "\n"
        })
    }

    /// Reads a directory's file back and verifies every operation in it. Empty lines are passed over.
    pub fn from_json_lines(lines: &str, rate_limits: RateLimits) -> Result<Directory, StorageError> {
        let mut directory = Directory::with_rate_limits(rate_limits);
        for (index, line) in lines.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            directory.restore(line).map_err(|reason| StorageError {
                line: index + 1,
                reason,
            })?;
        }
        Ok(directory)
    }

    fn restore(&mut self, line: &str) -> Result<(), StorageErrorReason> {
        let SequencedEntry {
            seq,
            did,
            operation,
            cid,
            created_at,
            ..
        } = serde_json::from_str(line)?;
        let expected = self.last_sequence() + 1;
        if seq != expected {
            return Err(StorageErrorReason::Sequence { expected });
        }
        if operation.cid() != cid {
            return Err(StorageErrorReason::WrongCid);
        }
        let did = did.as_str().to_owned();
        let position = match self.histories.get_mut(&did) {
            None => {
                self.histories
                    .insert(did.clone(), History::begin(&did, operation, created_at)?);
                0
            }
            Some(history) => {
                history.push(operation, created_at)?;
                history.entries().len() - 1
            }
        };
        self.sequence.push((did, position));
        Ok(())
    }
}

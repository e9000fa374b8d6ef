//! The rules by which an operation may follow others: order, signatures, recovery (specification, "Key Rotation &
//! Account Recovery").

use atproto_data::{Cid, Did};

use crate::operation::Operation;
use crate::state::State;
use crate::timestamp::Timestamp;

/// How long a more powerful key may undo an operation: 72 h, in µs. Exactly 72 h is in time.
pub const RECOVERY_WINDOW_MICROS: u64 = 72 * 3600 * 1_000_000;

/// An operation with what the directory noted about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The operation.
    pub operation: Operation,
    /// Its CID.
    pub cid: Cid,
    /// Whether a recovery operation undid it.
    pub nullified: bool,
    /// When the directory took it.
    pub created_at: Timestamp,
}

/// All operations of one DID, each verified, in the order in which the directory took them. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    did: Did,
    entries: Vec<Entry>,
}

/// An operation breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The hash of the genesis operation is another DID.
    #[error("hash of genesis operation does not match DID identifier: {expected}")]
    GenesisHash {
        /// The DID that the operation creates.
        expected: Did,
    },
    /// The first operation refers to an earlier one.
    #[error("the first operation must have prev null")]
    GenesisPrev,
    /// `prev` is missing, unknown, nullified or a tombstone, or the times do not rise.
    #[error("operations not correctly ordered: prev must be the CID of an operation that stands and is no tombstone")]
    Misordered,
    /// None of the keys that may sign did.
    #[error("invalid signature: the operation must be signed by a rotation key that is entitled to it")]
    Signature,
    /// A recovery after [`RECOVERY_WINDOW_MICROS`].
    #[error("recovery operation outside of the allowed 72 h recovery window: {} ms after the operation it undoes",
        .elapsed_micros / 1000)]
    LateRecovery {
        /// µs since the first operation it would undo.
        elapsed_micros: u64,
    },
}

/// Leave to append an operation, from [`History::admit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Indices of the entries that the operation undoes.
    nullifies: Vec<usize>,
}

impl Admission {
    /// Whether the operation undoes others.
    pub fn is_recovery(&self) -> bool {
        !self.nullifies.is_empty()
    }
}

impl History {
    /// A history of one operation, which must create `did` and be signed by one of its own rotation keys.
    pub fn begin(did: &str, genesis: Operation, created_at: Timestamp) -> Result<History, RuleError> {
        let state = genesis.state().ok_or(RuleError::Misordered)?;
        genesis.signer(&state.rotation_keys).ok_or(RuleError::Signature)?;
        let expected = genesis.did_of_genesis();
        if expected.as_str() != did {
            return Err(RuleError::GenesisHash { expected });
        }
        if genesis.prev().is_some() {
            return Err(RuleError::GenesisPrev);
        }
        let cid = genesis.cid();
        let entry = Entry {
            operation: genesis,
            cid,
            nullified: false,
            created_at,
        };
        Ok(History {
            did: expected,
            entries: vec![entry],
        })
    }

    /// The DID.
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// All entries, nullified ones too, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries that stand, oldest first.
    pub fn standing(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.nullified)
    }

    /// The newest entry that stands.
    pub fn last(&self) -> &Entry {
        // A history begins with an entry, and nothing can follow its `prev` to nullify it.
        self.standing().next_back().unwrap_or(&self.entries[0])
    }

    /// The first instant at which another operation is plainly later than all of these.
    pub(crate) fn earliest_next(&self) -> Timestamp {
        self.entries[self.entries.len() - 1].created_at.next_millisecond()
    }

    /// The state of the DID now, `None` if it is tombstoned.
    pub fn state(&self) -> Option<State> {
        self.last().operation.state()
    }

    /// Whether `operation` may be appended at `now`.
    ///
    /// It may if it follows the newest standing operation and bears a signature of one of that operation's rotation
    /// keys. It may also follow an older one that stands, and so undo what came after, if within the recovery window it
    /// is signed by a key more powerful than the signer of the first operation undone.
    pub fn admit(&self, operation: &Operation, now: Timestamp) -> Result<Admission, RuleError> {
        let prev = operation.prev().ok_or(RuleError::Misordered)?;
        let is_prev = |entry: &Entry| !entry.nullified && entry.cid == prev;
        let fork = self.entries.iter().position(is_prev).ok_or(RuleError::Misordered)?;
        let keys = self.entries[fork]
            .operation
            .state()
            .ok_or(RuleError::Misordered)?
            .rotation_keys;

        let nullifies: Vec<usize> = (fork + 1..self.entries.len())
            .filter(|&index| !self.entries[index].nullified)
            .collect();
        let Some(&disputed) = nullifies.first() else {
            operation.signer(&keys).ok_or(RuleError::Signature)?;
            return Ok(Admission { nullifies });
        };
        let disputed = &self.entries[disputed];
        let disputed_signer = disputed.operation.signer(&keys).ok_or(RuleError::Signature)?;
        operation.signer(&keys[..disputed_signer]).ok_or(RuleError::Signature)?;
        if now <= self.last().created_at {
            return Err(RuleError::Misordered);
        }
        let elapsed_micros = now.micros_since(disputed.created_at);
        if elapsed_micros > RECOVERY_WINDOW_MICROS {
            return Err(RuleError::LateRecovery { elapsed_micros });
        }
        Ok(Admission { nullifies })
    }

    /// Appends an operation that [`History::admit`] let in, with the history unchanged since.
    pub(crate) fn append(&mut self, operation: Operation, now: Timestamp, admission: &Admission) {
        for &index in &admission.nullifies {
            self.entries[index].nullified = true;
        }
        let cid = operation.cid();
        self.entries.push(Entry {
            operation,
            cid,
            nullified: false,
            created_at: now,
        });
    }

    /// Appends an operation at `now` if the rules let it in.
    pub fn push(&mut self, operation: Operation, now: Timestamp) -> Result<(), RuleError> {
        let admission = self.admit(&operation, now)?;
        self.append(operation, now, &admission);
        Ok(())
    }
}

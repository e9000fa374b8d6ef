//! Records on their way into a repo: what can be checked and encoded before the repo is looked at.

use atproto_data::value::MAX_DEPTH;
use atproto_data::{Cid, Map, Nsid, RecordKey, Value, cbor};
use atproto_repo::mst::MAX_KEY_BYTES;

use super::RecordError;
use super::blob_refs::blob_refs;
use super::subject_link::subject_link;
use crate::blob::BlobRef;

/// The most bytes of DAG-CBOR in one record.
pub(super) const MAX_RECORD_BYTES: usize = 1_000_000;

/// One write as asked for by a client.
#[derive(Debug)]
pub struct RecordWrite {
    /// Where.
    pub collection: Nsid,
    /// Where in the collection.
    pub rkey: RecordKey,
    /// What.
    pub action: WriteAction,
}

/// What a write does.
#[derive(Debug)]
pub enum WriteAction {
    /// A new record; it is an error if there is one.
    Create(PreparedRecord),
    /// A new record in the place of those of its collection with the same subject; it is an error if there is one at this place.
    CreateUnique(PreparedRecord),
    /// A new content; it is an error if there is no record.
    Update(PreparedRecord),
    /// A new record or a new content; nothing happens if it is the same.
    Put {
        /// The content.
        record: PreparedRecord,
        /// What has to be there.
        swap: RecordSwap,
    },
    /// No record from now on; it is an error if there is none.
    Delete,
    /// No record from now on; nothing happens if there is none.
    DeleteIfPresent {
        /// What has to be there.
        swap: RecordSwap,
    },
}

/// What a client says is there now (`swapRecord`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordSwap {
    /// Nothing said.
    Any,
    /// There must be no record (`null`).
    Absent,
    /// There must be this one.
    At(Cid),
}

/// A record checked and encoded.
#[derive(Debug)]
pub struct PreparedRecord {
    pub(super) cid: Cid,
    pub(super) content: Vec<u8>,
    pub(super) blobs: Vec<BlobRef>,
    /// See `subject_link`.
    pub(super) link: Option<String>,
}

impl RecordWrite {
    /// The record's key in the tree.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.collection, self.rkey)
    }

    /// The record to be stored, if any.
    pub(super) fn record(&self) -> Option<&PreparedRecord> {
        match &self.action {
            WriteAction::Create(record)
            | WriteAction::CreateUnique(record)
            | WriteAction::Update(record)
            | WriteAction::Put { record, .. } => Some(record),
            WriteAction::Delete | WriteAction::DeleteIfPresent { .. } => None,
        }
    }
}

impl PreparedRecord {
    /// Checks a record against the data model's limits and encodes it. Its `$type` is the collection: that, and
    /// what its schema asks, was seen to before.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn new(collection: &Nsid, rkey: &RecordKey, record: Map) -> Result<PreparedRecord, RecordError> {
        if collection.as_str().len() + 1 + rkey.as_str().len() > MAX_KEY_BYTES {
            return Err(RecordError::PathTooLong { max: MAX_KEY_BYTES });
        }
        let link = subject_link(collection.as_str(), &record);
        let record = Value::Map(record);
        if record.depth() > MAX_DEPTH {
            return Err(RecordError::TooDeep { max: MAX_DEPTH });
        }
        let blobs = blob_refs(&record)?;
        let content = cbor::encode(&record);
        if content.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge {
                size: content.len(),
                max: MAX_RECORD_BYTES,
            });
        }
        Ok(PreparedRecord {
            cid: Cid::of_dag_cbor(&content),
            content,
            blobs,
            link,
        })
    }

    /// The record's CID.
    pub fn cid(&self) -> Cid {
        self.cid
    }
}

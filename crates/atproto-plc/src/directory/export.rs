//! `GET /export`: all operations of all DIDs (specification, "Bulk Export").

use atproto_data::{Cid, Did};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Directory, DirectoryError, to_json};
use crate::audit::audit_entry;
use crate::history::Entry;
use crate::operation::Operation;
use crate::timestamp::Timestamp;

/// Entries in one answer at most.
pub const MAX_EXPORT_COUNT: usize = 1_000;

/// Where an export goes on; it also chooses the form of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportCursor {
    /// After this sequence number, 0 for the beginning; entries are of the form `sequenced_op`.
    Sequence(u64),
    /// After this instant, or from the beginning; entries are of the older form with `nullified`.
    Time(Option<Timestamp>),
}

impl ExportCursor {
    /// Reads the query parameter `after`: digits are a sequence number, anything else is a time.
    pub fn from_query(after: Option<&str>) -> Result<ExportCursor, DirectoryError> {
        let invalid = || DirectoryError::bad_request("Invalid after parameter".to_owned());
        match after {
            None | Some("") => Ok(ExportCursor::Time(None)),
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(ExportCursor::Sequence).map_err(|_| invalid())
            }
            Some(text) => text
                .parse()
                .map(|time| ExportCursor::Time(Some(time)))
                .map_err(|_| invalid()),
        }
    }
}

/// An entry of a sequenced export; also a line of the directory's file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SequencedEntry {
    #[serde(rename = "type")]
    entry_type: SequencedType,
    pub(super) seq: u64,
    pub(super) did: Did,
    pub(super) operation: Operation,
    pub(super) cid: Cid,
    pub(super) created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
enum SequencedType {
    #[serde(rename = "sequenced_op")]
    Operation,
}

impl SequencedEntry {
    fn new(seq: u64, did: &Did, entry: &Entry) -> SequencedEntry {
        SequencedEntry {
            entry_type: SequencedType::Operation,
            seq,
            did: did.clone(),
            operation: entry.operation.clone(),
            cid: entry.cid,
            created_at: entry.created_at,
        }
    }
}

impl Directory {
    /// At most `count` (and [`MAX_EXPORT_COUNT`]) operations after `after`, each as the JSON of one line.
    pub fn export(&self, after: ExportCursor, count: usize) -> Vec<Value> {
        let count = count.min(MAX_EXPORT_COUNT);
        match after {
            ExportCursor::Sequence(seq) => self
                .sequenced_after(seq)
                .take(count)
                .map(|entry| to_json(&entry))
                .collect(),
            ExportCursor::Time(after) => self.export_by_time(after, count),
        }
    }

    /// The sequence number of the newest operation, 0 if there is none.
    pub fn last_sequence(&self) -> u64 {
        self.sequence.len() as u64
    }

    /// The operations after a sequence number.
    pub(super) fn sequenced_after(&self, seq: u64) -> impl Iterator<Item = SequencedEntry> {
        (seq..self.last_sequence()).filter_map(|index| {
            let (history, entry) = self.sequenced(usize::try_from(index).ok()?)?;
            Some(SequencedEntry::new(index + 1, history.did(), entry))
        })
    }

    fn export_by_time(&self, after: Option<Timestamp>, count: usize) -> Vec<Value> {
        let is_after = |entry: &Entry| after.is_none_or(|after| entry.created_at > after);
        let mut entries: Vec<_> = (0..self.sequence.len())
            .filter_map(|index| self.sequenced(index))
            .filter(|(_, entry)| is_after(entry))
            .collect();
        entries.sort_by_key(|(_, entry)| entry.created_at);
        entries
            .iter()
            .take(count)
            .map(|(history, entry)| to_json(&audit_entry(history.did(), entry)))
            .collect()
    }
}

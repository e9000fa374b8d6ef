//! What a commit changed, once all its operations are done.

use std::collections::{BTreeMap, BTreeSet};

use atproto_data::Cid;
use atproto_repo::frame::{RepoOp, RepoOpAction};
use atproto_repo::mst::{NotLoaded, Operation, Tree};

use super::record::{PreparedRecord, RecordWrite};
use crate::store::{RecordRow, SubjectLinkRow, SubjectLinks};

/// What a list of operations changed in the end: at most one change per path, as a strict reader of the firehose demands.
pub(super) struct NetChanges<'w>(Vec<NetChange<'w>>);

struct NetChange<'w> {
    path: &'w str,
    before: Option<Cid>,
    after: Option<(Cid, &'w PreparedRecord)>,
}

impl<'w> NetChanges<'w> {
    /// Compares the trees before and after.
    pub(super) fn new(
        operations: &'w [Operation],
        writes: &'w [RecordWrite],
        old: &Tree,
        new: &Tree,
    ) -> Result<NetChanges<'w>, NotLoaded> {
        let records: BTreeMap<Cid, &PreparedRecord> = writes
            .iter()
            .filter_map(RecordWrite::record)
            .map(|record| (record.cid, record))
            .collect();
        let mut seen = BTreeSet::new();
        let mut changes = Vec::with_capacity(operations.len());
        for operation in operations {
            if !seen.insert(&operation.key) {
                continue;
            }
            let before = old.get(&operation.key)?;
            let after = new.get(&operation.key)?;
            if before == after {
                continue;
            }
            let after = after.and_then(|cid| records.get(&cid).map(|record| (cid, *record)));
            // Paths are made of NSIDs and rkeys, which are ASCII.
            let path = std::str::from_utf8(&operation.key).unwrap_or_default();
            changes.push(NetChange { path, before, after });
        }
        Ok(NetChanges(changes))
    }

    /// The records created or changed.
    pub(super) fn puts(&self) -> Vec<RecordRow> {
        let row = |change: &NetChange<'_>| {
            change.after.map(|(cid, record)| RecordRow {
                path: change.path.to_owned(),
                cid,
                content: record.content.clone(),
            })
        };
        self.0.iter().filter_map(row).collect()
    }

    /// What changes in `subject_link`.
    pub(super) fn links(&self) -> SubjectLinks {
        let row = |change: &NetChange<'_>| {
            let (_, record) = change.after?;
            Some(SubjectLinkRow {
                link: record.link.clone()?,
                path: change.path.to_owned(),
            })
        };
        SubjectLinks {
            added: self.0.iter().filter_map(row).collect(),
            removed: Vec::new(),
        }
    }

    /// The paths of deleted records.
    pub(super) fn deletes(&self) -> Vec<String> {
        self.deleted().map(str::to_owned).collect()
    }

    /// The paths of records that were not there.
    pub(super) fn created(&self) -> impl Iterator<Item = &'w str> {
        self.0
            .iter()
            .filter(|change| change.before.is_none())
            .map(|change| change.path)
    }

    /// The paths of records that are no more.
    pub(super) fn deleted(&self) -> impl Iterator<Item = &'w str> {
        self.0
            .iter()
            .filter(|change| change.after.is_none())
            .map(|change| change.path)
    }

    /// All paths that changed.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'w str> {
        self.0.iter().map(|change| change.path)
    }

    /// The records created or changed, each content once.
    pub(super) fn records(&self) -> BTreeMap<Cid, &'w PreparedRecord> {
        self.0.iter().filter_map(|change| change.after).collect()
    }

    /// The operations as the event lists them.
    pub(super) fn ops(&self) -> Vec<RepoOp> {
        self.0
            .iter()
            .map(|change| RepoOp {
                action: match (change.before, change.after) {
                    (None, _) => RepoOpAction::Create,
                    (Some(_), Some(_)) => RepoOpAction::Update,
                    (Some(_), None) => RepoOpAction::Delete,
                },
                path: change.path.to_owned(),
                cid: change.after.map(|(cid, _)| cid),
                prev: change.before,
            })
            .collect()
    }
}

//! The write path: one commit of one repo, from checked records to an acknowledged transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use atproto_data::{Cid, Did, SigningKey, Tid};
use atproto_repo::car;
use atproto_repo::commit::{SignedCommit, UnsignedCommit};
use atproto_repo::frame::{
    self, CommitEvent, EventBody, MAX_COMMIT_BLOCKS_BYTES, MAX_COMMIT_OPERATIONS, RepoOp, RepoOpAction,
};
use atproto_repo::mst::{Action, Operation, Tree};

use super::record::{PreparedRecord, RecordSwap, RecordWrite, WriteAction};
use super::{LoadedRepo, RepoError, RepoRef, Repos, collections};
use crate::observe::metrics;
use crate::store::{BlobChanges, CommitWrite, RecordRow, SubjectLinkRow, SubjectLinks};

/// A commit as clients are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// CID of the commit block.
    pub cid: Cid,
    /// Its rev.
    pub rev: Tid,
}

/// What became of a list of writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The new commit; none if nothing had to change.
    pub commit: Option<CommitInfo>,
}

/// Measures the parts of a write.
struct Stages(Instant);

impl Stages {
    fn begin() -> Stages {
        Stages(Instant::now())
    }

    fn end(&mut self, stage: &'static str) {
        let now = Instant::now();
        metrics::WRITE_STAGE_TIME.record_time([stage], now - self.0);
        self.0 = now;
    }
}

impl Repos {
    /// Makes one commit of a list of writes, durable when this returns. An empty list makes a commit too.
    ///
    /// # Errors
    /// If a limit, a swap, the tree or the store refuses it; then nothing has changed.
    pub async fn write(
        &self,
        repo: RepoRef,
        writes: Vec<RecordWrite>,
        swap_commit: Option<Cid>,
    ) -> Result<Written, RepoError> {
        if writes.len() > MAX_COMMIT_OPERATIONS {
            return Err(RepoError::TooManyWrites {
                max: MAX_COMMIT_OPERATIONS,
            });
        }
        let repos = self.clone();
        // A caller that goes away must not leave the cached tree behind the stored one.
        let task = tokio::spawn(async move { repos.write_locked(&repo, writes, swap_commit).await });
        let written = task.await.map_err(|_| RepoError::Aborted).flatten();
        metrics::WRITES.increment([match &written {
            Ok(_) => "ok",
            Err(error) if error.is_ours() => "failed",
            Err(_) => "refused",
        }]);
        written
    }

    async fn write_locked(
        &self,
        repo: &RepoRef,
        mut writes: Vec<RecordWrite>,
        swap_commit: Option<Cid>,
    ) -> Result<Written, RepoError> {
        let mut stages = Stages::begin();
        let _lock = self.0.locks.lock(repo.repo_id).await;
        stages.end("lock");
        let old = self.load_for_write(repo.repo_id).await?;
        stages.end("load");
        if !old.active {
            return Err(RepoError::Inactive);
        }
        let unlinked = self.make_unique(repo.repo_id, &mut writes).await?;
        let operations = operations(&writes, &old.tree);
        // What changes nothing succeeds whatever `swapCommit` says, as in the reference: a write that is sent again succeeds again.
        if !writes.is_empty() && operations.as_ref().is_ok_and(Vec::is_empty) {
            self.0.trees.keep(repo.repo_id, old);
            return Ok(Written { commit: None });
        }
        if swap_commit.is_some_and(|expected| expected != old.commit_cid) {
            return Err(RepoError::InvalidSwap(format!("Commit was at {}", old.commit_cid)));
        }
        let operations = operations?;
        let blobs = self.blob_changes(repo, &old.tree, &operations, &writes).await?;
        let key = self.signing_key(&old.did).await?;
        let (new, mut write) = self.commit(repo, &old, &operations, &writes, &key)?;
        write.subject_links.removed = unlinked;
        write.blobs = blobs;
        let info = CommitInfo {
            cid: new.commit_cid,
            rev: new.rev,
        };
        stages.end("apply");
        let committed = self.0.store.commit(write).await;
        stages.end("commit");
        if let Err(error) = committed {
            self.forget(repo.repo_id);
            return Err(error.into());
        }
        self.0.trees.keep(repo.repo_id, Arc::new(new));
        Ok(Written { commit: Some(info) })
    }

    /// The key that signs an account's commits.
    pub(super) async fn signing_key(&self, did: &Did) -> Result<Arc<SigningKey>, RepoError> {
        match self.0.keys.signing_key(did).await {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(RepoError::Key(format!("there is none for {did}"))),
            Err(error) => Err(RepoError::Key(error.to_string())),
        }
    }

    /// Builds the commit, its event and its rows.
    fn commit(
        &self,
        repo: &RepoRef,
        old: &LoadedRepo,
        operations: &[Operation],
        writes: &[RecordWrite],
        key: &SigningKey,
    ) -> Result<(LoadedRepo, CommitWrite), RepoError> {
        let tree = old.tree.apply(operations)?;
        let rev = self.next_rev(old.rev);
        let signed = UnsignedCommit {
            did: old.did.clone(),
            data: tree.root(),
            rev,
        }
        .sign(key);
        let net = NetChanges::new(operations, writes, &old.tree, &tree);
        let event = commit_event(old, &tree, rev, &signed, &net)?;
        let write = CommitWrite {
            account_id: repo.account_id,
            repo_id: repo.repo_id,
            commit_cid: signed.cid,
            rev: i64::try_from(rev.as_u64()).unwrap_or(i64::MAX),
            commit: signed.bytes.clone(),
            puts: net.puts(),
            deletes: net.deletes(),
            subject_links: net.links(),
            collections_begun: collections::absent(&old.tree, net.created()),
            collections_ended: collections::absent(&tree, net.deleted()),
            blobs: BlobChanges::default(),
            event: Some(event),
        };
        let new = LoadedRepo {
            did: old.did.clone(),
            active: old.active,
            commit_cid: signed.cid,
            rev,
            commit: signed.bytes,
            tree,
        };
        Ok((new, write))
    }
}

/// The tree operations of a list of writes, swaps checked against what each write finds.
fn operations(writes: &[RecordWrite], tree: &Tree) -> Result<Vec<Operation>, RepoError> {
    // What earlier writes of the same list left at a path.
    let mut current: BTreeMap<String, Option<Cid>> = BTreeMap::new();
    let mut operations = Vec::with_capacity(writes.len());
    for write in writes {
        let path = write.path();
        let found = current.get(&path).copied().unwrap_or_else(|| tree.get(path.as_bytes()));
        let Some(action) = action(&write.action, found, &path)? else {
            continue;
        };
        current.insert(path.clone(), after(action));
        operations.push(Operation {
            key: path.into_bytes(),
            action,
        });
    }
    Ok(operations)
}

fn after(action: Action) -> Option<Cid> {
    match action {
        Action::Create(cid) | Action::Update(cid) => Some(cid),
        Action::Delete => None,
    }
}

fn action(write: &WriteAction, found: Option<Cid>, path: &str) -> Result<Option<Action>, RepoError> {
    match (write, found) {
        (WriteAction::Create(_) | WriteAction::CreateUnique(_), Some(_)) => {
            Err(RepoError::RecordExists(path.to_owned()))
        }
        (WriteAction::Create(record) | WriteAction::CreateUnique(record), None) => Ok(Some(Action::Create(record.cid))),
        (WriteAction::Update(_) | WriteAction::Delete, None) => Err(RepoError::RecordMissing(path.to_owned())),
        (WriteAction::Update(record), Some(_)) => Ok(Some(Action::Update(record.cid))),
        (WriteAction::Delete, Some(_)) => Ok(Some(Action::Delete)),
        // The same content is no change, whatever is said of what was there, as in the reference.
        (WriteAction::Put { record, .. }, Some(found)) if found == record.cid => Ok(None),
        (WriteAction::Put { record, swap }, found) => {
            check_swap(*swap, found)?;
            Ok(Some(if found.is_some() {
                Action::Update(record.cid)
            } else {
                Action::Create(record.cid)
            }))
        }
        (WriteAction::DeleteIfPresent { .. }, None) => Ok(None),
        (WriteAction::DeleteIfPresent { swap }, Some(_)) => {
            check_swap(*swap, found)?;
            Ok(Some(Action::Delete))
        }
    }
}

fn check_swap(swap: RecordSwap, found: Option<Cid>) -> Result<(), RepoError> {
    let holds = match swap {
        RecordSwap::Any => true,
        RecordSwap::Absent => found.is_none(),
        RecordSwap::At(cid) => found == Some(cid),
    };
    if holds {
        return Ok(());
    }
    let was = found.map_or_else(|| "null".to_owned(), |cid| cid.to_string());
    Err(RepoError::InvalidSwap(format!("Record was at {was}")))
}

/// What a list of operations changed in the end: at most one change per path, as a strict reader of the firehose demands.
struct NetChanges<'w>(Vec<NetChange<'w>>);

struct NetChange<'w> {
    path: &'w str,
    before: Option<Cid>,
    after: Option<(Cid, &'w PreparedRecord)>,
}

impl<'w> NetChanges<'w> {
    fn new(operations: &'w [Operation], writes: &'w [RecordWrite], old: &Tree, new: &Tree) -> NetChanges<'w> {
        let records: BTreeMap<Cid, &PreparedRecord> = writes
            .iter()
            .filter_map(RecordWrite::record)
            .map(|record| (record.cid, record))
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        let mut changes = Vec::with_capacity(operations.len());
        for operation in operations {
            if !seen.insert(&operation.key) {
                continue;
            }
            let before = old.get(&operation.key);
            let after = new.get(&operation.key);
            if before == after {
                continue;
            }
            let after = after.and_then(|cid| records.get(&cid).map(|record| (cid, *record)));
            // Paths are made of NSIDs and rkeys, which are ASCII.
            let path = std::str::from_utf8(&operation.key).unwrap_or_default();
            changes.push(NetChange { path, before, after });
        }
        NetChanges(changes)
    }

    fn puts(&self) -> Vec<RecordRow> {
        let row = |change: &NetChange<'_>| {
            change.after.map(|(cid, record)| RecordRow {
                path: change.path.to_owned(),
                cid,
                content: record.content.clone(),
            })
        };
        self.0.iter().filter_map(row).collect()
    }

    fn links(&self) -> SubjectLinks {
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

    fn deletes(&self) -> Vec<String> {
        self.deleted().map(str::to_owned).collect()
    }

    fn created(&self) -> impl Iterator<Item = &'w str> {
        self.0
            .iter()
            .filter(|change| change.before.is_none())
            .map(|change| change.path)
    }

    fn deleted(&self) -> impl Iterator<Item = &'w str> {
        self.0
            .iter()
            .filter(|change| change.after.is_none())
            .map(|change| change.path)
    }

    fn ops(&self) -> Vec<RepoOp> {
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

/// The `#commit` event with everything a reader needs to apply and to invert it (sync 1.1).
fn commit_event(
    old: &LoadedRepo,
    tree: &Tree,
    rev: Tid,
    signed: &SignedCommit,
    net: &NetChanges<'_>,
) -> Result<EventBody, RepoError> {
    let covering = tree.covering_blocks(net.0.iter().map(|change| change.path));
    let records: BTreeMap<Cid, &PreparedRecord> = net.0.iter().filter_map(|change| change.after).collect();
    let mut blocks = Vec::with_capacity(covering.total_bytes() + 1_024);
    car::write_header(&mut blocks, Some(&signed.cid));
    car::write_block(&mut blocks, &signed.cid, &signed.bytes);
    for block in covering.iter() {
        car::write_block(&mut blocks, block.cid, block.bytes);
    }
    for (cid, record) in &records {
        car::write_block(&mut blocks, cid, &record.content);
    }
    if blocks.len() > MAX_COMMIT_BLOCKS_BYTES {
        return Err(RepoError::EventTooLarge);
    }
    let prev_data = old.tree.root();
    Ok(frame::commit_event(&CommitEvent {
        did: &old.did,
        commit: &signed.cid,
        rev,
        since: Some(old.rev),
        prev_data: Some(&prev_data),
        ops: &net.ops(),
        blocks: &blocks,
    }))
}

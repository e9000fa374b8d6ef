//! The write path: one commit of one repo, from checked records to an acknowledged transaction.

use std::sync::Arc;
use std::time::Instant;

use atproto_data::{Cid, Did, SigningKey, Tid};
use atproto_repo::car;
use atproto_repo::commit::{SignedCommit, UnsignedCommit};
use atproto_repo::frame::{self, CommitEvent, EventBody, MAX_COMMIT_BLOCKS_BYTES, MAX_COMMIT_OPERATIONS};
use atproto_repo::mst::{Operation, Tree};

use super::net_changes::NetChanges;
use super::operations::operations;
use super::record::RecordWrite;
use super::{LoadedRepo, RepoError, RepoRef, Repos, collections};
use crate::observe::metrics;
use crate::store::{BlobChanges, CommitWrite};
use crate::to_the_end::ToTheEnd;

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
        let written = ToTheEnd::new(async move { repos.write_attached(repo, writes, swap_commit).await }).await;
        metrics::WRITES.increment([match &written {
            Ok(_) => "ok",
            Err(error) if error.is_ours() => "failed",
            Err(_) => "refused",
        }]);
        written
    }

    /// Writes to the repo that the account has: an import may have given it another one since the caller looked.
    async fn write_attached(
        &self,
        mut repo: RepoRef,
        mut writes: Vec<RecordWrite>,
        swap_commit: Option<Cid>,
    ) -> Result<Written, RepoError> {
        match self.write_locked(&repo, &mut writes, swap_commit).await {
            Err(RepoError::NotFound) => {}
            done => return done,
        }
        repo.repo_id = self.attached_to(repo.account_id).await?.ok_or(RepoError::NotFound)?;
        self.write_locked(&repo, &mut writes, swap_commit).await
    }

    async fn write_locked(
        &self,
        repo: &RepoRef,
        writes: &mut Vec<RecordWrite>,
        swap_commit: Option<Cid>,
    ) -> Result<Written, RepoError> {
        let mut stages = Stages::begin();
        let _lock = self.0.locks.lock(repo.repo_id).await;
        stages.end("lock");
        let old = self.load_for_write(repo.repo_id).await?;
        if !old.active {
            return Err(RepoError::Inactive);
        }
        let unlinked = self.make_unique(repo.repo_id, writes).await?;
        let paths = writes.iter().map(RecordWrite::path).collect();
        let old = self.filled_for_write(repo.repo_id, old, paths).await?;
        stages.end("load");
        let operations = operations(writes, &old.tree);
        // What changes nothing succeeds whatever `swapCommit` says, as in the reference: a write that is sent again succeeds again.
        if !writes.is_empty() && operations.as_ref().is_ok_and(Vec::is_empty) {
            self.keep_written(repo.repo_id, old);
            return Ok(Written { commit: None });
        }
        if swap_commit.is_some_and(|expected| expected != old.commit_cid) {
            return Err(RepoError::InvalidSwap(format!("Commit was at {}", old.commit_cid)));
        }
        let operations = operations?;
        let blobs = self.blob_changes(repo, &old.tree, &operations, writes).await?;
        let key = self.signing_key(&old.did).await?;
        let (new, mut write) = self.commit(repo, &old, &operations, writes, &key)?;
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
        self.keep_written(repo.repo_id, Arc::new(new));
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
        let net = NetChanges::new(operations, writes, &old.tree, &tree)?;
        let event = commit_event(old, &tree, rev, &signed, &net)?;
        let (skeleton, is_skeleton_stored) = self.skeleton_write(old, &tree, net.paths())?;
        let write = CommitWrite {
            account_id: repo.account_id,
            repo_id: repo.repo_id,
            commit_cid: signed.cid,
            rev: i64::try_from(rev.as_u64()).unwrap_or(i64::MAX),
            commit: signed.bytes.clone(),
            puts: net.puts(),
            deletes: net.deletes(),
            subject_links: net.links(),
            collections_begun: collections::absent(&old.tree, net.created())?,
            collections_ended: collections::absent(&tree, net.deleted())?,
            skeleton,
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
            is_skeleton_stored,
            record_blocks: Arc::default(),
        };
        Ok((new, write))
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
    let covering = tree.covering_blocks(net.paths())?;
    let records = net.records();
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

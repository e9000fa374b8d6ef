//! The first commit of a repo, the empty one, and the four events that tell of a new account.

use atproto_data::{Cid, Did, Handle, SigningKey, Tid};
use atproto_repo::car;
use atproto_repo::commit::{SignedCommit, UnsignedCommit};
use atproto_repo::frame::{CommitEvent, EventBody, account_event, commit_event, identity_event, sync_event};
use atproto_repo::mst::Tree;
use sqlx::{Row as _, SqliteConnection};

use crate::store::StoreError;

/// The signed commit of an empty repo.
pub(super) struct FirstCommit {
    commit: SignedCommit,
    rev: Tid,
    /// `#identity`, `#account`, `#commit` and `#sync`, in this order.
    pub(super) events: [EventBody; 4],
}

impl FirstCommit {
    /// Signs it at `now`, µs since 1970; `clock_id` tells apart TIDs of the same time.
    pub(super) fn sign(did: &Did, handle: &Handle, key: &SigningKey, now: i64, clock_id: u16) -> FirstCommit {
        let tree = Tree::empty();
        let rev = Tid::from_parts(now.unsigned_abs(), clock_id);
        let commit = UnsignedCommit {
            did: did.clone(),
            data: tree.root(),
            rev,
        }
        .sign(key);

        let alone = car_of_commit(&commit.cid, &commit.bytes);
        let mut whole = alone.clone();
        for node in tree.proof(b"").into_iter().flatten() {
            car::write_block(&mut whole, node.cid, node.bytes);
        }
        let first = CommitEvent {
            did,
            commit: &commit.cid,
            rev,
            since: None,
            prev_data: None,
            ops: &[],
            blocks: &whole,
        };
        let events = [
            identity_event(did, Some(handle)),
            account_event(did, None),
            commit_event(&first),
            sync_event(did, rev, &alone),
        ];
        FirstCommit { commit, rev, events }
    }

    /// Stores the repo; returns its number.
    pub(super) async fn insert(&self, connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        let row = sqlx::query("INSERT INTO repo (commit_cid, rev, commit_data) VALUES ($1, $2, $3) RETURNING repo_id")
            .bind(self.commit.cid.as_bytes().to_vec())
            .bind(self.rev.as_u64().cast_signed())
            .bind(&self.commit.bytes)
            .fetch_one(connection)
            .await?;
        Ok(row.try_get(0)?)
    }
}

/// A CAR of a commit alone, as `#sync` carries it.
pub(super) fn car_of_commit(cid: &Cid, commit: &[u8]) -> Vec<u8> {
    let mut car = Vec::new();
    car::write_header(&mut car, Some(cid));
    car::write_block(&mut car, cid, commit);
    car
}

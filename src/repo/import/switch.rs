//! The moment of an import: one transaction points the account at the new repo.

use std::sync::Arc;

use atproto_data::{Cid, SigningKey, Tid};
use atproto_repo::car;
use atproto_repo::commit::{SignedCommit, UnsignedCommit};
use atproto_repo::frame;
use sqlx::Row as _;

use super::ImportError;
use super::imported_car::ImportedCar;
use crate::blob::keep_referenced;
use crate::repo::load::{cid_column, rev_column};
use crate::repo::{RepoRef, Repos};
use crate::store::{StoreError, Tx};

/// Uploads that become permanent in one transaction: other writers wait no longer than that.
const CHUNK_UPLOADS: u64 = 500;

/// Everything that the transaction needs.
struct Switch {
    repos: Repos,
    repo: RepoRef,
    /// The head when the import began.
    head: Cid,
    new: i64,
    /// Root of the new tree.
    data: Cid,
    imported_rev: Tid,
    key: Arc<SigningKey>,
}

/// The account's repo before.
struct Old {
    /// The greatest rev that the account had here.
    rev: Tid,
    last_event: Option<i64>,
    active: bool,
}

impl Repos {
    /// Points the account at repo `new` and leaves its old one detached. An inactive account keeps the imported commit until it is
    /// activated; for an active one the same tree is signed anew, with a rev after all before, and a `#sync` tells of it.
    pub(super) async fn switch(
        &self,
        repo: &RepoRef,
        head: Cid,
        new: i64,
        car: &ImportedCar,
    ) -> Result<(), ImportError> {
        self.keep_uploads(repo, new).await?;
        let _lock = self.0.locks.lock(repo.repo_id).await;
        // From here on the account neither goes nor gets another key.
        if self.attached_to(repo.account_id).await? != Some(repo.repo_id) {
            return Err(ImportError::HeadMoved);
        }
        let switch = Switch {
            repos: self.clone(),
            repo: repo.clone(),
            head,
            new,
            data: car.commit.data,
            imported_rev: car.commit.rev,
            key: self.signing_key(&repo.did).await?,
        };
        let done = self
            .0
            .store
            .change(move |tx| Box::pin(async move { switch.run(tx).await }));
        let done = done.await;
        self.forget(repo.repo_id);
        done
    }

    /// Makes the uploads permanent to which the new repo refers, in chunks. If the account does not get it, they are released with its rows.
    async fn keep_uploads(&self, repo: &RepoRef, new: i64) -> Result<(), StoreError> {
        loop {
            let did = repo.did.clone();
            let kept = self.0.store.change(move |tx| {
                Box::pin(async move { keep_referenced(tx.connection(), &did, new, CHUNK_UPLOADS).await })
            });
            if kept.await? < CHUNK_UPLOADS {
                return Ok(());
            }
        }
    }
}

impl Switch {
    async fn run(self, tx: &mut Tx<'_>) -> Result<(), ImportError> {
        let old = self.old(tx).await?.ok_or(ImportError::HeadMoved)?;
        self.attach(tx, &old).await?;
        for (path, reference) in self.taken_down(tx).await? {
            sqlx::query("UPDATE record SET takedown_ref = $1 WHERE repo_id = $2 AND path = $3")
                .bind(reference)
                .bind(self.new)
                .bind(path)
                .execute(tx.connection())
                .await?;
        }
        // What was uploaded in the last moment.
        keep_referenced(tx.connection(), &self.repo.did, self.new, u64::MAX).await?;
        if old.active { self.tell(tx, &old).await } else { Ok(()) }
    }

    /// The repo to be replaced, if it is still at the commit at which the import began.
    async fn old(&self, tx: &mut Tx<'_>) -> Result<Option<Old>, ImportError> {
        let row = sqlx::query(
            "SELECT r.commit_cid, r.rev, r.rev_floor, r.last_event, a.deactivated_at, a.takedown_ref \
             FROM account a JOIN repo r ON r.repo_id = a.repo_id WHERE a.account_id = $1 AND a.repo_id = $2",
        )
        .bind(self.repo.account_id)
        .bind(self.repo.repo_id)
        .fetch_optional(tx.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        if cid_column(row.try_get(0)?)? != self.head {
            return Ok(None);
        }
        let (deactivated_at, takedown_ref): (Option<i64>, Option<&str>) = (row.try_get(4)?, row.try_get(5)?);
        Ok(Some(Old {
            rev: rev_column(row.try_get(1)?).max(rev_column(row.try_get(2)?)),
            last_event: row.try_get(3)?,
            active: deactivated_at.is_none() && takedown_ref.is_none(),
        }))
    }

    /// Paths of the old repo that a moderator took down, and under which reference.
    async fn taken_down(&self, tx: &mut Tx<'_>) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query("SELECT path, takedown_ref FROM record WHERE repo_id = $1 AND takedown_ref IS NOT NULL")
            .bind(self.repo.repo_id)
            .fetch_all(tx.connection())
            .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    async fn attach(&self, tx: &mut Tx<'_>, old: &Old) -> Result<(), StoreError> {
        sqlx::query("UPDATE repo SET rev_floor = $1, last_event = $2 WHERE repo_id = $3")
            .bind(old.rev.as_u64().cast_signed())
            .bind(old.last_event)
            .bind(self.new)
            .execute(tx.connection())
            .await?;
        sqlx::query("UPDATE account SET repo_id = $1 WHERE account_id = $2")
            .bind(self.new)
            .bind(self.repo.account_id)
            .execute(tx.connection())
            .await?;
        sqlx::query("UPDATE detached_repo SET repo_id = $1 WHERE repo_id = $2")
            .bind(self.repo.repo_id)
            .bind(self.new)
            .execute(tx.connection())
            .await?;
        Ok(())
    }

    /// A commit of our own, and the event that makes readers fetch the repo.
    async fn tell(&self, tx: &mut Tx<'_>, old: &Old) -> Result<(), ImportError> {
        let did = &self.repo.did;
        let rev = self.repos.next_rev(old.rev.max(self.imported_rev));
        let unsigned = UnsignedCommit {
            did: did.clone(),
            data: self.data,
            rev,
        };
        let SignedCommit { cid, bytes } = unsigned.sign(&self.key);
        let mut blocks = Vec::new();
        car::write_header(&mut blocks, Some(&cid));
        car::write_block(&mut blocks, &cid, &bytes);
        sqlx::query("UPDATE repo SET commit_cid = $1, rev = $2, commit_data = $3 WHERE repo_id = $4")
            .bind(cid.as_bytes().to_vec())
            .bind(rev.as_u64().cast_signed())
            .bind(bytes)
            .bind(self.new)
            .execute(tx.connection())
            .await?;
        let event = frame::sync_event(did, rev, &blocks);
        tx.emit(self.repo.account_id, self.new, &event).await?;
        Ok(())
    }
}

//! Importing a repo (`com.atproto.repo.importRepo`): a CAR in any order of blocks takes the place of an account's repo, or nothing changes.
//!
//! The CAR goes to an unnamed temporary file and is checked from there, whole. Then its records are written in chunks into a repo that
//! no account refers to, and one small transaction points the account at it. The old records are removed in chunks. What a crash leaves
//! of all this is in the table `detached_repo`, and removed at the next start.

mod block_index;
#[cfg(test)]
mod car_tests;
mod error;
mod imported_car;
mod rows;
mod sections;
mod switch;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree_tests;
#[cfg(test)]
mod waiting_tests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use atproto_data::{Cid, PublicKey};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{RepoError, RepoRef, Repos};
use crate::observe::{Disk, Unwritable};
use crate::store::StoreError;
use crate::to_the_end::ToTheEnd;

pub use error::ImportError;

use imported_car::ImportedCar;

/// Imports that run at a time, from the first byte received.
const IMPORTS: usize = 16;
/// Imports that are checked and written at a time.
const CHECKS: usize = 2;
/// How long a CAR may be on its way: the largest ones at 150 kB/s.
const MAX_RECEIVE_MICROS: i64 = 2 * 60 * 60 * 1_000_000;
/// How far in the future a commit's rev may be, in µs: clocks differ.
const MAX_FUTURE_MICROS: u64 = 5 * 60 * 1_000_000;

/// What bounds imports.
pub(super) struct Imports {
    /// Accounts with an import.
    accounts: Mutex<HashSet<i64>>,
    places: Arc<Semaphore>,
    checks: Semaphore,
}

impl Imports {
    pub(super) fn new() -> Imports {
        Imports {
            accounts: Mutex::default(),
            places: Arc::new(Semaphore::new(IMPORTS)),
            checks: Semaphore::new(CHECKS),
        }
    }
}

/// An import that receives its CAR.
pub struct Import {
    repo: RepoRef,
    /// The repo's commit when the import began.
    head: Cid,
    /// When that was, in µs since 1970.
    began: i64,
    file: tokio::fs::File,
    claim: Claim,
    _place: OwnedSemaphorePermit,
}

/// Keeps other imports of the account away.
struct Claim {
    repos: Repos,
    account_id: i64,
}

impl Claim {
    fn take(repos: &Repos, account_id: i64) -> Option<Claim> {
        let mut accounts = repos.0.imports.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.insert(account_id).then(|| Claim {
            repos: repos.clone(),
            account_id,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let accounts = &self.repos.0.imports.accounts;
        accounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.account_id);
    }
}

impl Repos {
    /// Begins an import into an account's repo.
    ///
    /// # Errors
    /// [`ImportError::Running`] if another one of the account has not ended, [`ImportError::Busy`], or why the repo cannot be read.
    pub async fn begin_import(&self, repo: RepoRef) -> Result<Import, ImportError> {
        let claim = Claim::take(self, repo.account_id).ok_or(ImportError::Running)?;
        let place = Arc::clone(&self.0.imports.places);
        let place = place.try_acquire_owned().map_err(|_| ImportError::Busy)?;
        let (head, _) = self.head(repo.repo_id).await?.ok_or(RepoError::NotFound)?;
        let directory = self.temporary_directory();
        let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(directory))
            .await
            .map_err(|_| RepoError::Aborted)??;
        Ok(Import {
            repo,
            head,
            began: self.0.clock.now_micros(),
            file: tokio::fs::File::from_std(file),
            claim,
            _place: place,
        })
    }
}

impl Import {
    /// Takes the next bytes of the CAR.
    ///
    /// # Errors
    /// [`ImportError::TooSlow`] if they have been coming for too long: others wait for the place. Or if the disk is nearly full or the
    /// temporary file cannot be written.
    pub async fn receive(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        let repos = &self.claim.repos;
        if repos.0.clock.now_micros() - self.began > MAX_RECEIVE_MICROS {
            return Err(ImportError::TooSlow);
        }
        Disk::of(&repos.temporary_directory())?.has_room()?;
        Ok(self.file.write_all(bytes).await?)
    }

    /// Ends the import; the account has the new repo when this returns. `key` is the one that the account's DID document names: that
    /// another one signed the commit is worth a line in the log, but a backup may be older than its owner's key.
    ///
    /// # Errors
    /// Why the repo stays what it was.
    pub async fn finish(self, key: Option<PublicKey>) -> Result<(), ImportError> {
        // A caller that goes away leaves nothing half done.
        ToTheEnd::new(async move { self.run(key).await }).await
    }

    async fn run(mut self, key: Option<PublicKey>) -> Result<(), ImportError> {
        let repos = self.claim.repos.clone();
        let _permit = repos.0.imports.checks.acquire().await.map_err(|_| RepoError::Aborted)?;
        self.file.flush().await?;
        let file = self.file.into_std().await;
        let directory = repos.temporary_directory();
        let (did, latest) = (
            self.repo.did.clone(),
            repos.0.clock.now_micros().unsigned_abs() + MAX_FUTURE_MICROS,
        );
        let checked = tokio::task::spawn_blocking(move || {
            let car = ImportedCar::open(file, &directory)?;
            if car.commit.did != did {
                let found = car.commit.did;
                return Err(ImportError::ForeignDid { expected: did, found });
            }
            if car.commit.rev.micros() > latest {
                return Err(ImportError::FutureRev);
            }
            car.check()?;
            Ok(car)
        });
        let car = Arc::new(checked.await.map_err(|_| RepoError::Aborted)??);
        report_signature(&car, key.as_ref());
        let new = repos.add_detached(&car).await?;
        let switched = match repos.write_rows(new, Arc::clone(&car)).await {
            Ok(records) => repos.switch(&self.repo, self.head, new, &car).await.map(|()| records),
            Err(error) => Err(error),
        };
        match switched {
            Ok(records) => {
                tokio::spawn(repos.clone().settle(self.repo.repo_id, new, records));
                Ok(())
            }
            Err(error) => {
                tokio::spawn(repos.clone().sweep(new));
                Err(error)
            }
        }
    }
}

impl Repos {
    /// What an import leaves to do behind its answer: a large repo gets its skeleton while its rows are at hand, the old one goes.
    async fn settle(self, old: i64, new: i64, records: u64) {
        if records >= self.0.skeleton_rule.from_records
            && let Err(error) = self.snapshot(new).await
        {
            tracing::debug!(%error, "an imported repo gets its skeleton when it is used");
        }
        self.sweep(old).await;
    }

    async fn sweep(self, detached: i64) {
        match self.remove_detached(detached).await {
            // At shut-down the rest is left to the next start.
            Ok(()) | Err(RepoError::Store(StoreError::Unwritable(Unwritable::Closing))) => {}
            Err(error) => tracing::warn!(%error, "a replaced repo's rows are left to the next start"),
        }
    }
}

fn report_signature(car: &ImportedCar, key: Option<&PublicKey>) {
    let did = &car.commit.did;
    match key.map(|key| car.commit.verify(key)) {
        Some(Ok(())) => {}
        Some(Err(_)) => {
            tracing::warn!(%did, "an imported commit is not signed with the key in the account's DID document");
        }
        None => tracing::warn!(%did, "the signature of an imported commit was not checked: no key is known"),
    }
}

//! The rows of table `blob`.

use atproto_data::{Cid, Did};

use crate::store::{Columns as _, Store, StoreError};

/// Where a blob is in its life (`migrations/sqlite/0002_blobs.sql`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Temporary,
    Permanent,
    Deleting,
}

impl State {
    fn parse(name: &str) -> Result<State, StoreError> {
        match name {
            "temporary" => Ok(State::Temporary),
            "permanent" => Ok(State::Permanent),
            "deleting" => Ok(State::Deleting),
            _ => Err(StoreError::Damaged(format!("{name:?} is not the state of a blob"))),
        }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlobRow {
    pub(super) mime_type: String,
    pub(super) size: u64,
    pub(super) state: State,
    pub(super) taken_down: bool,
}

pub(super) async fn find(store: &Store, did: &Did, cid: &Cid) -> Result<Option<BlobRow>, StoreError> {
    const FIND: &str = "SELECT mime_type, size, state, takedown_ref IS NOT NULL FROM blob WHERE did = $1 AND cid = $2";
    let row = store.look_up_one(FIND, [did.as_str().into(), cid.into()], |row| {
        Ok(BlobRow {
            mime_type: row.column(0)?,
            size: row.column::<i64>(1)?.unsigned_abs(),
            state: State::parse(row.text(2)?)?,
            taken_down: row.column(3)?,
        })
    });
    row.await
}

/// How many blobs of an account no record refers to, and their bytes. The first condition is the index's.
pub(super) async fn temporary(store: &Store, did: &Did) -> Result<(i64, i64), StoreError> {
    const TEMPORARY: &str = "SELECT count(*), coalesce(sum(size), 0) FROM blob \
         WHERE state <> 'permanent' AND state = 'temporary' AND did = $1";
    let sums = store.look_up_one(TEMPORARY, [did.as_str().into()], |row| {
        Ok((row.column(0)?, row.column(1)?))
    });
    Ok(sums.await?.unwrap_or_default())
}

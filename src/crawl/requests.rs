//! How the last request to each relay ended, kept for `pds relay status`.

use sqlx::{Row as _, SqliteConnection};

use super::RelayError;
use crate::store::{Store, StoreError};

/// Keeps how requests ended. Cheap to clone.
#[derive(Clone)]
pub struct CrawlRequests(Store);

/// The last request to a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrawlRequest {
    /// When it was asked, in µs since 1970.
    pub asked_at: i64,
    /// Why it did not say yes.
    pub error: Option<String>,
}

impl CrawlRequests {
    /// Keeps them in this database.
    pub fn new(store: Store) -> CrawlRequests {
        CrawlRequests(store)
    }

    /// Notes how the request to a relay ended that was made just `now`, in µs since 1970.
    ///
    /// # Errors
    /// If the database refuses it.
    pub async fn note(&self, relay: &str, now: i64, answer: &Result<(), RelayError>) -> Result<(), StoreError> {
        let (relay, error) = (relay.to_owned(), answer.as_ref().err().map(ToString::to_string));
        let statement = "INSERT INTO crawl_request (relay, asked_at, error) VALUES ($1, $2, $3) \
                         ON CONFLICT (relay) DO UPDATE SET asked_at = excluded.asked_at, error = excluded.error";
        let noted = self.0.change::<(), StoreError, _>(move |tx| {
            Box::pin(async move {
                let note = sqlx::query(statement).bind(relay).bind(now).bind(error);
                note.execute(tx.connection()).await?;
                Ok(())
            })
        });
        noted.await
    }
}

/// The last request to a relay, if it was ever asked.
///
/// # Errors
/// If the database cannot be read.
pub async fn last_request(connection: &mut SqliteConnection, relay: &str) -> Result<Option<CrawlRequest>, StoreError> {
    let found = sqlx::query("SELECT asked_at, error FROM crawl_request WHERE relay = $1").bind(relay);
    let Some(row) = found.fetch_optional(connection).await? else {
        return Ok(None);
    };
    Ok(Some(CrawlRequest {
        asked_at: row.try_get(0)?,
        error: row.try_get(1)?,
    }))
}

//! A store for tests: in a temporary directory, with a sequencer that only counts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use atproto_repo::frame::EventBody;
use sqlx::{AssertSqlSafe, Row as _};

use super::open::DATABASE_FILE;
use super::{BeforeMigration, Checkpoints, Database, Sequence, SequencedEvent, Store, StoreSettings};

/// A store and what was published through it.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    published: Arc<Mutex<Vec<SequencedEvent>>>,
    directory: tempfile::TempDir,
}

impl TestStore {
    pub(crate) async fn open() -> TestStore {
        Self::with(Checkpoints::Ours).await
    }

    pub(crate) async fn with(checkpoints: Checkpoints) -> TestStore {
        let directory = tempfile::tempdir().unwrap();
        let settings = StoreSettings {
            data_directory: directory.path().to_owned(),
            checkpoints,
            before_migration: BeforeMigration::Copy,
        };
        let database = Database::open(&settings).await.unwrap();
        let published = Arc::new(Mutex::new(Vec::new()));
        let store = database
            .start(Box::new(Counter {
                last: 0,
                published: Arc::clone(&published),
            }))
            .unwrap();
        TestStore {
            store,
            published,
            directory,
        }
    }

    /// The events that subscribers have been told of, in order.
    pub(crate) fn published(&self) -> Vec<SequencedEvent> {
        self.published.lock().unwrap().clone()
    }

    /// The database file.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join(DATABASE_FILE)
    }

    /// Fails if SQLite would read a whole table for a statement.
    pub(crate) async fn assert_scans_no_table(&self, sql: &str) {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let mut reader = self.store.read().await.unwrap();
        for step in sqlx::query(explain).fetch_all(&mut *reader).await.unwrap() {
            let step: String = step.try_get("detail").unwrap();
            // Rows of the statement itself, and of a subquery that is limited.
            let is_list = step.contains("CONSTANT ROW") || step.contains("VALUES CLAUSE") || step == "SCAN chunk";
            assert!(!step.starts_with("SCAN") || is_list, "{sql}: {step}");
        }
    }

    /// The one integer that a query gives.
    pub(crate) async fn integer(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(&mut *self.store.read().await.unwrap())
            .await
            .unwrap()
    }
}

struct Counter {
    last: i64,
    published: Arc<Mutex<Vec<SequencedEvent>>>,
}

impl Sequence for Counter {
    fn place(&mut self, event: &EventBody) -> SequencedEvent {
        self.last += 1;
        let frame = event.frame(self.last, "2026-01-01T00:00:00.000Z");
        SequencedEvent {
            seq: self.last,
            time: self.last,
            frame: frame.into(),
        }
    }

    fn publish(&mut self, events: Vec<SequencedEvent>) {
        self.published.lock().unwrap().extend(events);
    }
}

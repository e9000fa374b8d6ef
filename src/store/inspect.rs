//! Looking into the database from outside the server, for commands beside it.

use std::path::Path;

use sqlx::{ConnectOptions as _, SqliteConnection};

use super::open::{DATABASE_FILE, options};
use super::{StoreError, migrations};

/// Opens the database of a data directory for reading, beside the server that works on it or without one. Nothing is created or changed.
///
/// # Errors
/// If there is no database or it cannot be read.
pub async fn inspect(data_directory: &Path) -> Result<SqliteConnection, StoreError> {
    let path = data_directory.join(DATABASE_FILE);
    if let Err(source) = std::fs::metadata(&path) {
        return Err(StoreError::Directory {
            path: path.display().to_string(),
            source,
        });
    }
    Ok(options(&path).read_only(true).connect().await?)
}

/// Whether the database of a data directory has an older schema than this binary's, so that the next start takes longer.
pub async fn is_to_be_migrated(data_directory: &Path) -> bool {
    match inspect(data_directory).await {
        Ok(mut connection) => migrations::are_due(&mut connection).await.unwrap_or(false),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::testing::TestStore;
    use super::*;

    #[tokio::test]
    async fn an_older_schema_is_noticed() {
        let test = TestStore::open().await;
        let directory = test.store.data_directory().to_owned();
        assert!(!is_to_be_migrated(&directory).await);
        let forget = test.store.change(|tx| {
            Box::pin(async move {
                let newest = "DELETE FROM schema_migration WHERE version = (SELECT max(version) FROM schema_migration)";
                sqlx::query(newest).execute(tx.connection()).await?;
                Ok::<_, StoreError>(())
            })
        });
        forget.await.unwrap();
        assert!(is_to_be_migrated(&directory).await);
        assert!(!is_to_be_migrated(Path::new("/nowhere")).await);
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_read_says_so() {
        let test = TestStore::open().await;
        assert!(test.store.can_be_read().await);
        test.store.close().await;
        assert!(!test.store.can_be_read().await);
    }
}

//! Looking into the database from outside the server, for commands beside it.

use std::path::Path;

use sqlx::{ConnectOptions as _, SqliteConnection};

use super::StoreError;
use super::open::{DATABASE_FILE, options};

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

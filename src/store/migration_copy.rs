//! The copy of the database that is made before a migration touches existing data: one is kept, that of the last such migration.

use std::fs::File;
use std::io;
use std::path::Path;

use sqlx::SqliteConnection;

use super::StoreError;
use super::open::{DATABASE_FILE, LOG_FILE, TEMPORARY_DIRECTORY, create_private};
use crate::observe::Disk;

/// What the names of copies begin with; the version of their schema follows.
const PREFIX: &str = "pds.sqlite.schema-";

/// Copies the database, whose schema has this version, to `pds.sqlite.schema-<version>` beside it, and removes older copies. The copy is
/// durable when this returns.
///
/// # Errors
/// If there is no room for it or it cannot be written.
pub(super) async fn make(connection: &mut SqliteConnection, directory: &Path, version: i64) -> Result<(), StoreError> {
    let name = format!("{PREFIX}{version}");
    let unfinished = directory.join(TEMPORARY_DIRECTORY).join(&name);
    let failed = |source| StoreError::Directory {
        path: directory.join(&name).display().to_string(),
        source,
    };
    assert_room(file_bytes(directory), Disk::of(directory).map_err(failed)?.free_bytes)?;
    create_private(&unfinished)?;
    tracing::info!(copy = name, "copying the database before it is migrated");
    sqlx::query("VACUUM INTO $1")
        .bind(unfinished.to_string_lossy().into_owned())
        .execute(connection)
        .await?;
    keep(directory, &unfinished, &name).map_err(failed)
}

fn file_bytes(directory: &Path) -> u64 {
    let bytes = |name| std::fs::metadata(directory.join(name)).map_or(0, |file| file.len());
    bytes(DATABASE_FILE) + bytes(LOG_FILE)
}

/// The copy is no larger than the database with its log, and the migration needs some room, too.
fn assert_room(database_bytes: u64, free_bytes: u64) -> Result<(), StoreError> {
    let needed_mib = (database_bytes / 5 * 6).div_ceil(1 << 20);
    let free_mib = free_bytes >> 20;
    if free_mib < needed_mib {
        return Err(StoreError::NoRoomForCopy { free_mib, needed_mib });
    }
    Ok(())
}

fn keep(directory: &Path, unfinished: &Path, name: &str) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    std::fs::rename(unfinished, directory.join(name))?;
    File::open(directory)?.sync_all()?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let other = entry.file_name();
        if other != *name && other.to_string_lossy().starts_with(PREFIX) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_needs_a_fifth_more_room_than_the_database() {
        assert!(assert_room(100 << 20, 120 << 20).is_ok());
        let refused = assert_room(100 << 20, 119 << 20).map_err(|error| error.to_string());
        assert!(refused.is_err_and(|said| said.contains("119 MiB") && said.contains("PDS_COPY_BEFORE_MIGRATION")));
    }
}

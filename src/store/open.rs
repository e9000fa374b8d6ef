//! Opening a data directory.

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::group::GroupConnection;
use super::lock::DirectoryLock;
use super::look_up::LookUps;
use super::snapshot::Snapshots;
use super::writer::Connections;
use super::{BeforeMigration, Checkpoints, Database, StoreError, StoreSettings, migration_copy, migrations};

/// Name of the database in the data directory.
pub(super) const DATABASE_FILE: &str = "pds.sqlite";
/// Its write-ahead log.
pub(super) const LOG_FILE: &str = "pds.sqlite-wal";
/// Directory for temporary files in the data directory, emptied at start.
pub(super) const TEMPORARY_DIRECTORY: &str = "tmp";
/// What the reference server leaves in its data directory.
const REFERENCE_FILES: [&str; 3] = ["account.sqlite", "sequencer.sqlite", "actors"];
/// The first release without a corruption bug of the write-ahead log.
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];
/// Connections for reads, opened when needed; each is a thread and up to `READER_CACHE_KIB` of memory. Exports and cold trees may hold four
/// for longer, the others are for quick look-ups.
const READERS: u32 = 8;
const READER_CACHE_KIB: u32 = 2_048;
pub(super) const WRITER_CACHE_KIB: u32 = 16_384;
/// Pages of the write-ahead log after which the writer checkpoints: 16 MiB, so that a burst is not slowed by it.
const CHECKPOINT_PAGES: u32 = 4_096;
/// What a large log is cut back to after a checkpoint.
pub(super) const LOG_SIZE_LIMIT_BYTES: u32 = 64 << 20;
/// Prepared statements kept per connection.
const STATEMENT_CACHE: usize = 256;
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn open(settings: &StoreSettings) -> Result<Database, StoreError> {
    let directory = &settings.data_directory;
    refuse_reference_directory(directory)?;
    prepare(directory)?;
    let lock = DirectoryLock::acquire(directory)?;
    empty_temporary_directory(directory)?;

    let path = directory.join(DATABASE_FILE);
    create_private(&path)?;
    let checkpoint_pages = match settings.checkpoints {
        Checkpoints::Ours => CHECKPOINT_PAGES,
        Checkpoints::Others => 0,
    };
    let mut changes = SqliteConnection::connect_with(&changes_options(&path, checkpoint_pages)).await?;
    assert_version(&mut changes).await?;
    migrate(&mut changes, settings).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A ping before each use would double the hops of a one-query read.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(
            options(&path)
                .read_only(true)
                .pragma("cache_size", format!("-{READER_CACHE_KIB}")),
        )
        .await?;
    Ok(Database {
        readers,
        look_ups: LookUps::open(&path)?,
        snapshots: Snapshots::of(&path),
        writer: Connections {
            groups: GroupConnection::open(&path, checkpoint_pages)?,
            changes,
        },
        lock,
        data_directory: directory.clone(),
        checkpoints: settings.checkpoints,
    })
}

async fn migrate(connection: &mut SqliteConnection, settings: &StoreSettings) -> Result<(), StoreError> {
    let applied = migrations::applied(connection).await?;
    let due = migrations::due(&applied);
    if let Some(version) = applied.last()
        && settings.before_migration == BeforeMigration::Copy
        && due.iter().any(|migration| migration.touches_data())
    {
        migration_copy::make(connection, &settings.data_directory, *version).await?;
    }
    migrations::run(connection, &due).await
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(STATEMENT_CACHE)
}

fn changes_options(path: &Path, checkpoint_pages: u32) -> SqliteConnectOptions {
    options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", format!("-{READER_CACHE_KIB}"))
        .pragma("wal_autocheckpoint", checkpoint_pages.to_string())
        .pragma("journal_size_limit", LOG_SIZE_LIMIT_BYTES.to_string())
        .thread_name(|_| "pds-changes".to_owned())
}

fn refuse_reference_directory(directory: &Path) -> Result<(), StoreError> {
    if directory.join(DATABASE_FILE).exists() {
        return Ok(());
    }
    match REFERENCE_FILES.iter().find(|name| directory.join(name).exists()) {
        None => Ok(()),
        Some(found) => Err(StoreError::ReferenceDirectory {
            path: directory.display().to_string(),
            found: (*found).to_owned(),
        }),
    }
}

/// Makes a directory, for nobody else to read, unless it is there.
fn prepare(directory: &Path) -> Result<(), StoreError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| StoreError::Directory {
            path: directory.display().to_string(),
            source,
        })
}

/// Makes the file of a new database, for nobody else to read: password hashes and addresses are in it. SQLite gives the same permissions to
/// the files that it puts beside it.
pub(super) fn create_private(database: &Path) -> Result<(), StoreError> {
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(database)
        .map(drop)
        .map_err(|source| StoreError::Directory {
            path: database.display().to_string(),
            source,
        })
}

fn empty_temporary_directory(directory: &Path) -> Result<(), StoreError> {
    let temporary = directory.join(TEMPORARY_DIRECTORY);
    if temporary.exists() {
        std::fs::remove_dir_all(&temporary).map_err(|source| StoreError::Directory {
            path: temporary.display().to_string(),
            source,
        })?;
    }
    prepare(&temporary)
}

async fn assert_version(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found: String = sqlx::query("SELECT sqlite_version()")
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    let numbers: Vec<u32> = found.split('.').filter_map(|part| part.parse().ok()).collect();
    if numbers.as_slice() < OLDEST_SQLITE.as_slice() {
        return Err(StoreError::OldSqlite { found });
    }
    Ok(())
}

//! Where the server keeps its data.

use std::path::PathBuf;

use super::reader::Reader;
use super::setting::Setting;
use crate::store::{BeforeMigration, Checkpoints};

/// Where the reference server keeps what is in our one database: accepted, checked by nobody, without effect.
const WITHOUT_EFFECT: [&str; 5] = [
    "PDS_ACCOUNT_DB_LOCATION",
    "PDS_SEQUENCER_DB_LOCATION",
    "PDS_DID_CACHE_DB_LOCATION",
    "PDS_ACTOR_STORE_DIRECTORY",
    "PDS_ACTOR_STORE_CACHE_SIZE",
];

const ONE_DATABASE: &str = "Everything is in `pds.sqlite` in the data directory.";

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "PDS_DATA_DIRECTORY",
        "Directory of the database, and of blobs and temporary files.",
    )
    .or("."),
    Setting::new(
        "PDS_REPO_CACHE_BYTES",
        "Memory for the trees of recently used repos, in bytes.",
    )
    .or("67108864"),
    Setting::new(
        "PDS_SQLITE_DISABLE_WAL_AUTO_CHECKPOINT",
        "Leave checkpoints of the database to a replication tool such as Litestream.",
    )
    .or("false"),
    Setting::new(
        "PDS_COPY_BEFORE_MIGRATION",
        "Copy the database, beside itself, before a new version changes what is in it.",
    )
    .or("true"),
    Setting::new(WITHOUT_EFFECT[0], ONE_DATABASE).without_effect(),
    Setting::new(WITHOUT_EFFECT[1], ONE_DATABASE).without_effect(),
    Setting::new(WITHOUT_EFFECT[2], ONE_DATABASE).without_effect(),
    Setting::new(WITHOUT_EFFECT[3], ONE_DATABASE).without_effect(),
    Setting::new(
        WITHOUT_EFFECT[4],
        "There is no database per account; see `PDS_REPO_CACHE_BYTES`.",
    )
    .without_effect(),
];

/// Where the server keeps its data.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// `PDS_DATA_DIRECTORY`: directory of the database, and of blobs and temporary files.
    pub data_directory: PathBuf,
    /// `PDS_REPO_CACHE_BYTES`: memory for the trees of recently used repos.
    pub repo_cache_bytes: u64,
    /// `PDS_SQLITE_DISABLE_WAL_AUTO_CHECKPOINT`: who makes checkpoints of the database.
    pub checkpoints: Checkpoints,
    /// `PDS_COPY_BEFORE_MIGRATION`: whether migrations that touch existing data leave a copy.
    pub before_migration: BeforeMigration,
}

impl StorageConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let data_directory = PathBuf::from(reader.text("PDS_DATA_DIRECTORY").unwrap_or_default());
        let repo_cache_bytes = reader.number("PDS_REPO_CACHE_BYTES");
        let checkpoints = if reader.flag("PDS_SQLITE_DISABLE_WAL_AUTO_CHECKPOINT") {
            Checkpoints::Others
        } else {
            Checkpoints::Ours
        };
        let before_migration = if reader.flag("PDS_COPY_BEFORE_MIGRATION") {
            BeforeMigration::Copy
        } else {
            BeforeMigration::Nothing
        };
        for name in WITHOUT_EFFECT {
            if reader.text(name).is_some() {
                reader.warn(format!(
                    "{name} has no effect: everything is in one database in PDS_DATA_DIRECTORY"
                ));
            }
        }
        Self {
            data_directory,
            repo_cache_bytes,
            checkpoints,
            before_migration,
        }
    }
}

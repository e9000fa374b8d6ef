//! The schema's history, run forward at start.

use std::collections::BTreeSet;

use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::StoreError;

pub(super) struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

impl Migration {
    /// Whether it does more than make new tables and indexes.
    pub(super) fn touches_data(&self) -> bool {
        let without_comment = |line: &'static str| line.split_once("--").map_or(line, |(statement, _)| statement);
        let without_comments: Vec<&str> = self.sql.lines().map(without_comment).collect();
        let statements = without_comments.join("\n");
        let mut statements = statements
            .split(';')
            .map(str::trim)
            .filter(|statement| !statement.is_empty());
        statements.any(|statement| statement.split_whitespace().next() != Some("CREATE"))
    }
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "init",
        sql: include_str!("../../migrations/sqlite/0001_init.sql"),
    },
    Migration {
        version: 2,
        name: "blobs",
        sql: include_str!("../../migrations/sqlite/0002_blobs.sql"),
    },
    Migration {
        version: 3,
        name: "sync",
        sql: include_str!("../../migrations/sqlite/0003_sync.sql"),
    },
    Migration {
        version: 4,
        name: "credentials",
        sql: include_str!("../../migrations/sqlite/0004_credentials.sql"),
    },
    Migration {
        version: 5,
        name: "account_life",
        sql: include_str!("../../migrations/sqlite/0005_account_life.sql"),
    },
    Migration {
        version: 7,
        name: "subject_link",
        sql: include_str!("../../migrations/sqlite/0007_subject_link.sql"),
    },
    Migration {
        version: 8,
        name: "reserved_keys",
        sql: include_str!("../../migrations/sqlite/0008_reserved_keys.sql"),
    },
    Migration {
        version: 9,
        name: "preferences",
        sql: include_str!("../../migrations/sqlite/0009_preferences.sql"),
    },
    Migration {
        version: 13,
        name: "reserved_handles",
        sql: include_str!("../../migrations/sqlite/0013_reserved_handles.sql"),
    },
    Migration {
        version: 14,
        name: "repo_skeleton",
        sql: include_str!("../../migrations/sqlite/0014_repo_skeleton.sql"),
    },
    Migration {
        version: 16,
        name: "code_letters",
        sql: include_str!("../../migrations/sqlite/0016_code_letters.sql"),
    },
    Migration {
        version: 17,
        name: "held_handle",
        sql: include_str!("../../migrations/sqlite/0017_held_handle.sql"),
    },
    Migration {
        version: 18,
        name: "crawl_request",
        sql: include_str!("../../migrations/sqlite/0018_crawl_request.sql"),
    },
    Migration {
        version: 23,
        name: "remembered_setting",
        sql: include_str!("../../migrations/sqlite/0023_remembered_setting.sql"),
    },
    Migration {
        version: 26,
        name: "left_handle",
        sql: include_str!("../../migrations/sqlite/0026_left_handle.sql"),
    },
    Migration {
        version: 30,
        name: "blob_uploader",
        sql: include_str!("../../migrations/sqlite/0030_blob_uploader.sql"),
    },
];

/// Whether the schema is older than this binary's.
pub(super) async fn are_due(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM schema_migration")
        .fetch_one(connection)
        .await?;
    Ok(usize::try_from(row.try_get::<i64, _>(0)?).is_ok_and(|applied| applied < MIGRATIONS.len()))
}

/// The versions of the migrations that the database has seen.
///
/// # Errors
/// If one is newer than this binary's, or the database cannot be read.
pub(super) async fn applied(connection: &mut SqliteConnection) -> Result<BTreeSet<i64>, StoreError> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_migration (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL)",
    )
    .execute(&mut *connection)
    .await?;
    let rows = sqlx::query("SELECT version FROM schema_migration")
        .fetch_all(&mut *connection)
        .await?;
    let applied = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<BTreeSet<i64>, _>>()?;
    let found = applied.last().copied().unwrap_or(0);
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    Ok(applied)
}

/// The migrations that are not applied. Not just the newer ones: a number may have been given out before one below it was ready.
pub(super) fn due(applied: &BTreeSet<i64>) -> Vec<&'static Migration> {
    let due = MIGRATIONS
        .iter()
        .filter(|migration| !applied.contains(&migration.version));
    due.collect()
}

/// Brings the schema up to this binary's version.
pub(super) async fn run(connection: &mut SqliteConnection, due: &[&Migration]) -> Result<(), StoreError> {
    for migration in due {
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(migration.sql).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO schema_migration (version, name) VALUES ($1, $2)")
            .bind(migration.version)
            .bind(migration.name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        tracing::info!(
            version = migration.version,
            name = migration.name,
            "migrated the database"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_that_touch_data_are_told_from_those_that_add_tables() {
        let touching = MIGRATIONS.iter().filter(|migration| migration.touches_data());
        let versions: Vec<i64> = touching.map(|migration| migration.version).collect();
        assert!(versions.starts_with(&[1, 3, 5, 16]), "{versions:?}");
        assert!(!versions.contains(&18) && !versions.contains(&23), "{versions:?}");
    }
}

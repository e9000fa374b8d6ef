//! Multi-row statements of a group of commits: few, large calls, because each one is a hop to the connection's thread.

use std::fmt::Write as _;

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{CommitWrite, ImportedRows, RecordRow, SequencedEvent, StoreError, SubjectLinkRow, blob_rows};

/// Rows per statement. Few distinct sizes keep the cache of prepared statements small.
const SIZES: [usize; 4] = [64, 16, 4, 1];

pub(super) type Query = sqlx::query::Query<'static, super::Db, SqliteArguments>;

/// A statement that repeats a group of placeholders once per row.
pub(super) struct Bulk {
    pub(super) before: &'static str,
    /// One row with `?` for each value, written as numbered parameters.
    pub(super) row: &'static str,
    pub(super) after: &'static str,
}

const EVENTS: Bulk = Bulk {
    before: "INSERT INTO event (seq, account_id, previous, time, frame) VALUES ",
    row: "(?, ?, (SELECT last_event FROM repo WHERE repo_id = ?), ?, ?)",
    after: "",
};

const HEADS: Bulk = Bulk {
    before: "INSERT INTO repo (repo_id, commit_cid, rev, commit_data, last_event) VALUES ",
    row: "(?, ?, ?, ?, ?)",
    after: " ON CONFLICT (repo_id) DO UPDATE SET commit_cid = excluded.commit_cid, rev = excluded.rev, \
            commit_data = excluded.commit_data, last_event = coalesce(excluded.last_event, repo.last_event)",
};

const PUTS: Bulk = Bulk {
    before: "INSERT INTO record (repo_id, path, cid, rev, content) VALUES ",
    row: "(?, ?, ?, ?, ?)",
    after: " ON CONFLICT (repo_id, path) DO UPDATE SET cid = excluded.cid, rev = excluded.rev, content = excluded.content",
};

const DELETES: Bulk = Bulk {
    before: "DELETE FROM record WHERE ",
    row: "(repo_id = ? AND path = ?)",
    after: "",
};

const COLLECTIONS_BEGUN: Bulk = Bulk {
    before: "INSERT INTO repo_collection (collection, repo_id) VALUES ",
    row: "(?, ?)",
    after: " ON CONFLICT (collection, repo_id) DO NOTHING",
};

const COLLECTIONS_ENDED: Bulk = Bulk {
    before: "DELETE FROM repo_collection WHERE ",
    row: "(collection = ? AND repo_id = ?)",
    after: "",
};

const SUBJECT_LINKS_ADDED: Bulk = Bulk {
    before: "INSERT INTO subject_link (repo_id, link, path) VALUES ",
    row: "(?, ?, ?)",
    after: " ON CONFLICT (repo_id, link, path) DO NOTHING",
};

const SUBJECT_LINKS_REMOVED: Bulk = Bulk {
    before: "DELETE FROM subject_link WHERE ",
    row: "(repo_id = ? AND link = ? AND path = ?)",
    after: "",
};

/// Writes rows of a repo that no account refers to yet.
pub(super) async fn write_imported(
    connection: &mut SqliteConnection,
    repo_id: i64,
    rev: i64,
    rows: &ImportedRows,
) -> Result<(), StoreError> {
    let begun: Vec<_> = rows
        .collections_begun
        .iter()
        .map(|name| (name.as_str(), repo_id))
        .collect();
    COLLECTIONS_BEGUN.run(connection, &begun, bind_collection).await?;
    let links: Vec<_> = rows.subject_links.iter().map(|row| (repo_id, row)).collect();
    SUBJECT_LINKS_ADDED.run(connection, &links, bind_subject_link).await?;
    blob_rows::write_imported(connection, repo_id, &rows.blob_refs).await?;
    PUTS.run(connection, &rows.records, |query, put| {
        bind_put(query, repo_id, rev, put)
    })
    .await?;
    Ok(())
}

/// Writes the rows of all commits of a group. Each commit comes with its event, if it has one.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    commits: &[(&CommitWrite, Option<&SequencedEvent>)],
) -> Result<(), StoreError> {
    let events: Vec<_> = commits
        .iter()
        .filter_map(|(commit, event)| event.map(|event| (*commit, event)))
        .collect();
    let puts: Vec<_> = commits
        .iter()
        .flat_map(|(commit, _)| commit.puts.iter().map(move |put| (*commit, put)))
        .collect();
    let deletes: Vec<_> = commits
        .iter()
        .flat_map(|(commit, _)| commit.deletes.iter().map(move |path| (commit.repo_id, path)))
        .collect();

    // Events first: each reads its predecessor from the repo's row.
    EVENTS
        .run(connection, &events, |query, (commit, event)| {
            query
                .bind(event.seq)
                .bind(commit.account_id)
                .bind(commit.repo_id)
                .bind(event.time)
                .bind(event.frame.to_vec())
        })
        .await?;
    HEADS
        .run(connection, commits, |query, (commit, event)| {
            query
                .bind(commit.repo_id)
                .bind(commit.commit_cid.as_bytes().to_vec())
                .bind(commit.rev)
                .bind(commit.commit.clone())
                .bind(event.map(|event| event.seq))
        })
        .await?;
    DELETES
        .run(connection, &deletes, |query, (repo_id, path)| {
            query.bind(*repo_id).bind((*path).clone())
        })
        .await?;
    let begun = collections(commits, |commit| &commit.collections_begun);
    COLLECTIONS_BEGUN.run(connection, &begun, bind_collection).await?;
    let ended = collections(commits, |commit| &commit.collections_ended);
    COLLECTIONS_ENDED.run(connection, &ended, bind_collection).await?;
    let removed = subject_links(commits, |commit| &commit.subject_links.removed);
    SUBJECT_LINKS_REMOVED
        .run(connection, &removed, bind_subject_link)
        .await?;
    let added = subject_links(commits, |commit| &commit.subject_links.added);
    SUBJECT_LINKS_ADDED.run(connection, &added, bind_subject_link).await?;
    PUTS.run(connection, &puts, |query, (commit, put)| {
        bind_put(query, commit.repo_id, commit.rev, put)
    })
    .await?;
    blob_rows::write(connection, commits).await
}

/// The subject links that each commit names, with its repo; mostly none.
fn subject_links<'c>(
    commits: &[(&'c CommitWrite, Option<&SequencedEvent>)],
    named: impl Fn(&'c CommitWrite) -> &'c Vec<SubjectLinkRow>,
) -> Vec<(i64, &'c SubjectLinkRow)> {
    commits
        .iter()
        .flat_map(|(commit, _)| named(commit).iter().map(|row| (commit.repo_id, row)))
        .collect()
}

fn bind_subject_link(query: Query, (repo_id, row): &(i64, &SubjectLinkRow)) -> Query {
    query.bind(*repo_id).bind(row.link.clone()).bind(row.path.clone())
}

fn bind_put(query: Query, repo_id: i64, rev: i64, put: &RecordRow) -> Query {
    query
        .bind(repo_id)
        .bind(put.path.clone())
        .bind(put.cid.as_bytes().to_vec())
        .bind(rev)
        .bind(put.content.clone())
}

/// The collections that each commit names, with its repo; mostly none.
fn collections<'c>(
    commits: &[(&'c CommitWrite, Option<&SequencedEvent>)],
    named: impl Fn(&'c CommitWrite) -> &'c Vec<String>,
) -> Vec<(&'c str, i64)> {
    commits
        .iter()
        .flat_map(|(commit, _)| named(commit).iter().map(|name| (name.as_str(), commit.repo_id)))
        .collect()
}

fn bind_collection(query: Query, (collection, repo_id): &(&str, i64)) -> Query {
    query.bind((*collection).to_owned()).bind(*repo_id)
}

impl Bulk {
    /// Returns the number of rows affected.
    pub(super) async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        mut rows: &[T],
        bind: impl Fn(Query, &T) -> Query,
    ) -> Result<u64, StoreError> {
        let mut affected = 0;
        for size in SIZES {
            while rows.len() >= size {
                let (now, later) = rows.split_at(size);
                let query = sqlx::query(AssertSqlSafe(self.sql(size)));
                affected += now
                    .iter()
                    .fold(query, &bind)
                    .execute(&mut *connection)
                    .await?
                    .rows_affected();
                rows = later;
            }
        }
        Ok(affected)
    }

    /// What stands between rows: values are listed; conditions are alternatives, each of which SQLite looks up in the index, while it
    /// would scan the table for a list of row values.
    fn separator(&self) -> &'static str {
        if self.before.starts_with("INSERT") {
            ", "
        } else {
            " OR "
        }
    }

    /// The statement for a number of rows, with parameters numbered through.
    fn sql(&self, rows: usize) -> String {
        let mut sql = String::with_capacity(self.before.len() + self.after.len() + rows * (self.row.len() + 16));
        let mut parameter = 0;
        sql.push_str(self.before);
        for row in 0..rows {
            sql.push_str(if row == 0 { "" } else { self.separator() });
            for character in self.row.chars() {
                if character == '?' {
                    parameter += 1;
                    // Writing to a String cannot fail.
                    let _ = write!(sql, "${parameter}");
                } else {
                    sql.push(character);
                }
            }
        }
        sql.push_str(self.after);
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestStore;

    const ALL: [&Bulk; 12] = [
        &EVENTS,
        &HEADS,
        &PUTS,
        &DELETES,
        &COLLECTIONS_BEGUN,
        &COLLECTIONS_ENDED,
        &SUBJECT_LINKS_ADDED,
        &SUBJECT_LINKS_REMOVED,
        &blob_rows::BLOB_REFS_ADDED,
        &blob_rows::BLOB_REFS_REMOVED,
        &blob_rows::BLOBS_KEPT,
        &blob_rows::BLOBS_RELEASED,
    ];

    #[test]
    fn parameters_are_numbered_through_all_rows() {
        let deletes = "DELETE FROM record WHERE (repo_id = $1 AND path = $2) OR (repo_id = $3 AND path = $4)";
        assert_eq!(DELETES.sql(2), deletes);
        let begun = "INSERT INTO repo_collection (collection, repo_id) VALUES ($1, $2), ($3, $4) \
                     ON CONFLICT (collection, repo_id) DO NOTHING";
        assert_eq!(COLLECTIONS_BEGUN.sql(2), begun);
    }

    #[tokio::test]
    async fn no_statement_scans_a_table() {
        let store = TestStore::open().await;
        for bulk in ALL {
            for size in SIZES {
                store.assert_scans_no_table(&bulk.sql(size)).await;
            }
        }
    }
}

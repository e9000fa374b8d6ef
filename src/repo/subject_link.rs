//! One follow, block, like or repost per subject: a new one takes the place of an older one, as in the reference.

use atproto_data::{AtUri, Did, Map, Value, cbor};
use atproto_repo::frame::MAX_COMMIT_OPERATIONS;
use futures_util::TryStreamExt as _;
use sqlx::{Row as _, SqliteConnection};

use super::{RecordSwap, RecordWrite, RepoError, Repos, WriteAction};
use crate::store::SubjectLinkRow;

/// What such a record says: its collection and subject. Empty subjects and those that are none are not linked.
pub(super) fn subject_link(collection: &str, record: &Map) -> Option<String> {
    let subject = match collection {
        "app.bsky.graph.follow" | "app.bsky.graph.block" => {
            record.get("subject")?.as_str().filter(|did| did.parse::<Did>().is_ok())
        }
        "app.bsky.feed.like" | "app.bsky.feed.repost" => {
            let subject = record.get("subject")?.as_map()?.get("uri")?;
            subject.as_str().filter(|uri| uri.parse::<AtUri>().is_ok())
        }
        _ => None,
    }?;
    Some(format!("{collection} {subject}"))
}

/// The paths that were linked, and those of them where a record still says so.
#[derive(Debug, Default)]
struct Linked {
    /// Every path that has a row.
    rows: Vec<String>,
    /// Paths of records with this link.
    records: Vec<String>,
}

/// Up to `most` of what a repo has under a link. The caller holds the repo's lock.
async fn linked(connection: &mut SqliteConnection, repo_id: i64, link: &str, most: usize) -> Result<Linked, RepoError> {
    let mut rows = sqlx::query(
        "SELECT l.path, r.content FROM subject_link l \
         LEFT JOIN record r ON r.repo_id = l.repo_id AND r.path = l.path WHERE l.repo_id = $1 AND l.link = $2 LIMIT $3",
    )
    .bind(repo_id)
    .bind(link)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch(connection);
    let mut linked = Linked::default();
    while let Some(row) = rows.try_next().await? {
        let path: String = row.try_get(0)?;
        let content: Option<&[u8]> = row.try_get(1)?;
        if content.is_some_and(|content| link_of(&path, content).as_deref() == Some(link)) {
            linked.records.push(path.clone());
        }
        linked.rows.push(path);
    }
    Ok(linked)
}

/// The link of a stored record.
pub(super) fn link_of(path: &str, content: &[u8]) -> Option<String> {
    let (collection, _) = path.split_once('/')?;
    match cbor::decode(content).ok()? {
        Value::Map(record) => subject_link(collection, &record),
        _ => None,
    }
}

impl Repos {
    /// Adds the deletions that unique creates entail, before them, as far as one commit may have them (an imported repo can have any number
    /// of duplicates; the next writes remove the rest), and tells what becomes of the rows. The caller holds the repo's lock.
    pub(super) async fn make_unique(
        &self,
        repo_id: i64,
        writes: &mut Vec<RecordWrite>,
    ) -> Result<Vec<SubjectLinkRow>, RepoError> {
        let links: Vec<String> = writes
            .iter()
            .filter_map(|write| match &write.action {
                WriteAction::CreateUnique(record) => record.link.clone(),
                _ => None,
            })
            .collect();
        let mut removed = Vec::new();
        for link in links {
            let most = MAX_COMMIT_OPERATIONS.saturating_sub(writes.len());
            let linked = linked(&mut *self.0.store.read().await?, repo_id, &link, most).await?;
            writes.splice(0..0, linked.records.iter().filter_map(|path| deletion(path)));
            removed.extend(linked.rows.into_iter().map(|path| SubjectLinkRow {
                link: link.clone(),
                path,
            }));
        }
        Ok(removed)
    }
}

fn deletion(path: &str) -> Option<RecordWrite> {
    let (collection, rkey) = path.split_once('/')?;
    Some(RecordWrite {
        collection: collection.parse().ok()?,
        rkey: rkey.parse().ok()?,
        action: WriteAction::DeleteIfPresent { swap: RecordSwap::Any },
    })
}

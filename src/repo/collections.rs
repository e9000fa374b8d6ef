//! In which repos a collection has records (`com.atproto.sync.listReposByCollection`).
//!
//! A table of its own knows it. A commit writes there only if it makes the first record of a collection in its repo or removes the
//! last one; the trees before and after tell, so that other commits pay nothing.

use std::collections::BTreeMap;

use atproto_data::Nsid;
use atproto_repo::mst::{NotLoaded, Tree};
use sqlx::Row as _;

use super::{RepoError, Repos};

/// A repo that has records of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionRepo {
    /// Place in the listing; the cursor is the last one's.
    pub repo_id: i64,
    /// Whose.
    pub did: String,
}

impl Repos {
    /// The repos of active accounts with records of a collection, behind a place in the listing.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list_by_collection(
        &self,
        collection: &Nsid,
        after: i64,
        limit: u32,
    ) -> Result<Vec<CollectionRepo>, RepoError> {
        let rows = sqlx::query(
            "SELECT c.repo_id, a.did FROM repo_collection c JOIN account a ON a.repo_id = c.repo_id \
             WHERE c.collection = $1 AND c.repo_id > $2 AND a.deactivated_at IS NULL AND a.takedown_ref IS NULL \
             ORDER BY c.repo_id LIMIT $3",
        )
        .bind(collection.as_str())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.0.store.read().await?)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(CollectionRepo {
                    repo_id: row.try_get(0)?,
                    did: row.try_get(1)?,
                })
            })
            .collect()
    }
}

/// The collections of some paths, none of which is in a tree, that have no record in it.
pub(super) fn absent<'p>(tree: &Tree, paths: impl Iterator<Item = &'p str>) -> Result<Vec<String>, NotLoaded> {
    let collections: BTreeMap<&str, &str> = paths.map(|path| (collection_of(path), path)).collect();
    let mut absent = Vec::new();
    for (collection, path) in collections {
        if !has_neighbour(tree, path, collection)? {
            absent.push(collection.to_owned());
        }
    }
    Ok(absent)
}

fn collection_of(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// Whether a record next to a path is of its collection. The records of a collection are all next to each other, so if none is
/// there, there is none at all.
fn has_neighbour(tree: &Tree, path: &str, collection: &str) -> Result<bool, NotLoaded> {
    let (before, behind) = tree.nearest(path.as_bytes())?;
    let is_of_collection = |key: &[u8]| {
        key.strip_prefix(collection.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"/"))
    };
    Ok([before, behind].iter().flatten().any(|key| is_of_collection(key)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use crate::repo::testing::{TestRepos, create, delete, put};

    #[tokio::test]
    async fn repos_are_listed_by_the_collections_they_have_records_of() {
        let test = TestRepos::open().await;
        let (alice, bob) = (test.account('a').await, test.account('b').await);
        let listed = async |collection: &str| {
            let found = test
                .repos
                .list_by_collection(&collection.parse().unwrap(), 0, 10)
                .await
                .unwrap();
            found.into_iter().map(|repo| repo.repo_id).collect::<Vec<_>>()
        };
        test.write(
            &alice,
            vec![create("com.example.a/1", 1), create("com.example.ab/1", 1)],
        )
        .await
        .unwrap();
        test.write(&bob, vec![create("com.example.a/1", 1), create("com.example.a/2", 1)])
            .await
            .unwrap();
        assert_eq!(listed("com.example.a").await, [alice.repo_id, bob.repo_id]);
        assert_eq!(listed("com.example.ab").await, [alice.repo_id]);
        assert_eq!(
            test.repos.collections(alice.repo_id).await.unwrap(),
            ["com.example.a", "com.example.ab"]
        );

        test.write(&bob, vec![delete("com.example.a/1")]).await.unwrap();
        test.write(&alice, vec![delete("com.example.a/1"), put("com.example.a/3", 1)])
            .await
            .unwrap();
        assert_eq!(listed("com.example.a").await, [alice.repo_id, bob.repo_id]);
        test.write(&bob, vec![delete("com.example.a/2")]).await.unwrap();
        assert_eq!(listed("com.example.a").await, [alice.repo_id]);

        let page = test
            .repos
            .list_by_collection(&"com.example.a".parse().unwrap(), alice.repo_id, 10)
            .await
            .unwrap();
        assert_eq!(page, []);
    }
}

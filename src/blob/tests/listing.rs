//! Listing the blobs of a repo that has very many.

use atproto_data::Tid;

use super::*;

/// More than two calls look at.
const REFERENCES: usize = 25_000;
/// The rev of all records but the last.
const OLD: u64 = 1_000;

impl Test {
    /// Alice's repo has this many records, each with a blob whose CID is made of its number, or with the same blob, of number 0.
    async fn fill(&self, distinct: bool) {
        let number = if distinct { "i" } else { "0" };
        self.execute(format!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {REFERENCES} - 1) \
             INSERT INTO blob_ref (repo_id, cid, path) \
             SELECT 1, unhex(printf('01551220%064x', {number})), printf('com.example.a/%05d', i) FROM n; \
             INSERT INTO record (repo_id, path, cid, rev, content) SELECT 1, path, x'', {OLD}, x'' FROM blob_ref; \
             UPDATE record SET rev = rev + 1 WHERE path = 'com.example.a/{}'",
            REFERENCES - 1
        ))
        .await;
    }

    /// How many blobs each page has, to the last one.
    async fn pages(&self, since: Option<u64>, limit: u32) -> Vec<usize> {
        let (mut sizes, mut cursor) = (Vec::new(), None);
        loop {
            let page = self
                .blobs
                .list(1, since.map(Tid::from_u64), cursor, limit)
                .await
                .unwrap();
            sizes.push(page.blobs.len());
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return sizes,
            }
        }
    }

    /// Alice has uploaded everything.
    async fn have_all(&self) {
        self.execute(format!(
            "INSERT INTO blob (did, cid, mime_type, size, state, uploaded_at) \
             SELECT DISTINCT '{ALICE}', cid, 'image/png', 1, 'permanent', 0 FROM blob_ref"
        ))
        .await;
    }

    async fn missing(&self, cursor: Option<Cid>) -> BlobPage<MissingBlob> {
        self.blobs.missing(&ALICE.parse().unwrap(), 1, cursor, 3).await.unwrap()
    }
}

#[tokio::test]
async fn no_call_looks_at_more_than_its_part_and_nothing_is_left_out() {
    let test = Test::start().await;
    test.fill(true).await;
    assert_eq!(test.pages(Some(OLD), 10).await, [0, 0, 1, 0]);
    assert_eq!(test.pages(Some(OLD + 1), 10).await, [0, 0, 0]);
    let all = test.pages(None, 4_000).await;
    assert_eq!(all.iter().sum::<usize>(), REFERENCES);
    let old = test.pages(Some(OLD - 1), 999).await;
    assert_eq!(old.iter().sum::<usize>(), REFERENCES);
}

#[tokio::test]
async fn a_blob_of_very_many_records_is_listed_without_a_look_at_all_of_them() {
    let test = Test::start().await;
    test.fill(false).await;
    let zero = Cid::from_bytes(&[&[1, 0x55, 0x12, 0x20][..], &[0; 32]].concat()).unwrap();
    for since in [None, Some(Tid::from_u64(OLD + 1))] {
        let page = test.blobs.list(1, since, None, 10).await.unwrap();
        assert_eq!((page.blobs, page.cursor), (vec![zero], Some(zero)));
    }
    let path = "com.example.a/00000".to_owned();
    assert_eq!(test.missing(None).await.blobs, [MissingBlob { cid: zero, path }]);
    test.have_all().await;
    assert_eq!(test.missing(None).await.blobs, []);
}

#[tokio::test]
async fn what_is_missing_is_found_behind_very_many_that_are_not() {
    let test = Test::start().await;
    test.fill(true).await;
    let first = test.missing(None).await;
    assert_eq!(first.blobs.len(), 3);
    let next = test.missing(first.cursor).await;
    assert_eq!(next.blobs[0].path, "com.example.a/00003");

    test.have_all().await;
    let none = test.missing(None).await;
    assert_eq!((none.blobs.len(), none.cursor), (0, None));
    let last = "com.example.a/24999";
    test.execute(format!(
        "DELETE FROM blob WHERE cid = (SELECT cid FROM blob_ref WHERE path = '{last}')"
    ))
    .await;
    assert_eq!(test.missing(None).await.blobs[0].path, last, "in one call");
}

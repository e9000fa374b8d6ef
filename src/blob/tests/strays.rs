//! Files without rows.

use std::io::Write as _;
use std::time::SystemTime;

use super::*;
use crate::store::BlobUpload;

const DAY: Duration = Duration::from_hours(24);

impl Test {
    /// Alice's upload as a crash leaves it that comes before its row.
    async fn put_without_row(&self, bytes: &[u8]) -> Cid {
        let (alice, cid) = (ALICE.parse().unwrap(), Cid::of_raw(bytes));
        self.blobs.admit(&alice, 4).await.unwrap();
        let mut file = super::super::files::new_upload(self.blobs.0.files.uploads()).unwrap();
        file.write_all(bytes).unwrap();
        let now = Duration::from_micros(self.clock.now_micros().unsigned_abs());
        file.as_file().set_modified(SystemTime::UNIX_EPOCH + now).unwrap();
        self.blobs.0.files.put(&alice, &cid, file).await.unwrap();
        cid
    }

    async fn uploaders(&self) -> i64 {
        self.store.integer("SELECT count(*) FROM blob_uploader").await
    }
}

#[tokio::test]
async fn what_a_crash_left_without_rows_is_removed_a_week_later() {
    let mut test = Test::start().await;
    let half = test.put_without_row(b"half").await;
    assert!(matches!(
        test.commit(&[("a.b.c/1", half)], &[]).await,
        Err(StoreError::BlobGone)
    ));
    let kept = test.upload(ALICE, b"kept").await.unwrap().cid;
    test.commit(&[("a.b.c/1", kept)], &[]).await.unwrap();
    test.clock.advance(7 * DAY);
    assert_eq!(test.blobs.collect().await.unwrap(), 0, "it may be on its way");

    test.start_again();
    let young = test.put_without_row(b"young").await;
    test.start_again();
    test.upload(ALICE, b"now").await.unwrap();
    assert_eq!(test.uploaders().await, 3, "one a run");
    assert_eq!(test.blobs.collect().await.unwrap(), 1, "the older one");
    assert_eq!((test.files(), test.uploaders().await), (3, 3));
    test.clock.advance(7 * DAY);
    assert_eq!(
        test.blobs.collect().await.unwrap(),
        2,
        "the other and the upload that nobody used"
    );
    assert_eq!((test.files(), test.uploaders().await), (1, 1));
    assert_eq!(test.served(ALICE, half).await.or(test.served(ALICE, young).await), None);
    assert_eq!(test.served(ALICE, kept).await, Some(b"kept".to_vec()));
}

#[tokio::test]
async fn an_upload_makes_a_blob_of_what_a_crash_left() {
    let mut test = Test::start().await;
    let half = test.put_without_row(b"half").await;
    test.start_again();
    test.clock.advance(7 * DAY);
    test.upload(ALICE, b"half").await.unwrap();
    test.commit(&[("a.b.c/1", half)], &[]).await.unwrap();
    assert_eq!(test.blobs.collect().await.unwrap(), 0);
    assert_eq!(test.served(ALICE, half).await, Some(b"half".to_vec()));
}

#[tokio::test]
async fn a_directory_that_is_gone_has_no_strays() {
    let mut test = Test::start().await;
    let cid = test.upload(ALICE, b"gone").await.unwrap().cid;
    std::fs::remove_dir_all(test.directory.path().join("blocks")).unwrap();
    test.start_again();
    assert_eq!(test.blobs.collect().await.unwrap(), 0);
    assert_eq!(test.uploaders().await, 0);
    assert_eq!(test.state(ALICE, cid).await, Some(State::Temporary));
}

#[tokio::test]
async fn the_file_of_a_row_that_is_refused_is_taken_back() {
    let test = Test::start().await;
    test.upload(ALICE, b"kept").await.unwrap();
    test.execute("CREATE TRIGGER refuse BEFORE INSERT ON blob BEGIN SELECT RAISE(ABORT, 'no'); END".to_owned())
        .await;
    let refused = test.upload(ALICE, b"refused").await;
    assert!(matches!(refused, Err(UploadError::Store(_))), "{refused:?}");
    assert_eq!(test.files(), 1);
    assert!(matches!(test.upload(ALICE, b"kept").await, Err(UploadError::Store(_))));
    assert_eq!(test.files(), 1, "a blob stays that was uploaded before");
}

#[tokio::test]
async fn what_a_bucket_may_have_is_removed() {
    let test = Test::start().await;
    let upload = BlobUpload {
        did: ALICE.parse().unwrap(),
        cid: Cid::of_raw(b"half"),
        mime_type: "text/plain".to_owned(),
        size: 4,
        at: 0,
    };
    let cid = upload.cid;
    test.store.store.begin_upload(upload).await.unwrap();
    assert!(matches!(
        test.commit(&[("a.b.c/1", cid)], &[]).await,
        Err(StoreError::BlobGone)
    ));
    assert_eq!(test.blobs.collect().await.unwrap(), 1);
    assert_eq!(test.state(ALICE, cid).await, None);
}

//! Settings that must not just change once there are accounts or blobs, and schemas that change with the version.

use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::harness::http_get;
use crate::process::refused_start;
use crate::{Account, Answer, TestApp};

/// An account with a blob that a record refers to.
async fn account_with_a_blob(app: &TestApp) -> Account {
    let alice = app.account("alice").await;
    let request = app
        .api
        .post("com.atproto.repo.uploadBlob")
        .bearer_auth(&alice.access)
        .header("content-type", "text/plain");
    let blob = Answer::to(request.body("a blob")).await.unwrap().ok()["blob"].clone();
    alice.create("com.example.note", "a", &json!({"blob": blob})).await;
    alice
}

async fn database(app: &TestApp, name: &str) -> SqliteConnection {
    let url = format!("sqlite://{}", app.data().join(name).display());
    SqliteConnection::connect(&url).await.unwrap()
}

#[tokio::test]
async fn another_host_name_is_refused_once_there_are_accounts() {
    let mut app = TestApp::start().await;
    app.set("PDS_HOSTNAME", "other.test");
    app.restart().await;
    app.account("alice").await;
    app.stop().await;

    app.set("PDS_HOSTNAME", "third.test");
    let said = refused_start(app.settings()).await;
    assert!(said.contains("1 accounts of this server live on other.test"), "{said}");
    assert!(said.contains("PDS_ALLOW_HOSTNAME_CHANGE"), "{said}");

    app.set("PDS_ALLOW_HOSTNAME_CHANGE", "true");
    app.start_again().await;
    app.set("PDS_ALLOW_HOSTNAME_CHANGE", "false");
    app.restart().await;
}

#[tokio::test]
async fn another_blob_store_is_refused_once_there_are_blobs() {
    let mut app = TestApp::start().await;
    account_with_a_blob(&app).await;
    app.stop().await;
    for (name, value) in [
        ("PDS_BLOBSTORE_DISK_LOCATION", ""),
        ("PDS_BLOBSTORE_S3_BUCKET", "blobs"),
        ("PDS_BLOBSTORE_S3_REGION", "eu-de"),
        ("PDS_BLOBSTORE_S3_ENDPOINT", "http://127.0.0.1:1"),
        ("PDS_BLOBSTORE_S3_FORCE_PATH_STYLE", "true"),
        ("PDS_BLOBSTORE_S3_ACCESS_KEY_ID", "key-id"),
        ("PDS_BLOBSTORE_S3_SECRET_ACCESS_KEY", "secret-key"),
    ] {
        app.set(name, value);
    }
    let said = refused_start(app.settings()).await;
    assert!(
        said.contains("bucket blobs") && said.contains("1 blobs were kept in the directory"),
        "{said}"
    );
    app.set("PDS_ALLOW_BLOB_STORE_CHANGE", "true");
    app.start_again().await;
}

#[tokio::test]
async fn blobs_that_are_elsewhere_are_noted() {
    let mut app = TestApp::start().await;
    account_with_a_blob(&app).await;
    let elsewhere = app.scratch().join("elsewhere");
    app.set("PDS_BLOBSTORE_DISK_LOCATION", elsewhere.to_str().unwrap());
    app.restart().await;
    let url = format!("http://{}/readyz", app.api.address());
    let noted = async {
        loop {
            let (status, body) = http_get(&url).await.unwrap();
            let body: Value = serde_json::from_str(&body).unwrap();
            if body["notes"] == json!(["blobs_missing"]) {
                return (status, body["status"].clone());
            }
        }
    };
    let patience = std::time::Duration::from_secs(40);
    let noted = tokio::time::timeout(patience, noted).await.unwrap();
    assert_eq!(noted, (200, json!("ok")));
}

/// Makes the database of a stopped server one of an older version.
async fn undo_migration(app: &TestApp, statements: [&'static str; 2]) {
    let mut tables = database(app, "pds.sqlite").await;
    for statement in statements {
        sqlx::query(statement).execute(&mut tables).await.unwrap();
    }
    tables.close().await.unwrap();
}

#[tokio::test]
async fn the_database_is_copied_before_a_migration_touches_it() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    let copies = |app: &TestApp| -> Vec<String> {
        let names = std::fs::read_dir(app.data()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".schema-")).collect()
    };
    app.stop().await;
    undo_migration(
        &app,
        [
            "DROP TABLE crawl_request",
            "DELETE FROM schema_migration WHERE version = 18",
        ],
    )
    .await;
    app.start_again().await;
    app.stop().await;
    assert!(copies(&app).is_empty(), "a new table touches nothing");

    std::fs::write(app.data().join("pds.sqlite.schema-5"), b"an older copy").unwrap();
    undo_migration(
        &app,
        [
            "ALTER TABLE email_token DROP COLUMN letters",
            "DELETE FROM schema_migration WHERE version = 16",
        ],
    )
    .await;
    app.start_again().await;
    let copies = copies(&app);
    assert_eq!(copies.len(), 1, "{copies:?}");
    let mut copy = database(&app, &copies[0]).await;
    let row = sqlx::query("SELECT did, (SELECT count(*) FROM schema_migration WHERE version = 16) FROM account");
    let row = row.fetch_one(&mut copy).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (alice.did.as_str(), 0));
}

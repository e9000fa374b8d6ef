//! Blobs from outside: what is taken in, what records may refer to, how it is served (catalogue E).

use std::io::Write as _;
use std::path::{Path, PathBuf};

use atproto_data::Cid;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Body, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::untouched::assert_refused;
use crate::{Account, Answer, TestApp};

const FILE: &str = "com.example.file";
const GET: &str = "com.atproto.sync.getBlob";
const LIST: &str = "com.atproto.sync.listBlobs";
const UPLOAD: &str = "com.atproto.repo.uploadBlob";
/// The start of every PNG, and of a film of MPEG-4.
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0";
const FILM: &[u8] = b"\0\0\0\x18ftypisom\0\0\0\0mp42isom";

fn upload(account: &Account, media_type: &str, bytes: impl Into<Body>) -> RequestBuilder {
    let request = account.api.post(UPLOAD).bearer_auth(&account.access);
    request.header("content-type", media_type).body(bytes)
}

async fn uploaded(account: &Account, media_type: &str, bytes: impl Into<Body>) -> Value {
    Answer::to(upload(account, media_type, bytes)).await.unwrap().ok()["blob"].clone()
}

async fn get(app: &TestApp, did: &str, cid: &str) -> Answer {
    app.api.query(GET, &[("did", did), ("cid", cid)]).await
}

async fn assert_not_found(app: &TestApp, did: &str, cid: &str) {
    let message = get(app, did, cid).await.refused(400, "InvalidRequest");
    assert_eq!(message, "Blob not found", "{cid}");
}

fn cid(blob: &Value) -> &str {
    blob["ref"]["$link"].as_str().unwrap()
}

/// Refers to a blob from a record of its own; returns the answer.
async fn refer(account: &Account, rkey: &str, blob: &Value) -> Answer {
    let input = account.write(FILE, rkey, &json!({"file": blob}));
    account.call("com.atproto.repo.putRecord", &input).await
}

/// Chunks without a length before them.
fn chunked(bytes: usize) -> Body {
    let chunks = std::iter::repeat_n(vec![b'x'; 1_000], bytes / 1_000).chain([vec![b'x'; bytes % 1_000]]);
    Body::wrap_stream(futures_util::stream::iter(chunks.map(Ok::<_, std::io::Error>)))
}

/// All files below the directory of the blobs.
pub(crate) fn files(app: &TestApp) -> Vec<PathBuf> {
    fn below(directory: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] })
            .collect()
    }
    below(&app.data().join("blobs"))
}

#[tokio::test]
async fn what_is_uploaded_is_named_by_its_first_bytes_else_by_its_sender() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let cases: [(&str, &[u8], &str); 9] = [
        ("image/png", PNG, "image/png"),
        ("image/jpeg", PNG, "image/png"),
        ("application/octet-stream", FILM, "video/mp4"),
        ("text/plain; charset=utf-8", b"plain text", "text/plain"),
        ("*/*", b"anything", "*/*"),
        ("application/json", b"{\"a\":1}", "application/json"),
        ("text/html", b"<script>alert(1)</script>", "text/html"),
        ("image/svg+xml", b"<svg onload=\"alert(1)\"/>", "image/svg+xml"),
        ("text/javascript", b"GIF89a=1/*\x3B*/;alert(1)", "image/gif"),
    ];
    for (declared, bytes, expected) in cases {
        let blob = uploaded(&alice, declared, bytes).await;
        let expected = json!({
            "$type": "blob",
            "ref": {"$link": Cid::of_raw(bytes).to_string()},
            "mimeType": expected,
            "size": bytes.len(),
        });
        assert_eq!(blob, expected, "{declared}");
    }
    let empty = uploaded(&alice, "image/png", chunked(0)).await;
    assert_eq!((&empty["mimeType"], &empty["size"]), (&json!("image/png"), &json!(0)));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"plain text").unwrap();
    let packed = upload(&alice, "text/plain", encoder.finish().unwrap()).header("content-encoding", "gzip");
    let blob = Answer::to(packed).await.unwrap().ok();
    assert_eq!(blob["blob"]["ref"]["$link"], Cid::of_raw(b"plain text").to_string());
}

#[tokio::test]
async fn uploads_without_a_type_or_in_an_unknown_encoding_are_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let nobody = app.api.post(UPLOAD).header("content-type", "image/png").body(PNG);
    Answer::to(nobody).await.unwrap().refused(401, "AuthMissing");
    let untyped = alice.api.post(UPLOAD).bearer_auth(&alice.access).body(PNG);
    Answer::to(untyped).await.unwrap().refused(400, "InvalidRequest");
    let long = format!("image/{}", "x".repeat(10_000));
    for media_type in ["png", "image/", "/png", "image/p ng", "text/html\u{e9}", &long] {
        let answer = Answer::to(upload(&alice, media_type, PNG)).await.unwrap();
        assert_refused(&answer, media_type);
    }
    let unknown = upload(&alice, "text/plain", "x").header("content-encoding", "foo");
    Answer::to(unknown).await.unwrap().refused(415, "UnsupportedMediaType");
    assert_eq!(files(&app), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn uploads_stop_at_the_limit_and_leave_nothing() {
    let app = TestApp::start_with(&[("PDS_BLOB_UPLOAD_LIMIT", "1000000")]).await;
    let alice = app.account("alice").await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 100 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let requests = [
        upload(&alice, "text/plain", vec![b'x'; 1_000_001]),
        upload(&alice, "text/plain", chunked(1_000_001)),
        upload(&alice, "text/plain", bomb).header("content-encoding", "gzip"),
    ];
    for request in requests {
        Answer::to(request).await.unwrap().refused(413, "PayloadTooLarge");
    }
    assert_eq!(files(&app), Vec::<PathBuf>::new());
    let blob = uploaded(&alice, "text/plain", chunked(1_000_000)).await;
    assert_eq!(blob["size"], 1_000_000);
    assert_eq!(files(&app).len(), 1);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_none() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let head = format!(
        "POST /xrpc/{UPLOAD} HTTP/1.1\r\nHost: pds.test\r\nAuthorization: Bearer {}\r\nContent-Type: text/plain\r\n\
         Content-Length: 1000000\r\n\r\n",
        alice.access
    );
    let mut connection = TcpStream::connect(app.api.address()).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&vec![b'x'; 600_000]).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(files(&app), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_kill_during_uploads_leaves_nothing_half() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    let kept = uploaded(&alice, "text/plain", "kept").await;
    refer(&alice, "kept", &kept).await.ok();
    let mut connection = TcpStream::connect(app.api.address()).await.unwrap();
    let head = format!(
        "POST /xrpc/{UPLOAD} HTTP/1.1\r\nHost: pds.test\r\nAuthorization: Bearer {}\r\nContent-Type: text/plain\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        alice.access
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"100000\r\n", &vec![b'x'; 0x10_0000][..], b"\r\n"].concat();
    connection.write_all(&chunk).await.unwrap();
    // What was sent is read by now, or will never be.
    app.api.query("_health", &[]).await.ok();
    app.kill();
    app.start_again().await;
    assert_eq!(files(&app).len(), 1);
    assert_eq!(get(&app, alice.did.as_str(), cid(&kept)).await.bytes(), b"kept");
}

#[tokio::test]
async fn blobs_are_served_as_files_that_no_browser_runs() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let cases: [(&str, &[u8], &str); 5] = [
        ("text/html", b"<script>alert(1)</script>", "text/html"),
        ("image/svg+xml", b"<svg onload=\"alert(1)\"/>", "image/svg+xml"),
        ("text/javascript", b"alert(1)", "text/javascript"),
        ("application/octet-stream", b"%PDF-1.7 /JavaScript", "application/pdf"),
        ("*/*", b"whatever", "application/octet-stream"),
    ];
    for (rkey, (declared, bytes, expected)) in cases.into_iter().enumerate() {
        let blob = uploaded(&alice, declared, bytes).await;
        refer(&alice, &format!("r{rkey}"), &blob).await.ok();
        let answer = get(&app, alice.did.as_str(), cid(&blob)).await;
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("content-type"), Some(expected));
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        assert_eq!(header("content-security-policy"), Some("default-src 'none'; sandbox"));
        let disposition = format!("attachment; filename=\"{}\"", cid(&blob));
        assert_eq!(header("content-disposition"), Some(disposition.as_str()));
        assert_eq!(header("content-length"), Some(bytes.len().to_string().as_str()));
        assert_eq!(header("cache-control"), Some("private"));
        assert_eq!(header("vary"), Some("Authorization"));
        assert_eq!(answer.bytes(), bytes);
    }
}

#[tokio::test]
async fn a_part_of_a_blob_is_served_and_nothing_twice() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let blob = uploaded(&alice, "application/octet-stream", bytes.clone()).await;
    refer(&alice, "large", &blob).await.ok();
    let request = |name: &str, value: &str| {
        let request = app.api.get(GET, &[("did", alice.did.as_str()), ("cid", cid(&blob))]);
        Answer::to(request.header(name, value))
    };
    let many = format!("bytes={}", "0-0,".repeat(1_000));
    let whole = 0..bytes.len();
    for (range, status, expected) in [
        ("bytes=0-0", 206, 0..1),
        ("bytes=100000-3000000", 206, 100_000..3_000_001),
        ("bytes=-5", 206, bytes.len() - 5..bytes.len()),
        ("bytes=3999990-9999999", 206, 3_999_990..bytes.len()),
        (many.as_str(), 200, whole.clone()),
        ("bytes=5-1", 200, whole.clone()),
        ("bytes=-1-2", 200, whole),
    ] {
        let answer = request("range", range).await.unwrap();
        assert_eq!(answer.status, status, "{range}");
        if status == 206 {
            let content_range = format!("bytes {}-{}/{}", expected.start, expected.end - 1, bytes.len());
            assert_eq!(answer.headers["content-range"], content_range.as_str());
        }
        assert!(answer.body == bytes[expected], "{range}");
    }
    let beyond = request("range", "bytes=4000000-").await.unwrap();
    assert_eq!(beyond.headers["content-range"], "bytes */4000000");
    beyond.refused(416, "InvalidRequest");
    let known = request("if-none-match", &format!("\"other\", \"{}\"", cid(&blob)))
        .await
        .unwrap();
    assert_eq!((known.status, known.body.len()), (304, 0));

    let mut connection = TcpStream::connect(app.api.address()).await.unwrap();
    let head = format!(
        "HEAD /xrpc/{GET}?did={}&cid={} HTTP/1.1\r\nHost: pds.test\r\nConnection: close\r\n\r\n",
        alice.did,
        cid(&blob)
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("content-length: 4000000\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "no body");
}

#[tokio::test]
async fn only_blobs_of_records_of_this_account_are_served() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    let blob = uploaded(&alice, "text/plain", "shared").await;
    assert_not_found(&app, alice.did.as_str(), cid(&blob)).await;
    let message = refer(&bob, "first", &blob).await.refused(400, "BlobNotFound");
    assert_eq!(message, format!("Could not find blob: {}", cid(&blob)));

    refer(&alice, "first", &blob).await.ok();
    refer(&alice, "second", &blob).await.ok();
    uploaded(&bob, "text/plain", "shared").await;
    refer(&bob, "first", &blob).await.ok();
    alice.delete(FILE, "first").await;
    assert_eq!(
        get(&app, alice.did.as_str(), cid(&blob)).await.bytes(),
        b"shared",
        "another record has it"
    );
    alice.put(FILE, "second", &json!({"file": null})).await;
    assert_not_found(&app, alice.did.as_str(), cid(&blob)).await;
    assert_eq!(
        get(&app, bob.did.as_str(), cid(&blob)).await.bytes(),
        b"shared",
        "Bob's is another"
    );

    let unknown = get(&app, "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", cid(&blob)).await;
    unknown.refused(400, "RepoNotFound");
    let cbor = Cid::of_dag_cbor(b"").to_string();
    for odd in [
        cbor.as_str(),
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG",
        "..",
        "../../etc/passwd",
        "%2e%2e%2f",
        "a\0b",
    ] {
        assert_refused(&get(&app, bob.did.as_str(), odd).await, odd);
    }
    let traversal = get(&app, "../../etc", cid(&blob)).await;
    assert_refused(&traversal, "a DID that is none");
}

#[tokio::test]
async fn records_say_of_a_new_blob_what_it_is() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let blob = uploaded(&alice, "text/plain", "a text").await;
    let mut other_type = blob.clone();
    other_type["mimeType"] = json!("image/png");
    let mut other_size = blob.clone();
    other_size["size"] = json!(7);
    refer(&alice, "a", &other_type).await.refused(400, "InvalidMimeType");
    refer(&alice, "a", &other_size).await.refused(400, "InvalidSize");
    let missing =
        json!({"$type": "blob", "ref": {"$link": Cid::of_raw(b"x").to_string()}, "mimeType": "a/b", "size": 1});
    let write = |rkey: &str, blob: &Value| crate::harness::create_write(FILE, rkey, &json!({"deep": [{"file": blob}]}));
    alice
        .apply(&[write("a", &blob), write("b", &missing)])
        .await
        .refused(400, "BlobNotFound");
    assert_not_found(&app, alice.did.as_str(), cid(&blob)).await;
    refer(&alice, "a", &blob).await.ok();
    // As in the reference: repos that moved in name types that another server guessed otherwise.
    refer(&alice, "b", &other_type).await.ok();
    refer(&alice, "c", &other_size).await.ok();
}

#[tokio::test]
async fn events_name_no_blobs_and_commits_are_as_without() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let blob = uploaded(&alice, "text/plain", "a text").await;
    refer(&alice, "a", &blob).await.ok();
    let head = alice.head().await.0;
    let mut firehose = app.firehose(Some(0)).await;
    let mut verifier = crate::firehose::StreamVerifier::new(&app.plc);
    while !verifier.repos.contains_key(&alice.did) || !verifier.is_at(&alice.did, head) {
        verifier.accept(&firehose.frame().await);
    }
}

#[tokio::test]
async fn listings_are_paged_by_cid() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let did = alice.did.as_str();
    let before = alice.head().await.1.to_string();
    let mut cids = Vec::new();
    for number in 0..5 {
        let blob = uploaded(&alice, "text/plain", format!("blob {number}")).await;
        refer(&alice, &format!("r{number}"), &blob).await.ok();
        refer(&alice, &format!("again{number}"), &blob).await.ok();
        cids.push(cid(&blob).parse::<Cid>().unwrap());
    }
    let last_but_one = alice.head().await.1.to_string();
    let newest = uploaded(&alice, "text/plain", "newest").await;
    refer(&alice, "newest", &newest).await.ok();
    cids.push(cid(&newest).parse().unwrap());
    cids.sort_unstable();

    let mut listed: Vec<Cid> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app
            .api
            .query(LIST, &[("did", did), ("limit", "4"), ("cursor", &cursor)])
            .await
            .ok();
        listed.extend(
            page["cids"]
                .as_array()
                .unwrap()
                .iter()
                .map(|cid| cid.as_str().unwrap().parse::<Cid>().unwrap()),
        );
        let Some(next) = page["cursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(listed, cids, "each once");
    for (since, expected) in [(before, 6), (last_but_one, 1), (alice.head().await.1.to_string(), 0)] {
        let page = app.api.query(LIST, &[("did", did), ("since", &since)]).await.ok();
        assert_eq!(page["cids"].as_array().unwrap().len(), expected, "{since}");
    }
    for (name, value) in [
        ("cursor", "x"),
        ("cursor", "'"),
        ("limit", "0"),
        ("limit", "1001"),
        ("since", "x"),
    ] {
        let answer = app.api.query(LIST, &[("did", did), (name, value)]).await;
        assert_refused(&answer, &format!("{name}={value}"));
    }
    let missing = app
        .api
        .get("com.atproto.repo.listMissingBlobs", &[])
        .bearer_auth(&alice.access);
    assert_eq!(Answer::to(missing).await.unwrap().ok(), json!({"blobs": []}));
    let status = app
        .api
        .get("com.atproto.server.checkAccountStatus", &[])
        .bearer_auth(&alice.access);
    let status = Answer::to(status).await.unwrap().ok();
    assert_eq!(
        (&status["expectedBlobs"], &status["importedBlobs"]),
        (&json!(6), &json!(6))
    );
}

#[tokio::test]
async fn what_an_imported_repo_refers_to_is_missing_until_it_is_uploaded() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let (kept, lost) = ("kept through the import", "gone before it");
    let mut blobs = Vec::new();
    for (rkey, bytes) in [("kept", kept), ("lost", lost)] {
        let blob = uploaded(&alice, "text/plain", bytes).await;
        refer(&alice, rkey, &blob).await.ok();
        blobs.push(blob);
    }
    let backup = alice.export().await;
    alice.delete(FILE, "lost").await;
    let import = alice.api.post("com.atproto.repo.importRepo").bearer_auth(&alice.access);
    let import = import.header("content-type", "application/vnd.ipld.car").body(backup);
    Answer::to(import).await.unwrap().ok();

    let missing = async |limit: &str| {
        let request = app.api.get("com.atproto.repo.listMissingBlobs", &[("limit", limit)]);
        Answer::to(request.bearer_auth(&alice.access)).await.unwrap().ok()
    };
    let (did, cid) = (alice.did.as_str(), cid(&blobs[1]));
    let expected = json!({
        "cursor": cid,
        "blobs": [{"cid": cid, "recordUri": format!("at://{did}/{FILE}/lost")}],
    });
    assert_eq!(missing("1").await, expected);
    assert_not_found(&app, did, cid).await;
    uploaded(&alice, "text/plain", lost).await;
    assert_eq!(missing("1000").await, json!({"blobs": []}));
    assert_eq!(get(&app, did, cid).await.bytes(), lost.as_bytes());
    assert_eq!(
        get(&app, did, blobs[0]["ref"]["$link"].as_str().unwrap()).await.bytes(),
        kept.as_bytes()
    );
}

#[tokio::test]
async fn a_moderator_takes_a_blob_down_and_lifts_it() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let blob = uploaded(&alice, "text/plain", "bad").await;
    refer(&alice, "a", &blob).await.ok();
    let (did, cid) = (alice.did.as_str(), cid(&blob));
    let subject = json!({"$type": "com.atproto.admin.defs#repoBlobRef", "did": did, "cid": cid});
    let admin = async |request: RequestBuilder| {
        Answer::to(request.basic_auth("admin", Some(crate::harness::ADMIN_PASSWORD)))
            .await
            .unwrap()
    };
    let decide = async |subject: &Value, applied: bool| {
        let input = json!({"subject": subject, "takedown": {"applied": applied, "ref": "case 7"}});
        admin(app.api.post("com.atproto.admin.updateSubjectStatus").json(&input)).await
    };
    let status = async || {
        let params = [("did", did), ("blob", cid)];
        admin(app.api.get("com.atproto.admin.getSubjectStatus", &params))
            .await
            .ok()
    };
    assert_eq!(
        status().await,
        json!({"subject": subject, "takedown": {"applied": false}})
    );
    decide(&subject, true).await.ok();
    assert_eq!(status().await["takedown"], json!({"applied": true, "ref": "case 7"}));
    assert_not_found(&app, did, cid).await;
    let again = Answer::to(upload(&alice, "text/plain", "bad")).await.unwrap();
    assert_eq!(
        again.refused(400, "InvalidRequest"),
        "Blob has been takendown, cannot re-upload"
    );
    refer(&alice, "b", &blob).await.refused(400, "BlobNotFound");
    decide(&subject, false).await.ok();
    assert_eq!(get(&app, did, cid).await.bytes(), b"bad");
    let mut unknown = subject.clone();
    unknown["cid"] = json!(Cid::of_raw(b"x").to_string());
    decide(&unknown, true).await.refused(400, "NotFound");
}

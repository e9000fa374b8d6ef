//! The requests that the cases are made of.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, header};
use serde_json::{Value, json};

use crate::accounts::Account;
use crate::upstream;

/// A request with its body in memory.
pub(crate) type Prepared = Request<Full<Bytes>>;

/// The collection that is written and read.
pub(crate) const COLLECTION: &str = "app.bsky.feed.post";

pub(crate) fn health() -> Prepared {
    get("/xrpc/_health")
}

pub(crate) fn get(path: &str) -> Prepared {
    request(Method::GET, path, None, Bytes::new())
}

pub(crate) fn create_account(number: usize) -> Prepared {
    let body = json!({
        "handle": format!("bench{number}.test"),
        "email": format!("bench{number}@mail.test"),
        "password": "bench-pass",
    });
    request(
        Method::POST,
        "/xrpc/com.atproto.server.createAccount",
        None,
        bytes(&body),
    )
}

pub(crate) fn create_record(account: &Account, number: u64) -> Prepared {
    let body = json!({"repo": account.did, "collection": COLLECTION, "record": post(number)});
    post_as(account, "com.atproto.repo.createRecord", &body)
}

/// One commit with many records.
pub(crate) fn create_records(account: &Account, numbers: std::ops::Range<u64>) -> Prepared {
    let create = |number| json!({"$type": "com.atproto.repo.applyWrites#create", "collection": COLLECTION, "value": post(number)});
    let body = json!({"repo": account.did, "writes": numbers.map(create).collect::<Vec<_>>()});
    post_as(account, "com.atproto.repo.applyWrites", &body)
}

pub(crate) fn list_records(account: &Account, limit: u32) -> Prepared {
    get(&format!(
        "/xrpc/com.atproto.repo.listRecords?repo={}&collection={COLLECTION}&limit={limit}",
        account.did
    ))
}

pub(crate) fn get_record(account: &Account, rkey: &str) -> Prepared {
    get(&format!(
        "/xrpc/com.atproto.repo.getRecord?repo={}&collection={COLLECTION}&rkey={rkey}",
        account.did
    ))
}

/// A query that the AppView answers.
pub(crate) fn proxied(account: &Account) -> Prepared {
    let path = "/xrpc/app.bsky.feed.getActorFeeds?actor=somebody.example.com";
    request(Method::GET, path, Some(&account.authorization), Bytes::new())
}

/// A record with its proof.
pub(crate) fn prove_record(account: &Account, rkey: &str) -> Prepared {
    get(&format!(
        "/xrpc/com.atproto.sync.getRecord?did={}&collection={COLLECTION}&rkey={rkey}",
        account.did
    ))
}

/// A query that the AppView answers after a while.
pub(crate) fn proxied_slowly(account: &Account) -> Prepared {
    let path = format!("/xrpc/{}", upstream::SLOW);
    request(Method::GET, &path, Some(&account.authorization), Bytes::new())
}

pub(crate) fn get_repo(account: &Account) -> Prepared {
    get(&format!("/xrpc/com.atproto.sync.getRepo?did={}", account.did))
}

/// Gives a repo its own records back.
pub(crate) fn import_repo(account: &Account, car: Bytes) -> Prepared {
    let path = "/xrpc/com.atproto.repo.importRepo";
    typed(path, "application/vnd.ipld.car", &account.authorization, car)
}

/// A blob that no other number has.
pub(crate) fn upload_blob(account: &Account, number: u64, size: usize) -> Prepared {
    let mut blob = vec![b'x'; size];
    for (byte, digit) in blob.iter_mut().zip(number.to_be_bytes()) {
        *byte = digit;
    }
    let path = "/xrpc/com.atproto.repo.uploadBlob";
    typed(path, "application/octet-stream", &account.authorization, blob.into())
}

/// A record that refers to a blob, so that it can be had.
pub(crate) fn refer_to_blob(account: &Account, blob: &Value) -> Prepared {
    let collection = "com.example.blob";
    let record = json!({"$type": collection, "blob": blob});
    let body = json!({"repo": account.did, "collection": collection, "record": record});
    post_as(account, "com.atproto.repo.createRecord", &body)
}

pub(crate) fn get_blob(account: &Account, cid: &str) -> Prepared {
    get(&format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={cid}", account.did))
}

/// A post of a usual size, the same as in the bench of both servers; no two are alike.
pub(crate) fn post(number: u64) -> Value {
    json!({
        "$type": COLLECTION,
        "text": format!(
            "benchmark post number {number} with a usual amount of text in it, about a hundred characters long."
        ),
        "langs": ["en"],
        "createdAt": "2026-01-01T00:00:00.000Z",
    })
}

fn post_as(account: &Account, nsid: &str, body: &Value) -> Prepared {
    request(
        Method::POST,
        &format!("/xrpc/{nsid}"),
        Some(&account.authorization),
        bytes(body),
    )
}

fn typed(path: &str, content_type: &'static str, authorization: &str, body: Bytes) -> Prepared {
    let mut request = request(Method::POST, path, Some(authorization), body);
    let content_type = header::HeaderValue::from_static(content_type);
    request.headers_mut().insert(header::CONTENT_TYPE, content_type);
    request
}

fn bytes(body: &Value) -> Bytes {
    Bytes::from(body.to_string())
}

fn request(method: Method, path: &str, authorization: Option<&str>, body: Bytes) -> Prepared {
    let mut request = Request::new(Full::new(body));
    // Paths are made here of DIDs and rkeys, which need no escape; a wrong one shows as a 404.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::HOST, header::HeaderValue::from_static("localhost"));
    if method == Method::POST {
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
    }
    if let Some(value) = authorization.and_then(|value| value.parse().ok()) {
        headers.insert(header::AUTHORIZATION, value);
    }
    *request.method_mut() = method;
    request
}

//! Bad HTTP and bad JSON: verbs, names, sizes, encodings, parameters (catalogue A).

use std::time::Duration;

use reqwest::RequestBuilder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::untouched::{Untouched, refuse_all};
use crate::{Account, Api, TestApp};

const CREATE: &str = "com.atproto.repo.createRecord";

#[tokio::test]
async fn wrong_verbs_names_and_parameters_are_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let long = "a".repeat(400);
    let api = &app.api;
    let bearer = |request: RequestBuilder| request.bearer_auth(&alice.access);
    let mut cases = vec![
        (
            "POST of a query".to_owned(),
            api.post("com.atproto.server.describeServer"),
        ),
        ("GET of a procedure".to_owned(), bearer(api.get(CREATE, &[]))),
        ("no upgrade".to_owned(), api.get("com.atproto.sync.subscribeRepos", &[])),
        (
            "POST of a subscription".to_owned(),
            api.post("com.atproto.sync.subscribeRepos"),
        ),
    ];
    for name in [
        "",
        "..%2f",
        "com.example.unknown",
        "COM.EXAMPLE.thing",
        "com.example",
        "a..b",
        &long,
        "%00",
        "_health/x",
    ] {
        cases.push((format!("GET {name}"), api.get(name, &[])));
        cases.push((format!("GET {name} by alice"), bearer(api.get(name, &[]))));
        cases.push((format!("POST {name} by alice"), bearer(api.post(name))));
    }
    let list = |name, value| {
        let params = [
            ("repo", alice.handle.as_str()),
            ("collection", "com.example.note"),
            (name, value),
        ];
        api.get("com.atproto.repo.listRecords", &params)
    };
    for limit in [
        "-1",
        "0",
        "101",
        "1000000000",
        "NaN",
        "1.5",
        "\0",
        "0x10",
        "1e1",
        "9007199254740993",
        "+5",
        " 5",
    ] {
        cases.push((format!("limit={limit:?}"), list("limit", limit)));
    }
    cases.push(("reverse=maybe".to_owned(), list("reverse", "maybe")));
    cases.push(("two repos".to_owned(), list("repo", "bob.test")));
    let did = alice.did.as_str();
    for (nsid, name, value) in [
        ("com.atproto.sync.listRepos", "cursor", "x"),
        ("com.atproto.sync.getRepo", "since", "yesterday"),
        ("com.atproto.sync.getBlocks", "cids", "bafy"),
        ("com.atproto.sync.getRecord", "collection", "notes"),
        ("com.atproto.identity.resolveHandle", "handle", "no handle"),
    ] {
        cases.push((
            format!("{nsid}?{name}={value}"),
            api.get(nsid, &[("did", did), (name, value)]),
        ));
    }
    refuse_all(cases).await;
    untouched.assert(&app).await;
}

#[tokio::test]
async fn broken_framing_ends_with_a_refusal_or_the_connection() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let hidden = smuggled_write(&alice);
    let post = format!("POST /xrpc/{CREATE} HTTP/1.1\r\nHost: pds.test\r\nContent-Type: application/json\r\n");
    let head = |more: &str| format!("GET /xrpc/_health HTTP/1.1\r\nHost: pds.test\r\n{more}\r\n");
    let cases = [
        (
            "length and chunks",
            format!("{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "two lengths",
            format!(
                "{post}Content-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}",
                hidden.len()
            ),
        ),
        (
            "a length that is none",
            format!("{post}Content-Length: +0\r\n\r\n{hidden}"),
        ),
        (
            "a bare LF in chunks",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n0\n\n{hidden}"),
        ),
        (
            "chunked is not last",
            format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "an endless chunk extension",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n5;{}", "x".repeat(1 << 20)),
        ),
        (
            "a header of 100 kB",
            head(&format!("X-Long: {}\r\n", "x".repeat(100_000))),
        ),
        ("1,000 headers", head(&"X: y\r\n".repeat(1_000))),
        ("no HTTP", "\u{16}\u{3}\u{1}nothing".to_owned() + "\r\n\r\n"),
    ];
    for (case, bytes) in cases {
        let answer = exchange(&app.api, bytes.as_bytes()).await;
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(is_refused, "{case}: {answer:.300}");
        assert!(
            !answer.contains("\"uri\""),
            "{case}: a hidden request was obeyed: {answer:.300}"
        );
    }
    untouched.assert(&app).await;
}

/// A request of alice's, hidden in another one's body: if anybody obeys it, her head moves.
fn smuggled_write(alice: &Account) -> String {
    let body = alice
        .write("com.example.note", "smuggled", &serde_json::json!({"text": "smuggled"}))
        .to_string();
    let (token, length) = (&alice.access, body.len());
    format!(
        "POST /xrpc/{CREATE} HTTP/1.1\r\nHost: pds.test\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Sends bytes and reads until the server closes or says nothing more.
pub(crate) async fn exchange(api: &Api, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(api.address()).await.unwrap();
    // The server may close before it has taken all.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    while let Ok(Ok(length)) = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut piece)).await {
        if length == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn long_queries_are_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let long = "x".repeat(32_000);
    let many: Vec<(&str, &str)> = vec![("did", "x"); 1_200];
    let cases = vec![
        (
            "a query of 32 kB".to_owned(),
            app.api.get("com.atproto.sync.listRepos", &[("cursor", &long)]),
        ),
        (
            "1,200 parameters".to_owned(),
            app.api.get("com.atproto.sync.getRepoStatus", &many),
        ),
    ];
    refuse_all(cases).await;
    untouched.assert(&app).await;
}

#[tokio::test]
async fn the_api_answers_on_every_host_but_those_of_handles() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let get = async |path: &str, host: &str| {
        let answer = exchange(
            &app.api,
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
        )
        .await;
        answer.lines().next().unwrap_or_default().to_owned()
    };
    let api = "/xrpc/com.atproto.server.describeServer";
    for host in ["pds.test", "127.0.0.1", "localhost:1", "attacker.example", "[::1]", ""] {
        assert_eq!(get(api, host).await, "HTTP/1.1 200 OK", "{host:?}");
    }
    assert_eq!(get(api, "alice.test").await, "HTTP/1.1 404 Not Found");
    assert_eq!(get("/.well-known/atproto-did", "ALICE.test").await, "HTTP/1.1 200 OK");
    assert_eq!(
        get("/.well-known/atproto-did", "bob.test").await,
        "HTTP/1.1 404 Not Found"
    );
    untouched.assert(&app).await;
}

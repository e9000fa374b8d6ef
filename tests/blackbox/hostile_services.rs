//! Services that break HTTP itself: endless heads, floods of interim answers, connections that do nothing (catalogue I4, J11).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::AppView;
use crate::proxy::server;
use crate::{Account, Answer, TestApp};

const THINGS: &str = "com.example.getThings";

/// What a hostile service does with a connection after the request.
#[derive(Clone, Copy, Debug)]
enum Hostility {
    /// Sends these bytes and closes.
    Says(&'static str),
    /// Sends this beginning and then these bytes until the connection ends.
    Repeats(&'static str, &'static str),
    /// Sends nothing.
    Silence,
}

/// A hostile service on loopback; returns its address.
async fn hostile(hostility: Hostility) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(treat(stream, hostility));
        }
    });
    address
}

/// Ends when the other side closes the connection, at the latest.
async fn treat(mut stream: TcpStream, hostility: Hostility) {
    // The request's head is smaller.
    let mut request = vec![0; 64 << 10];
    let _ = stream.read(&mut request).await;
    match hostility {
        Hostility::Says(bytes) => drop(stream.write_all(bytes.as_bytes()).await),
        Hostility::Repeats(beginning, bytes) => {
            let mut sent = stream.write_all(beginning.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(bytes.as_bytes()).await;
            }
        }
        Hostility::Silence => while stream.read(&mut request).await.is_ok_and(|read| read > 0) {},
    }
}

/// Asks a service that the AppView's DID document names `evil`.
async fn ask(app: &TestApp, account: &Account, evil: &str) -> Answer {
    let did = app.plc.registers_service("evil", evil);
    let request = app.api.get(THINGS, &[]).bearer_auth(&account.access);
    let answer = Answer::to(request.header("atproto-proxy", format!("{did}#evil"))).await;
    answer.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_break_http_get_an_end() {
    let appview = AppView::start().await;
    let app = server(&appview, &[("PDS_PROXY_HEADERS_TIMEOUT", "1000")]).await;
    let alice = app.account("alice").await;
    for (hostility, statuses) in [
        (Hostility::Silence, &[504][..]),
        (
            Hostility::Repeats("", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
            &[502, 504],
        ),
        (
            Hostility::Repeats(
                "HTTP/1.1 200 OK\r\n",
                "a: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
            ),
            &[502],
        ),
        (
            Hostility::Repeats(
                "HTTP/1.1 200 OK\r\na: ",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            ),
            &[502],
        ),
        (Hostility::Says(""), &[502]),
        (Hostility::Says("SSH-2.0-OpenSSH_9.2\r\n"), &[502]),
        (
            Hostility::Says("HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n"),
            &[502],
        ),
        (
            Hostility::Says("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
            &[502],
        ),
        (
            Hostility::Says("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
            &[502],
        ),
    ] {
        let answer = ask(&app, &alice, &hostile(hostility).await).await;
        assert!(statuses.contains(&answer.status), "{hostility:?}: {}", answer.text());
    }
    alice.session().await.ok();
}

#[tokio::test]
async fn hop_by_hop_headers_of_a_service_stay_there() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close, x-hop\r\n\
                          x-hop: 1\r\nkeep-alive: timeout=1\r\nproxy-authenticate: Basic\r\ntrailer: x\r\nupgrade: h2c\r\n\
                          server: evil\r\nset-cookie: a=b\r\nclear-site-data: \"*\"\r\nstrict-transport-security: max-age=0\r\n\r\n{}";
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let answer = ask(&app, &alice, &hostile(Hostility::Says(ANSWER)).await).await;
    for name in [
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "trailer",
        "upgrade",
        "server",
        "set-cookie",
        "clear-site-data",
    ] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    assert_ne!(
        answer
            .headers
            .get("strict-transport-security")
            .map(reqwest::header::HeaderValue::as_bytes),
        Some(&b"max-age=0"[..])
    );
    assert_eq!(answer.bytes(), b"{}");
}

//! The WebSocket handshake of the firehose (catalogue L1; RFC 6455 §4.2).

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::TestApp;

/// What a client has to send for an upgrade, but the version.
const UPGRADE: &str =
    "Host: pds.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The head of the answer in lower case, and the connection after it.
async fn shake(app: &TestApp, own_headers: &str) -> (String, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(app.api.address()).await.unwrap();
    let request = format!("GET /xrpc/com.atproto.sync.subscribeRepos?cursor=0 HTTP/1.1\r\n{UPGRADE}{own_headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).await.unwrap() > 0, "{head}");
    }
    (head.to_lowercase(), stream)
}

#[tokio::test]
async fn unknown_subprotocols_are_ignored() {
    let app = TestApp::start().await;
    app.account("alice").await;
    for offered in ["", "Sec-WebSocket-Protocol: chat, superchat\r\n"] {
        let (head, mut stream) = shake(&app, &format!("Sec-WebSocket-Version: 13\r\n{offered}")).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(
            !head.contains("sec-websocket-protocol"),
            "none of them is chosen: {head}"
        );
        let first = stream.read_u8().await.unwrap();
        assert!([0x82, 0x89].contains(&first), "a frame or a ping comes: {first:#x}");
    }
}

#[tokio::test]
async fn other_versions_of_the_protocol_are_refused() {
    let app = TestApp::start().await;
    for version in ["Sec-WebSocket-Version: 12\r\n", ""] {
        let (head, _) = shake(&app, version).await;
        assert!(head.starts_with("http/1.1 400 "), "{head}");
        assert!(head.contains("sec-websocket-version: 13\r\n"), "{head}");
    }
}

#[tokio::test]
async fn whoever_closes_is_answered() {
    let app = TestApp::start().await;
    app.account("alice").await;
    let (_, mut stream) = shake(&app, "Sec-WebSocket-Version: 13\r\n").await;
    // A close frame with code 1000, masked with zeros.
    stream.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(
        rest.ends_with(b"\x88\x02\x03\xe8"),
        "the same code comes back: {rest:?}"
    );
}

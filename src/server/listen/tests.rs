#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::server::testing;

struct Server {
    address: SocketAddr,
    routers: watch::Sender<Router>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(router: Router) -> Server {
    start_with_places(MAX_CONNECTIONS, router).await
}

async fn start_with_places(places: usize, router: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (routers, receiver) = watch::channel(router);
    let shutdown = CancellationToken::new();
    let connections = Connections::new(places);
    let task = tokio::spawn(serve_within(connections, listener, receiver, shutdown.clone()));
    Server {
        address,
        routers,
        shutdown,
        task,
    }
}

/// Sends bytes on a connection of their own and reads what comes until the server closes it.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const ONE: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// A handler that answers "done" once it is let go on; and what tells that it was reached, and what lets it.
fn slow() -> (MethodRouter, Arc<Notify>, Arc<Notify>) {
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (signal, gate) = (reached.clone(), go_on.clone());
    let handler = get(move || async move {
        signal.notify_one();
        gate.notified().await;
        "done"
    });
    (handler, reached, go_on)
}

#[tokio::test]
async fn the_router_can_be_swapped_while_serving() {
    let server = start(Router::new().route("/", get(async || "old"))).await;
    assert!(exchange(server.address, ONE).await.ends_with("old"));
    let _ = server
        .routers
        .send_replace(Router::new().route("/", get(async || "new")));
    assert!(exchange(server.address, ONE).await.ends_with("new"));
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = start(Router::new().route("/", get(async || "fine"))).await;
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "x".repeat(MAX_HEAD));
    assert!(
        exchange(server.address, large.as_bytes())
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    assert!(
        exchange(server.address, many.as_bytes())
            .await
            .starts_with("HTTP/1.1 431 ")
    );
}

#[tokio::test(start_paused = true)]
async fn connections_that_ask_nothing_are_closed() {
    let server = start(Router::new().route("/", get(async || "fine"))).await;
    for beginning in [
        "",
        "P",
        "GET / HTTP/1.1\r\nhost: x\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let started = Instant::now();
        exchange(server.address, beginning.as_bytes()).await;
        assert_eq!(started.elapsed().as_secs(), FIRST_REQUEST.as_secs(), "{beginning}");
    }
}

#[tokio::test]
async fn whoever_waits_longest_for_a_request_makes_room() {
    let (slow, reached, go_on) = slow();
    let router = Router::new().route("/", get(async || "fine")).route("/slow", slow);
    let server = start_with_places(3, router).await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    reached.notified().await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..10 {
        let mut kept = TcpStream::connect(server.address).await.unwrap();
        kept.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        kept.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    go_on.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
}

#[tokio::test]
async fn ambiguous_framing_is_refused() {
    let server = start(Router::new().route("/", post(async || "fine"))).await;
    let smuggled = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!";
    assert!(exchange(server.address, smuggled).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn whoever_reads_only_after_sending_all_gets_the_answer() {
    let server = start(Router::new().route("/", post(async || (StatusCode::PAYLOAD_TOO_LARGE, "too much")))).await;
    let body = vec![b'x'; 64 << 20];
    let announced = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let endless = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
        2 * body.len()
    );
    for head in [announced, endless] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("too much"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn handlers_know_the_peer() {
    let show = async |axum::Extension(Peer(peer)): axum::Extension<Peer>| peer.ip().to_string();
    let server = start(Router::new().route("/", get(show))).await;
    assert!(exchange(server.address, ONE).await.ends_with("127.0.0.1"));
}

#[tokio::test]
async fn shutdown_finishes_what_is_under_way_and_closes_idle_connections() {
    let (slow, reached, go_on) = slow();
    let server = start(Router::new().route("/", slow)).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let request = tokio::spawn(exchange(server.address, ONE));
    reached.notified().await;
    server.shutdown.cancel();
    go_on.notify_one();
    assert!(request.await.unwrap().ends_with("done"));
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn subscriptions_upgrade_to_websockets() {
    let server = start(testing::router()).await;
    let url = format!("ws://{}/xrpc/com.example.subscribe?greeting=hello", server.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "hello");
}

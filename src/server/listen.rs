//! The listener: accepts connections, bounds what each may take, and drains them at the end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{ServiceExt, service_fn};

use super::connections::{Connections, Place};
use super::linger::{LentStream, linger};
use super::open_files;

/// So many connections are open at once, or half as many as the process may have files open. WebSockets do not count: whoever upgrades
/// bounds them.
const MAX_CONNECTIONS: usize = 10_000;
/// A new connection must have sent the head of its first request by then.
const FIRST_REQUEST: Duration = Duration::from_secs(30);
/// The head of a later request must have come so long after the answer before it: the keep-alive that reverse proxies expect.
const NEXT_REQUEST: Duration = Duration::from_secs(90);
/// The greatest size of a request's head, in bytes (431 beyond).
const MAX_HEAD: usize = 64 * 1024;
/// Requests at once on an HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// An HTTP/2 client that is silent so long is asked whether it is still there…
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// …and must say so within this.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Requests under way at shutdown have so long to finish.
const DRAIN: Duration = Duration::from_secs(20);
/// The pause after a connection could not be accepted (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address at the other end of the connection: a client or a reverse proxy. An extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves until `shutdown` is cancelled and what was under way is finished, or 20 s later.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let (_, routers) = watch::channel(router);
    serve_latest(listener, routers, shutdown).await;
}

/// As [`serve`], but each request goes to the router that `routers` holds at that moment, so that the listener can open, with
/// [`not_ready`](super::router::not_ready), before the application is built.
pub async fn serve_latest(listener: TcpListener, routers: watch::Receiver<Router>, shutdown: CancellationToken) {
    let files = open_files::limit().and_then(|files| usize::try_from(files).ok());
    let places = files.map_or(MAX_CONNECTIONS, |files| MAX_CONNECTIONS.min(files / 2));
    serve_within(Connections::new(places), listener, routers, shutdown).await;
}

async fn serve_within(
    connections: Connections,
    listener: TcpListener,
    routers: watch::Receiver<Router>,
    shutdown: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let abort = CancellationToken::new();
    while let Some((place, accepted)) = shutdown
        .run_until_cancelled(async { (connections.place().await, listener.accept().await) })
        .await
    {
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection {
                    peer: Peer(peer),
                    routers: routers.clone(),
                    shutdown: shutdown.clone(),
                    abort: abort.clone(),
                    place,
                };
                tasks.spawn(connection.serve(stream));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                connections.make_room();
                let _ = timeout(ACCEPT_PAUSE, shutdown.cancelled()).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "closing connections that have not finished");
        abort.cancel();
        tasks.wait().await;
    }
}

struct Connection {
    peer: Peer,
    routers: watch::Receiver<Router>,
    shutdown: CancellationToken,
    abort: CancellationToken,
    place: Place,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Without it small answers wait for the acknowledgement of the packet before them; it fails on dead sockets only.
        let _ = stream.set_nodelay(true);
        let (lent, mut returned) = LentStream::new(stream);
        self.converse(lent).await;
        if let Ok(stream) = returned.try_recv() {
            tokio::select! {
                () = linger(stream) => (),
                () = self.abort.cancelled() => (),
                () = self.place.activity().is_to_make_room() => (),
            }
        }
    }

    /// Answers requests until one of both sides has had enough.
    async fn converse(&self, stream: LentStream) {
        let has_asked = Arc::new(AtomicBool::new(false));
        let asked = has_asked.clone();
        let (peer, routers, activity) = (self.peer, self.routers.clone(), self.place.activity().clone());
        let service = service_fn(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let under_way = activity.begin();
            let answer = answer(routers.borrow().clone(), peer, request);
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        });
        let builder = builder();
        let mut connection =
            pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service)));
        let mut first_request = pin!(sleep_until(Instant::now() + FIRST_REQUEST));
        let (mut is_new, mut is_last) = (true, false);
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                () = &mut first_request, if is_new => {
                    is_new = false;
                    if !has_asked.load(Ordering::Relaxed) {
                        return;
                    }
                }
                () = self.is_to_end(), if !is_last => {
                    is_last = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.abort.cancelled() => return,
            }
        }
    }

    /// Returns when no more requests are to be taken on this connection.
    async fn is_to_end(&self) {
        tokio::select! {
            () = self.shutdown.cancelled() => (),
            () = self.place.activity().is_to_make_room() => (),
        }
    }
}

async fn answer(router: Router, peer: Peer, request: Request<Incoming>) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    router.oneshot(request).await
}

/// HTTP/1.1, and HTTP/2 for those that begin with its preface, each with our limits.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_REQUEST)
        .max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use axum::http::StatusCode;
    use axum::routing::{get, post};
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
        let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (signal, gate) = (reached.clone(), go_on.clone());
        let slow = move || async move {
            signal.notify_one();
            gate.notified().await;
            "done"
        };
        let router = Router::new().route("/", get(async || "fine")).route("/slow", get(slow));
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
        let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (signal, gate) = (reached.clone(), go_on.clone());
        let slow = move || async move {
            signal.notify_one();
            gate.notified().await;
            "done"
        };
        let server = start(Router::new().route("/", get(slow))).await;
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
}

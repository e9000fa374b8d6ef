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
    while let Some((room, accepted)) = shutdown
        .run_until_cancelled(async { (connections.room().await, listener.accept().await) })
        .await
    {
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connection {
                    peer: Peer(peer),
                    routers: routers.clone(),
                    shutdown: shutdown.clone(),
                    abort: abort.clone(),
                    place: connections.open(room),
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
mod tests;

//! `com.atproto.sync.subscribeRepos`: the firehose, over a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use atproto_repo::frame::{error_frame, info_frame};
use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::IntoResponse as _;
use futures_util::{FutureExt as _, SinkExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::observe::metrics;
use crate::sequencer::{Delivery, StartError, Subscriber};
use crate::server::{Method, XrpcError, XrpcResult};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::subscription("com.atproto.sync.subscribeRepos", |app, call| {
    Box::pin(handle(app, call))
});

/// Time between pings: proxies cut connections on which nothing moves.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// A subscriber that takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// A subscriber that was told to go has so long to read what is on its way to it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The same while the server stops.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// A subscriber from whom nothing has come so long after a ping is gone.
const PONG_TIMEOUT: Duration = Duration::from_secs(75);
/// What a subscriber may send: pongs and a close frame; anything else is ignored up to this size.
const MAX_INCOMING_BYTES: usize = 4 << 10;
/// Bytes that are collected for a subscriber while there is more to send: each write to the socket costs more than its frames.
const SEND_BUFFER_BYTES: usize = 16 << 10;
/// WebSocket close codes (RFC 6455 §7.4.1).
const CLOSE_POLICY: u16 = 1008;
const CLOSE_GOING_AWAY: u16 = 1001;

async fn handle(app: Arc<App>, mut call: Call) -> XrpcResult {
    // A cursor that is no number is told so over the WebSocket, as in the reference.
    let cursor = call.params.optional_integer("cursor", i64::MIN..=i64::MAX);
    let upgrade = WebSocketUpgrade::from_request_parts(&mut call.parts, &())
        .await
        .map_err(|rejection| XrpcError::new(rejection.status(), "InvalidRequest", rejection.body_text()))?;
    let slot = app.sequencer.slot(call.meter().sharing_address());
    let slot = slot.ok_or_else(|| XrpcError::not_enough_resources("Too many subscribers, try again later"))?;
    let serve = move |mut socket: WebSocket| async move {
        let _slot = slot;
        // However it ends, the connection is closed then.
        let _ = match cursor {
            Ok(cursor) => subscribe(&app, socket, cursor).await,
            Err(error) => refuse(&mut socket, "InvalidRequest", &error.message).await,
        };
    };
    Ok(upgrade
        .max_message_size(MAX_INCOMING_BYTES)
        // Each connection has a buffer of this size, which is filled with zeros whenever it is listened to.
        .read_buffer_size(MAX_INCOMING_BYTES)
        .write_buffer_size(SEND_BUFFER_BYTES)
        .on_upgrade(serve)
        .into_response())
}

/// The connection ended.
struct Gone;

async fn subscribe(app: &App, mut socket: WebSocket, cursor: Option<i64>) -> Result<(), Gone> {
    let subscriber = match app.sequencer.subscribe(cursor).await {
        Ok(subscriber) => subscriber,
        Err(error @ StartError::FutureCursor) => return refuse(&mut socket, "FutureCursor", &error.to_string()).await,
        Err(StartError::Store(error)) => {
            tracing::error!(%error, "a subscription cannot start");
            return refuse(&mut socket, "InternalServerError", "Internal Server Error").await;
        }
    };
    if subscriber.is_outdated() {
        let message = "Requested cursor exceeded limit. Possibly missing events";
        send(
            &mut socket,
            Message::Binary(info_frame("OutdatedCursor", message).into()),
        )
        .await?;
    }
    Connection {
        socket,
        subscriber,
        ending: Ending("closed"),
        stop: app.stopping(),
        unanswered: None,
    }
    .run()
    .await
}

struct Connection {
    socket: WebSocket,
    subscriber: Subscriber,
    stop: CancellationToken,
    ending: Ending,
    /// When the first ping was sent since the subscriber sent anything.
    unanswered: Option<Instant>,
}

/// Why a subscription ends, counted when it does.
struct Ending(&'static str);

impl Drop for Ending {
    fn drop(&mut self) {
        metrics::FIREHOSE_DISCONNECTS.increment([self.0]);
    }
}

impl Connection {
    async fn run(mut self) -> Result<(), Gone> {
        let mut ping = tokio::time::interval(PING_INTERVAL);
        loop {
            tokio::select! {
                delivery = self.subscriber.next() => match delivery {
                    Ok(Delivery::Events(events)) => {
                        self.listen()?;
                        for event in events {
                            in_time(self.socket.feed(Message::Binary(event.frame))).await?;
                        }
                        in_time(self.socket.flush()).await?;
                    }
                    Ok(Delivery::TooSlow) => {
                        self.ending.0 = "consumer_too_slow";
                        return refuse(&mut self.socket, "ConsumerTooSlow", "Stream consumer too slow").await;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the event log cannot be read");
                        self.ending.0 = "error";
                        return refuse(&mut self.socket, "InternalServerError", "Internal Server Error").await;
                    }
                },
                incoming = self.socket.recv() => self.received(incoming.as_ref())?,
                _ = ping.tick() => {
                    self.listen()?;
                    if self.unanswered.is_some_and(|since| since.elapsed() > PONG_TIMEOUT) {
                        return Err(Gone);
                    }
                    send(&mut self.socket, Message::Ping(axum::body::Bytes::new())).await?;
                    self.unanswered.get_or_insert_with(Instant::now);
                }
                () = self.stop.cancelled() => {
                    self.ending.0 = "shutdown";
                    return close(&mut self.socket, CLOSE_GOING_AWAY, "server restarts", LEAVE_TIMEOUT).await;
                }
            }
        }
    }

    fn received(&mut self, incoming: Option<&Result<Message, axum::Error>>) -> Result<(), Gone> {
        match incoming {
            None | Some(Err(_) | Ok(Message::Close(_))) => Err(Gone),
            Some(Ok(_)) => {
                self.unanswered = None;
                Ok(())
            }
        }
    }

    /// While a backfill keeps the connection busy, takes note of what has come in.
    fn listen(&mut self) -> Result<(), Gone> {
        while let Some(incoming) = self.socket.recv().now_or_never() {
            self.received(incoming.as_ref())?;
        }
        Ok(())
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Gone> {
    in_time(socket.send(message)).await
}

/// Waits for a subscriber to take something.
async fn in_time(taken: impl Future<Output = Result<(), axum::Error>>) -> Result<(), Gone> {
    match tokio::time::timeout(SEND_TIMEOUT, taken).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}

/// Sends an error frame and closes with the error's name as reason.
async fn refuse(socket: &mut WebSocket, error: &str, message: &str) -> Result<(), Gone> {
    send(socket, Message::Binary(error_frame(error, message).into())).await?;
    close(socket, CLOSE_POLICY, error, CLOSE_TIMEOUT).await
}

/// Sends a close frame and waits for the subscriber's. If the connection were closed at once, a pong on its way here would be answered with a
/// reset, and the subscriber would lose what it has not read yet, the close frame above all.
async fn close(socket: &mut WebSocket, code: u16, reason: &str, patience: Duration) -> Result<(), Gone> {
    let frame = CloseFrame {
        code,
        reason: reason.to_owned().into(),
    };
    send(socket, Message::Close(Some(frame))).await?;
    let until_closed = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = tokio::time::timeout(patience, until_closed).await;
    Ok(())
}

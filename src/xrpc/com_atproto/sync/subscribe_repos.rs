//! `com.atproto.sync.subscribeRepos`: the firehose, over a WebSocket.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use atproto_repo::frame::{error_frame, info_frame};
use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse as _;
use futures_util::{FutureExt as _, SinkExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::observe::metrics;
use crate::sequencer::{Delivery, StartError, Subscriber};
use crate::server::{Method, XrpcError, XrpcResult};
use crate::store::{SequencedEvent, StoreError};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::subscription("com.atproto.sync.subscribeRepos", |app, call| {
    Box::pin(handle(app, call))
});

/// The version of the protocol that is spoken, told to whoever asks for another one (RFC 6455 §4.2.2).
const WEBSOCKET_VERSION: HeaderValue = HeaderValue::from_static("13");
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
        .map_err(|rejection| {
            XrpcError::new(rejection.status(), "InvalidRequest", rejection.body_text())
                .with_header(header::SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION)
        })?;
    let slot = app.sequencer.slot(call.meter().sharing_address());
    let slot = slot.ok_or_else(|| XrpcError::not_enough_resources("Too many subscribers, try again later"))?;
    let serve = move |socket: WebSocket| async move {
        let _slot = slot;
        // However it ends, the connection is closed then.
        let _ = match cursor {
            Ok(cursor) => subscribe(&app, socket, cursor).await,
            Err(error) => {
                let stop = app.stopping();
                Line { socket, stop }.refuse("InvalidRequest", &error.message).await
            }
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

async fn subscribe(app: &App, socket: WebSocket, cursor: Option<i64>) -> Result<(), Gone> {
    let stop = app.stopping();
    let mut line = Line { socket, stop };
    let subscriber = match app.sequencer.subscribe(cursor).await {
        Ok(subscriber) => subscriber,
        Err(error @ StartError::FutureCursor) => return line.refuse("FutureCursor", &error.to_string()).await,
        Err(StartError::Store(error)) => {
            tracing::error!(%error, "a subscription cannot start");
            return line.refuse("InternalServerError", "Internal Server Error").await;
        }
    };
    if subscriber.is_outdated() {
        let message = "Requested cursor exceeded limit. Possibly missing events";
        line.send(Message::Binary(info_frame("OutdatedCursor", message).into()))
            .await?;
    }
    Connection {
        line,
        subscriber,
        ending: Ending("closed"),
        unanswered: None,
    }
    .run()
    .await
}

/// Why nothing more is sent.
enum End {
    Gone,
    /// The subscriber closes.
    Left,
    TooSlow,
    Unreadable(StoreError),
    Stopping,
}

impl End {
    /// As it is counted.
    fn reason(&self) -> &'static str {
        match self {
            End::Gone | End::Left => "closed",
            End::TooSlow => "consumer_too_slow",
            End::Unreadable(_) => "error",
            End::Stopping => "shutdown",
        }
    }
}

impl From<Gone> for End {
    fn from(Gone: Gone) -> End {
        End::Gone
    }
}

struct Connection {
    line: Line,
    subscriber: Subscriber,
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
        let end = self.serve().await;
        self.ending.0 = end.reason();
        // Counted now: a subscriber that does not read may take long to be told.
        drop(self.ending);
        match end {
            End::Gone => Err(Gone),
            // Its close frame is answered with one (RFC 6455 §5.5.1), which waits to be sent.
            End::Left => in_time(&self.line.stop, self.line.socket.flush()).await,
            End::TooSlow => self.line.refuse("ConsumerTooSlow", "Stream consumer too slow").await,
            End::Unreadable(error) => {
                tracing::error!(%error, "the event log cannot be read");
                self.line.refuse("InternalServerError", "Internal Server Error").await
            }
            End::Stopping => {
                self.line
                    .close(CLOSE_GOING_AWAY, "server restarts", LEAVE_TIMEOUT)
                    .await
            }
        }
    }

    /// Sends what comes until the subscription has to end.
    async fn serve(&mut self) -> End {
        let mut ping = tokio::time::interval(PING_INTERVAL);
        loop {
            let sent = tokio::select! {
                delivery = self.subscriber.next() => self.deliver(delivery).await,
                incoming = self.line.socket.recv() => self.received(incoming.as_ref()),
                _ = ping.tick() => self.ping().await,
                () = self.line.stop.cancelled() => Err(End::Stopping),
            };
            if let Err(end) = sent {
                return end;
            }
        }
    }

    async fn deliver(&mut self, delivery: Result<Delivery, StoreError>) -> Result<(), End> {
        let events = match delivery {
            Ok(Delivery::Events(events)) => events,
            Ok(Delivery::TooSlow) => return Err(End::TooSlow),
            Err(error) => return Err(End::Unreadable(error)),
        };
        self.listen()?;
        unless_outstayed(&mut self.subscriber, self.line.send_events(events)).await
    }

    async fn ping(&mut self) -> Result<(), End> {
        self.listen()?;
        if self.unanswered.is_some_and(|since| since.elapsed() > PONG_TIMEOUT) {
            return Err(End::Gone);
        }
        let ping = self.line.send(Message::Ping(axum::body::Bytes::new()));
        unless_outstayed(&mut self.subscriber, ping).await?;
        self.unanswered.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn received(&mut self, incoming: Option<&Result<Message, axum::Error>>) -> Result<(), End> {
        match incoming {
            None | Some(Err(_)) => Err(End::Gone),
            Some(Ok(Message::Close(_))) => Err(End::Left),
            Some(Ok(_)) => {
                self.unanswered = None;
                Ok(())
            }
        }
    }

    /// While a backfill keeps the connection busy, takes note of what has come in.
    fn listen(&mut self) -> Result<(), End> {
        while let Some(incoming) = self.line.socket.recv().now_or_never() {
            self.received(incoming.as_ref())?;
        }
        Ok(())
    }
}

/// Sends something, as long as the subscriber keeps its place from nobody for too long.
async fn unless_outstayed(
    subscriber: &mut Subscriber,
    sending: impl Future<Output = Result<(), Gone>>,
) -> Result<(), End> {
    tokio::select! {
        biased;
        sent = sending => Ok(sent?),
        () = subscriber.outstayed() => Err(End::TooSlow),
    }
}

/// A connection to a subscriber.
struct Line {
    socket: WebSocket,
    stop: CancellationToken,
}

impl Line {
    async fn send_events(&mut self, events: Vec<SequencedEvent>) -> Result<(), Gone> {
        for event in events {
            in_time(&self.stop, self.socket.feed(Message::Binary(event.frame))).await?;
        }
        in_time(&self.stop, self.socket.flush()).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        in_time(&self.stop, self.socket.send(message)).await
    }

    /// Sends an error frame and closes with the error's name as reason.
    async fn refuse(&mut self, error: &str, message: &str) -> Result<(), Gone> {
        self.send(Message::Binary(error_frame(error, message).into())).await?;
        self.close(CLOSE_POLICY, error, CLOSE_TIMEOUT).await
    }

    /// Sends a close frame and waits for the subscriber's. If the connection were closed at once, a pong on its way here would be answered
    /// with a reset, and the subscriber would lose what it has not read yet, the close frame above all.
    async fn close(&mut self, code: u16, reason: &str, patience: Duration) -> Result<(), Gone> {
        let frame = CloseFrame {
            code,
            reason: reason.to_owned().into(),
        };
        self.send(Message::Close(Some(frame))).await?;
        let until_closed = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(patience, until_closed).await;
        Ok(())
    }
}

/// Waits for a subscriber to take something: not for long while the server stops.
async fn in_time(stop: &CancellationToken, taken: impl Future<Output = Result<(), axum::Error>>) -> Result<(), Gone> {
    let mut taken = pin!(taken);
    let outcome = tokio::select! {
        biased;
        outcome = timeout(SEND_TIMEOUT, &mut taken) => outcome,
        () = stop.cancelled() => timeout(LEAVE_TIMEOUT, taken).await,
    };
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}

//! A reader of the firehose.

use std::time::Duration;

use atproto_repo::Frame;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

/// How long a test waits for an event that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open subscription.
pub(crate) struct Firehose {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// A frame that came before anybody asked for one.
    early: Option<Vec<u8>>,
}

impl Firehose {
    /// Subscribes; the cursor is sent as it is.
    pub(crate) async fn connect(address: &str, cursor: Option<&str>) -> Firehose {
        let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        let url = format!("ws://{address}/xrpc/com.atproto.sync.subscribeRepos{cursor}");
        Firehose {
            socket: connect_async(url).await.unwrap().0,
            early: None,
        }
    }

    /// Subscribes over a connection that takes little at a time.
    pub(crate) async fn connect_with_small_buffer(address: &str, cursor: Option<i64>) -> Firehose {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = MaybeTlsStream::Plain(socket.connect(address.parse().unwrap()).await.unwrap());
        let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        let url = format!("ws://{address}/xrpc/com.atproto.sync.subscribeRepos{cursor}");
        Firehose {
            socket: client_async(url, stream).await.unwrap().0,
            early: None,
        }
    }

    /// Sends a message, which no reader has to.
    pub(crate) async fn send(&mut self, message: Vec<u8>) -> Result<(), Error> {
        self.socket.send(Message::Binary(message.into())).await
    }

    /// The next frame; nothing once the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let bytes = self.next_bytes().await?;
        Some(Frame::decode(&bytes).unwrap())
    }

    /// The next frame, which must come.
    pub(crate) async fn frame(&mut self) -> Frame {
        self.next().await.expect("the firehose goes on")
    }

    /// Waits until the subscription has its place: the server pings at once, and answers the handshake before.
    pub(super) async fn begun(&mut self) {
        match self.message().await {
            Some(Ok(Message::Ping(_))) => {}
            Some(Ok(Message::Binary(frame))) => self.early = Some(frame.to_vec()),
            other => panic!("a subscription begins with {other:?}"),
        }
    }

    /// The next frame as it came; nothing once the connection has ended.
    pub(crate) async fn next_bytes(&mut self) -> Option<Vec<u8>> {
        if let Some(frame) = self.early.take() {
            return Some(frame);
        }
        loop {
            match self.message().await? {
                Ok(Message::Binary(frame)) => return Some(frame.to_vec()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(other) => panic!("the firehose sends {other:?}"),
            }
        }
    }

    /// Reads to the end; the code of the close frame there.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        while let Some(Ok(message)) = self.message().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    }

    async fn message(&mut self) -> Option<Result<Message, Error>> {
        let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        message.expect("a message comes in time")
    }

    /// The error frame that a refused subscription gets, after which the connection must end.
    pub(crate) async fn error(&mut self) -> String {
        let Frame::Error { error, .. } = self.frame().await else {
            panic!("an error frame comes")
        };
        assert_eq!(self.next().await, None, "the connection ends after an error");
        error
    }
}

/// The seq of an event.
pub(crate) fn seq(frame: &Frame) -> i64 {
    match frame {
        Frame::Commit(commit) => commit.seq,
        Frame::Sync { seq, .. } | Frame::Identity { seq, .. } | Frame::Account { seq, .. } => *seq,
        Frame::Info { .. } | Frame::Error { .. } => panic!("{frame:?} has no seq"),
    }
}

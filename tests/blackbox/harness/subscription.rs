//! A reader of the firehose.

use std::time::Duration;

use atproto_repo::Frame;
use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long a test waits for an event that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open subscription.
pub(crate) struct Firehose {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Firehose {
    /// Subscribes; the cursor is sent as it is.
    pub(crate) async fn connect(address: &str, cursor: Option<&str>) -> Firehose {
        Firehose::try_connect(address, cursor).await.unwrap()
    }

    pub(crate) async fn try_connect(address: &str, cursor: Option<&str>) -> Result<Firehose, Error> {
        let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        let url = format!("ws://{address}/xrpc/com.atproto.sync.subscribeRepos{cursor}");
        Ok(Firehose {
            socket: connect_async(url).await?.0,
        })
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

    async fn next_bytes(&mut self) -> Option<Vec<u8>> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match message.expect("an event comes in time")? {
                Ok(Message::Binary(frame)) => return Some(frame.to_vec()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(other) => panic!("the firehose sends {other:?}"),
            }
        }
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

//! The end of a connection whose client is still sending.
//!
//! A socket that is closed with bytes unread is reset, and the reset destroys what the client has not read yet: most often the answer that
//! says why its body was refused. So the writing side is closed first, and what still comes is thrown away until the client closes its own
//! ([RFC 9112 §9.6](https://www.rfc-editor.org/rfc/rfc9112#section-9.6)).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The most bytes thrown away: more than any body may have, so that clients that read nothing before they have sent all get their answer.
const MAX_BYTES: u64 = 256 << 20;
/// The longest time it may take.
const MAX_TIME: Duration = Duration::from_secs(30);
/// A client that sends nothing for so long has had its answer.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Bytes thrown away at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A stream that comes back when whoever got it is done with it.
pub(super) struct LentStream {
    stream: Option<TcpStream>,
    back: Option<oneshot::Sender<TcpStream>>,
}

impl LentStream {
    /// Lends a stream; it comes back through the receiver.
    pub(super) fn new(stream: TcpStream) -> (LentStream, oneshot::Receiver<TcpStream>) {
        let (back, returned) = oneshot::channel();
        let lent = LentStream {
            stream: Some(stream),
            back: Some(back),
        };
        (lent, returned)
    }

    /// The stream, which is there until this is dropped.
    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream
            .as_mut()
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for LentStream {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            // A connection that became a WebSocket outlives the server's part in it.
            let _ = back.send(stream);
        }
    }
}

/// Closes the writing side and reads until the client has closed its own, within bounds.
pub(super) async fn linger(mut stream: TcpStream) {
    let wait = async {
        stream.shutdown().await?;
        let mut rest = stream.take(MAX_BYTES);
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(length) = timeout(MAX_PAUSE, rest.read(&mut piece)).await {
            if length? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    // Nobody is left who could be told that it failed.
    let _ = timeout(MAX_TIME, wait).await;
}

impl AsyncRead for LentStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for LentStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

//! What nobody has read of a request's body is read and thrown away before the answer goes out.
//!
//! An HTTP/1 connection that is closed with bytes unread is reset, and the client, still sending, never sees why it was refused; and one
//! that is closed without a word breaks the client's next request on it ([RFC 9112 §9.6](https://www.rfc-editor.org/rfc/rfc9112#section-9.6)).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::timeout;

/// The most bytes thrown away so that the connection goes on: a blob or a CAR that is a little too large, no more. Beyond, it ends, but not
/// before the client has its answer (`linger`).
const MAX_DRAINED: usize = 8 << 20;
/// The longest time it may take.
const MAX_TIME: Duration = Duration::from_secs(5);

/// Drains the body behind the handler, or announces that the connection will be closed.
pub(in crate::server) async fn drain<F: Future<Output = Response>>(
    request: Request,
    rest: impl FnOnce(Request) -> F,
) -> Response {
    // HTTP/2 ends a stream without ending its connection. A client that waits for `100 Continue` sends nothing unasked.
    let is_waiting = request.headers().contains_key(header::EXPECT);
    if request.body().is_end_stream() || request.version() >= Version::HTTP_2 {
        return rest(request).await;
    }
    let (back, mut returned) = oneshot::channel();
    let request = request.map(|body| Body::new(Lent { body, back: Some(back) }));
    let mut response = rest(request).await;
    let ends = match returned.try_recv() {
        Ok(unread) => is_waiting || !is_drained(unread).await,
        // Somebody still has it, and will not read to its end what was answered already.
        Err(TryRecvError::Empty) => true,
        Err(TryRecvError::Closed) => false,
    };
    if ends {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn is_drained(mut rest: Body) -> bool {
    if rest.size_hint().lower() > MAX_DRAINED as u64 {
        return false;
    }
    let mut rest = Limited::new(&mut rest, MAX_DRAINED);
    let all = async {
        while let Some(frame) = rest.frame().await {
            if frame.is_err() {
                return false;
            }
        }
        true
    };
    timeout(MAX_TIME, all).await.unwrap_or(false)
}

/// A body that comes back when whoever got it is done with it before its end.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take()
            && !self.body.is_end_stream()
        {
            // Nobody waits for it any more if the client has gone.
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}

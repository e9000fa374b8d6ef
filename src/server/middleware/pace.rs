//! Bodies that come too slowly are cut off, so that they cannot hold a connection for ever.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// A body may make us wait this long altogether…
const GRACE: Duration = Duration::from_secs(30);
/// …and one second more for every so many bytes.
const BYTES_PER_SECOND: u64 = 4 * 1024;

/// The error of a body that came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the request body came too slowly")]
pub(in crate::server) struct TooSlow;

/// Puts a pace on the request's body.
pub(in crate::server) fn pace(request: Request) -> Request {
    request.map(|body| {
        if body.is_end_stream() {
            body
        } else {
            Body::new(Paced::new(body))
        }
    })
}

/// A body with a bound on the time that it makes its reader wait. Time that the reader takes for itself does not count.
struct Paced {
    body: Body,
    received: u64,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Paced {
    fn new(body: Body) -> Self {
        Self {
            body,
            received: 0,
            waited: Duration::ZERO,
            waiting: None,
        }
    }

    fn allowance(&self) -> Duration {
        let earned = Duration::from_secs(self.received / BYTES_PER_SECOND);
        (GRACE + earned).saturating_sub(self.waited)
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some((since, _)) = self.waiting.take() {
                self.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                self.received += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let allowance = self.allowance();
        let (_, sleep) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + allowance)))
        });
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(BoxError::from(TooSlow)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::stream;
    use http_body_util::BodyExt;
    use tokio::time::advance;

    use super::*;

    /// A body of so many chunks of so many bytes, one after each pause.
    fn body(chunks: usize, bytes: usize, pause: Duration) -> Body {
        let stream = stream::unfold(chunks, move |left| async move {
            sleep_until(Instant::now() + pause).await;
            let next = left.checked_sub(1)?;
            Some((Ok::<_, std::io::Error>(vec![0; bytes]), next))
        });
        Body::new(Paced::new(Body::from_stream(stream)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_cut_off() {
        let started = Instant::now();
        let error = body(1_000, 1, Duration::from_secs(1)).collect().await.unwrap_err();
        assert!(
            std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<TooSlow>),
            "{error:?}"
        );
        assert_eq!(started.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_stream_may_take_long() {
        let bytes = body(600, 8 * 1024, Duration::from_secs(1))
            .collect()
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(bytes.len(), 600 * 8 * 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_its_time_is_not_blamed() {
        let mut body = body(3, 1, Duration::from_secs(1));
        for _ in 0..3 {
            assert!(body.frame().await.unwrap().is_ok());
            advance(Duration::from_secs(100)).await;
        }
        assert!(body.frame().await.is_none());
    }
}

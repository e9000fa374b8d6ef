//! Work that is done to its end, whether or not somebody waits for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

/// Runs where it is waited for, which saves the hop to a task of its own, and in such a task from the moment that it is waited for no more.
pub(crate) struct ToTheEnd<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> ToTheEnd<T> {
    /// This work.
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> ToTheEnd<T> {
        ToTheEnd(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Away meanwhile, so that work that panicked is not run on.
        let Some(mut work) = self.0.take() else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        if let Some(rest) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_done() {
        let (go, wait) = oneshot::channel::<()>();
        let (done, told) = oneshot::channel();
        let mut work = ToTheEnd::new(async move {
            wait.await.unwrap();
            done.send(7).unwrap();
        });
        assert!((&mut work).now_or_never().is_none(), "it waits");
        drop(work);
        go.send(()).unwrap();
        assert_eq!(told.await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_is_waited_for_is_done_once() {
        assert_eq!(ToTheEnd::new(async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn work_that_panicked_is_not_run_on() {
        let work = ToTheEnd::new(async { panic!("once") });
        let caught = std::panic::AssertUnwindSafe(work).catch_unwind().await;
        assert!(caught.is_err());
    }
}

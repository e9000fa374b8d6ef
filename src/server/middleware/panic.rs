//! A handler that panics is answered with 500; the server lives on.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;

use crate::server::error::XrpcError;

/// Answers for what panics.
pub(in crate::server) async fn isolate(rest: impl Future<Output = Response>) -> Response {
    // What it was doing is dropped: nobody sees it half done.
    AssertUnwindSafe(rest).catch_unwind().await.unwrap_or_else(answer)
}

/// Logs the panic and answers 500 `InternalServerError`.
#[expect(clippy::needless_pass_by_value, reason = "what is caught comes so")]
fn answer(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    crate::observe::metrics::HTTP_PANICS.increment([]);
    tracing::error!(panic = text.unwrap_or("of unknown cause"), "a handler panicked");
    XrpcError::internal_silent().into_response()
}

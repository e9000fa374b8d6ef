//! Who sends forms too often waits: a code must not be found by trying.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::page::{Page, language};
use crate::app::App;
use crate::mail::Language;
use crate::server::Meter;
use crate::xrpc::limits::RESET_PASSWORD;

/// Counts every form on the limits of `resetPassword`.
pub(super) async fn limit_forms(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method == Method::POST && Meter::of(&parts).count_page(RESET_PASSWORD).is_err() {
        let language = language(&parts.headers);
        let (title, words) = match language {
            Language::English => ("Too often", "That was tried too often. Please wait a few minutes."),
            Language::German => ("Zu oft", "Das wurde zu oft versucht. Bitte warte ein paar Minuten."),
        };
        let page = Page::new(title, language, app.mail.branding());
        return page.status(StatusCode::TOO_MANY_REQUESTS).words(words).into_response();
    }
    next.run(Request::from_parts(parts, body)).await
}

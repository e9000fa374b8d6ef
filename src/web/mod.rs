//! Pages for people: those that the links in mails lead to. They set no cookies and run no scripts.

mod confirm_email;
mod form;
mod pace;
mod page;
mod reset_password;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use crate::app::App;
use crate::mail::{CONFIRM_EMAIL_PAGE, RESET_PASSWORD_PAGE};

/// Where password managers look for the page that changes a password
/// ([Change Password URL](https://w3c.github.io/webappsec-change-password-url/)).
const CHANGE_PASSWORD: &str = "/.well-known/change-password";

/// All pages; they are served on the server's hostname only.
pub(crate) fn pages(app: &Arc<App>) -> Router {
    Router::new()
        .route(
            CHANGE_PASSWORD,
            get(async || (StatusCode::FOUND, [(header::LOCATION, RESET_PASSWORD_PAGE)])),
        )
        .route(
            CONFIRM_EMAIL_PAGE,
            get(confirm_email::show).post(confirm_email::confirm),
        )
        .route(
            RESET_PASSWORD_PAGE,
            get(reset_password::show).post(reset_password::reset),
        )
        .route_layer(from_fn_with_state(Arc::clone(app), pace::limit_forms))
        .with_state(Arc::clone(app))
}

//! Pages for people: those that the links in mails lead to. They set no cookies and run no scripts.

mod confirm_email;
mod form;
mod page;
mod reset_password;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::app::App;
use crate::mail::{CONFIRM_EMAIL_PAGE, RESET_PASSWORD_PAGE};

/// All pages; they are served on the server's hostname only.
pub(crate) fn pages(app: &Arc<App>) -> Router {
    Router::new()
        .route(
            CONFIRM_EMAIL_PAGE,
            get(confirm_email::show).post(confirm_email::confirm),
        )
        .route(
            RESET_PASSWORD_PAGE,
            get(reset_password::show).post(reset_password::reset),
        )
        .with_state(Arc::clone(app))
}

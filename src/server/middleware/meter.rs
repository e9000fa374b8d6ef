//! Gives every request its meter, and tells the answer's client how it stands.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::server::application::Application;

pub(in crate::server) async fn measure<S: Application>(
    State(app): State<Arc<S>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let meter = app.limiter().meter(&parts);
    parts.extensions.insert(meter.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    meter.tell(response.headers_mut());
    response
}

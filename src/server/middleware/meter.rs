//! Gives every request its meter, and tells the answer's client how it stands.

use axum::extract::Request;
use axum::response::Response;

use crate::server::application::Application;

pub(in crate::server) async fn measure<S: Application, F: Future<Output = Response>>(
    app: &S,
    request: Request,
    rest: impl FnOnce(Request) -> F,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let meter = app.limiter().meter(&parts);
    parts.extensions.insert(meter.clone());
    let mut response = rest(Request::from_parts(parts, body)).await;
    meter.tell(response.headers_mut());
    response
}

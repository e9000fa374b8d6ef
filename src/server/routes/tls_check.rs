//! `GET /tls-check?domain=…`: whether a reverse proxy may get a certificate for a domain (Caddy's on-demand TLS asks this).

use std::sync::Arc;

use atproto_data::Handle;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::json;

use crate::server::application::Application;
use crate::server::error::{XrpcError, XrpcResult};
use crate::server::respond;

pub(in crate::server) async fn tls_check<S: Application>(
    State(app): State<Arc<S>>,
    RawQuery(query): RawQuery,
) -> XrpcResult {
    let domain = single_domain(query.as_deref().unwrap_or_default())
        .ok_or_else(|| XrpcError::invalid_request("bad or missing domain query param"))?;
    let site = app.site();
    if domain == site.hostname {
        return granted();
    }
    if !site
        .handle_domains
        .iter()
        .any(|suffix| domain.ends_with(suffix.as_str()))
    {
        return Err(XrpcError::invalid_request("handles are not provided on this domain"));
    }
    let did = match domain.parse::<Handle>() {
        Ok(handle) => app.did_of_handle(&handle).await?,
        Err(_) => None,
    };
    did.map_or_else(
        || Err(XrpcError::not_found("handle not found for this domain")),
        |_| granted(),
    )
}

fn granted() -> Result<Response, XrpcError> {
    respond::json(&json!({ "success": true }))
}

/// The parameter `domain`, if it is there once and not empty.
fn single_domain(query: &str) -> Option<String> {
    let mut domains = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "domain");
    match (domains.next(), domains.next()) {
        (Some((_, domain)), None) if !domain.is_empty() => Some(domain.to_ascii_lowercase()),
        _ => None,
    }
}

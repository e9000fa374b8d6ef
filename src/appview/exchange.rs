//! Sending a call to a service and waiting for its answer to begin.

use atproto_data::{Nsid, Tid};
use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode};
use futures_util::StreamExt as _;
use http_body_util::Limited;
use reqwest::{RequestBuilder, Response};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::service::{Chosen, Service};
use super::{AppView, answer, headers};
use crate::server::XrpcError;
use crate::server::body::streaming_fault;

/// The largest body that is passed on, in bytes. It is not kept in memory.
const MAX_BODY_BYTES: usize = 128 << 20;

/// Says up to which rev the AppView has seen the repo of the account that asks.
pub const REPO_REV: &str = "atproto-repo-rev";

/// A call on its way out.
pub struct Outgoing<'a> {
    /// GET, HEAD or POST.
    pub verb: Method,
    /// The method.
    pub nsid: &'a Nsid,
    /// The query string as the client wrote it.
    pub query: Option<&'a str>,
    /// Headers, from [`passed_on`](super::passed_on).
    pub headers: HeaderMap,
    /// The service token of the account for which we call; none for anonymous calls.
    pub token: Option<String>,
}

/// An answer with a status of success, of which the headers have come. Dropping it ends the call.
pub struct Reply {
    pub(super) response: Response,
    /// Given back when the answer has been read or passed on.
    pub(super) _slot: OwnedSemaphorePermit,
}

impl Reply {
    /// The rev of the account's repo that the AppView has seen, if the answer is JSON and says so.
    pub fn repo_rev(&self) -> Option<Tid> {
        let headers = self.response.headers();
        let rev = headers.get(REPO_REV).filter(|_| answer::is_json(headers))?;
        rev.to_str().ok()?.parse().ok()
    }
}

impl AppView {
    /// Sends a call without a body.
    ///
    /// # Errors
    /// The service's own error, 502, 504, or 503 if too many calls are under way.
    pub async fn call(&self, service: &Service, call: &Outgoing<'_>) -> Result<Reply, XrpcError> {
        let slot = self.slot(service)?;
        let mut retries = self.settings.proxy.max_retries;
        loop {
            let sent = timeout(self.settings.proxy.headers_timeout, self.request(service, call)?.send()).await;
            match sent {
                Err(_) => return Err(too_slow()),
                // The connection failed, not the service: asking again does no harm.
                Ok(Err(error)) if retries > 0 && !error.is_timeout() => {
                    tracing::debug!(%error, "asking a service again");
                    retries -= 1;
                }
                Ok(sent) => return self.admit(sent.map_err(|error| unreachable(&error))?, slot).await,
            }
        }
    }

    /// Sends a call with the body of a client's request, as it comes.
    ///
    /// # Errors
    /// As [`Self::call`]; 413 or 408 for the body.
    pub async fn call_with_body(
        &self,
        service: &Service,
        call: &Outgoing<'_>,
        client: &HeaderMap,
        body: Body,
    ) -> Result<Reply, XrpcError> {
        let slot = self.slot(service)?;
        // Dropped with the body, when all of it has been taken.
        let (taken, progress) = watch::channel(());
        let stream = Body::new(Limited::new(body, MAX_BODY_BYTES))
            .into_data_stream()
            .inspect(move |_| taken.send_modify(|()| {}));
        let request = self
            .request(service, call)?
            .headers(headers::of_request_body(client))
            .body(reqwest::Body::wrap_stream(stream));
        tokio::select! {
            biased;
            answer = request.send() => self.admit(answer.map_err(|error| unreachable(&error))?, slot).await,
            () = self.patience(progress) => Err(too_slow()),
        }
    }

    /// Sends a call with a JSON body.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_with_json(
        &self,
        service: &Service,
        call: &Outgoing<'_>,
        json: Vec<u8>,
    ) -> Result<Reply, XrpcError> {
        let slot = self.slot(service)?;
        let request = self
            .request(service, call)?
            .header("content-type", "application/json")
            .body(json);
        let sent = timeout(self.settings.proxy.headers_timeout, request.send()).await;
        self.admit(
            sent.map_err(|_| too_slow())?.map_err(|error| unreachable(&error))?,
            slot,
        )
        .await
    }

    /// Lasts while a body is being taken, and then as long as an answer may take to begin.
    async fn patience(&self, mut progress: watch::Receiver<()>) {
        loop {
            match timeout(self.settings.proxy.body_timeout, progress.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => break,
                Err(_) => return,
            }
        }
        let _ = timeout(self.settings.proxy.headers_timeout, std::future::pending::<()>()).await;
    }

    fn slot(&self, service: &Service) -> Result<OwnedSemaphorePermit, XrpcError> {
        let slots = match service.chosen {
            Chosen::ByOperator => &self.direct_slots,
            Chosen::ByCaller => &self.guarded_slots,
        };
        slots.clone().try_acquire_owned().map_err(|_| {
            XrpcError::not_enough_resources("Too many calls of other services are under way: try again in a moment")
        })
    }

    fn request(&self, service: &Service, call: &Outgoing<'_>) -> Result<RequestBuilder, XrpcError> {
        let url = service.address(call.nsid, call.query);
        let request = match service.chosen {
            Chosen::ByOperator => self.direct.request(call.verb.clone(), url),
            Chosen::ByCaller => self.guarded.request(call.verb.clone(), url.as_str()).map_err(|error| {
                tracing::info!(%error, %url, "a service that a caller named is not called");
                unreachable_service()
            })?,
        };
        let request = request.headers(call.headers.clone());
        Ok(match &call.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// Lets answers of success through and turns others into errors.
    async fn admit(&self, response: Response, slot: OwnedSemaphorePermit) -> Result<Reply, XrpcError> {
        let status = response.status();
        if status.is_success() {
            return Ok(Reply { response, _slot: slot });
        }
        if status.is_client_error() || status.is_server_error() {
            let proxy = &self.settings.proxy;
            return Err(answer::error(response, proxy.max_response_bytes, proxy.body_timeout).await);
        }
        // Redirects are not for clients to follow, and nothing else is an answer.
        Err(XrpcError::upstream_failure("Upstream service gave no answer"))
    }
}

fn unreachable(error: &reqwest::Error) -> XrpcError {
    if let Some(fault) = streaming_fault(error) {
        return fault;
    }
    tracing::info!(%error, "a service cannot be reached");
    unreachable_service()
}

fn unreachable_service() -> XrpcError {
    XrpcError::upstream_failure("Upstream service unreachable")
}

pub(super) fn too_slow() -> XrpcError {
    XrpcError::new(
        StatusCode::GATEWAY_TIMEOUT,
        "UpstreamTimeout",
        "Upstream service does not answer in time",
    )
}

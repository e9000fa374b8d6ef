//! Sending a call to a service and waiting for its answer to begin.

use std::sync::Arc;
use std::time::Duration;

use atproto_data::{Did, Nsid, Tid};
use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode};
use futures_util::StreamExt as _;
use http_body_util::Limited;
use reqwest::{RequestBuilder, Response};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::capacity::Place;
use super::service::{Chosen, Service};
use super::{AppView, answer, headers};
use crate::observe::{CallOutcome, Service as Observed, UpstreamCall};
use crate::server::XrpcError;
use crate::server::body::streaming_fault;

/// The largest body that is passed on, in bytes. It is not kept in memory.
const MAX_BODY_BYTES: usize = 128 << 20;
/// How long a body may take to be passed on, however steadily it trickles.
const MAX_BODY_TIME: Duration = Duration::from_mins(10);

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
    pub token: Option<Arc<str>>,
    /// The account that asks, on which the call counts; none if nobody has logged in.
    pub caller: Option<&'a Did>,
}

/// Why no answer began.
#[derive(Debug)]
enum Unanswered {
    /// The service took too long.
    TooSlow,
    /// The request's body was not sent: its client or the service stopped taking part.
    Stalled,
    /// The connection failed, or the request's body.
    Failed(reqwest::Error),
}

/// An answer with a status of success, of which the headers have come. Dropping it ends the call.
pub struct Reply {
    pub(super) response: Response,
    /// What has been read of its body.
    pub(super) begun: Vec<u8>,
    /// Given back when the answer has been read or passed on.
    pub(super) place: Place,
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
    /// The service's own error, 502, 504; 429 if too many calls of the account are under way, 503 if too many of all.
    pub async fn call(&self, service: &Service, call: &Outgoing<'_>) -> Result<Reply, XrpcError> {
        let place = self.place(service, call)?;
        let mut retries = self.settings.proxy.max_retries;
        loop {
            match self.send(service, self.within_time(self.request(service, call)?)).await {
                // The connection failed, not the service: asking again does no harm.
                Err(Unanswered::Failed(error)) if retries > 0 && !error.is_timeout() => {
                    tracing::debug!(%error, "asking a service again");
                    retries -= 1;
                }
                sent => return self.admit(sent?, place).await,
            }
        }
    }

    /// Sends a call with the body of a client's request, as it comes.
    ///
    /// # Errors
    /// As [`Self::call`]; 413, 408 or 400 for the body.
    pub async fn call_with_body(
        &self,
        service: &Service,
        call: &Outgoing<'_>,
        client: &HeaderMap,
        body: Body,
    ) -> Result<Reply, XrpcError> {
        let place = self.place(service, call)?;
        // Dropped with the body, when all of it has been taken.
        let (taken, progress) = watch::channel(());
        let stream = Body::new(Limited::new(body, MAX_BODY_BYTES))
            .into_data_stream()
            .inspect(move |_| taken.send_modify(|()| {}));
        let request = self
            .request(service, call)?
            .headers(headers::of_request_body(client))
            .body(reqwest::Body::wrap_stream(stream));
        let sending = async {
            tokio::select! {
                biased;
                sent = request.send() => sent.map_err(Unanswered::Failed),
                impatience = self.patience(progress) => Err(impatience),
            }
        };
        self.admit(self.send(service, sending).await?, place).await
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
        let place = self.place(service, call)?;
        let request = self
            .request(service, call)?
            .header("content-type", "application/json")
            .body(json);
        let sent = self.send(service, self.within_time(request)).await?;
        self.admit(sent, place).await
    }

    /// Finds out whether an AppView that was down answers again.
    pub async fn probe(&self) {
        let Some(appview) = self.appview().filter(|_| self.is_down()) else {
            return;
        };
        let Ok(service) = self.configured(appview) else {
            return;
        };
        let request = self.direct.get(service.address("_health", None));
        // What it means is told by `send`.
        let _ = self.send(&service, self.within_time(request)).await;
    }

    /// Sends a request, and counts and remembers how that ended.
    async fn send(
        &self,
        service: &Service,
        sending: impl Future<Output = Result<Response, Unanswered>>,
    ) -> Result<Response, Unanswered> {
        let call = UpstreamCall::begin(service.observed());
        let sent = sending.await;
        if let Some(outcome) = outcome(&sent) {
            call.ends(outcome);
            if service.observed() == Observed::AppView {
                self.outage.note(outcome, Instant::now());
            }
        }
        sent
    }

    async fn within_time(&self, request: RequestBuilder) -> Result<Response, Unanswered> {
        let sent = timeout(self.settings.proxy.headers_timeout, request.send()).await;
        sent.map_err(|_| Unanswered::TooSlow)?.map_err(Unanswered::Failed)
    }

    /// Lasts while a body is being taken, and then as long as an answer may take to begin.
    async fn patience(&self, mut progress: watch::Receiver<()>) -> Unanswered {
        let end = Instant::now() + MAX_BODY_TIME;
        loop {
            match timeout_at(end, timeout(self.settings.proxy.body_timeout, progress.changed())).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(_))) => break,
                Ok(Err(_)) | Err(_) => return Unanswered::Stalled,
            }
        }
        let _ = timeout(self.settings.proxy.headers_timeout, std::future::pending::<()>()).await;
        Unanswered::TooSlow
    }

    fn place(&self, service: &Service, call: &Outgoing<'_>) -> Result<Place, XrpcError> {
        let capacity = match service.chosen {
            Chosen::ByOperator(_) => &self.direct_capacity,
            Chosen::ByCaller => &self.guarded_capacity,
        };
        capacity.place(call.caller)
    }

    fn request(&self, service: &Service, call: &Outgoing<'_>) -> Result<RequestBuilder, XrpcError> {
        let url = service.address(call.nsid.as_str(), call.query);
        let request = match service.chosen {
            Chosen::ByOperator(_) => self.direct.request(call.verb.clone(), url),
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
    async fn admit(&self, response: Response, place: Place) -> Result<Reply, XrpcError> {
        let status = response.status();
        let reply = Reply {
            response,
            begun: Vec::new(),
            place,
        };
        if status.is_success() {
            return Ok(reply);
        }
        if status.is_client_error() || status.is_server_error() {
            let proxy = &self.settings.proxy;
            return Err(answer::error(reply, proxy.max_response_bytes, proxy.body_timeout).await);
        }
        // Redirects are not for clients to follow, and nothing else is an answer.
        Err(XrpcError::upstream_failure("Upstream service gave no answer"))
    }
}

impl From<Unanswered> for XrpcError {
    fn from(unanswered: Unanswered) -> XrpcError {
        match unanswered {
            Unanswered::TooSlow | Unanswered::Stalled => too_slow(),
            Unanswered::Failed(error) => streaming_fault(&error).unwrap_or_else(|| {
                tracing::info!(%error, "a service cannot be reached");
                unreachable_service()
            }),
        }
    }
}

/// What the end of a call says of the service; none if it is the client's doing.
fn outcome(sent: &Result<Response, Unanswered>) -> Option<CallOutcome> {
    match sent {
        // It works, and does not know the method.
        Ok(response) if response.status() == StatusCode::NOT_IMPLEMENTED => Some(CallOutcome::ClientError),
        Ok(response) => Some(CallOutcome::of_status(response.status().as_u16())),
        Err(Unanswered::TooSlow) => Some(CallOutcome::Timeout),
        Err(Unanswered::Stalled) => None,
        Err(Unanswered::Failed(error)) if streaming_fault(error).is_some() => None,
        Err(Unanswered::Failed(error)) => Some(CallOutcome::of_error(error)),
    }
}

fn unreachable_service() -> XrpcError {
    XrpcError::upstream_failure("Upstream service unreachable")
}

/// 504: a service did not answer in time.
pub fn too_slow() -> XrpcError {
    XrpcError::new(
        StatusCode::GATEWAY_TIMEOUT,
        "UpstreamTimeout",
        "Upstream service does not answer in time",
    )
}

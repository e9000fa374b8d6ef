//! The one HTTP client for addresses that a user chose.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::builder::client_builder;
use super::checked_names::CheckedNames;
use super::dns::Dns;
use super::target::{self, Reach, Refusal};
use crate::causes::causes;
use crate::observe::{CallOutcome, Service, UpstreamCall};

/// How long a host may take to open a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept, and how many to one host.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
const MAX_IDLE_PER_HOST: usize = 16;
/// The most fetches at a time; further ones wait within their own deadline.
const MAX_FETCHES: usize = 64;

/// Reaches what users name: https only, public addresses only (checked in the URL and, after DNS, when connecting), no proxies, no
/// redirects. Cheap to clone.
#[derive(Clone)]
pub struct GuardedClient {
    http: Client,
    reach: Reach,
    fetches: Arc<Semaphore>,
}

/// The bounds of a fetch.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// The most bytes of the answer's body.
    pub max_bytes: usize,
    /// How long everything may take together.
    pub deadline: Duration,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// HTTP status; redirects are not followed.
    pub status: StatusCode,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The whole body, encoded as the headers say.
    pub body: Vec<u8>,
}

/// Why an address gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such host, or no connection to it.
    #[error("the address cannot be reached")]
    Unreachable,
    /// The answer did not come in time.
    #[error("the address does not answer in time")]
    Timeout,
    /// The answer is larger than the limit.
    #[error("the answer is too large")]
    TooLarge,
    /// The answer broke off or is no HTTP.
    #[error("the answer cannot be read")]
    Broken,
}

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the client for outgoing requests cannot be built: {0}")]
pub struct GuardedClientError(#[from] reqwest::Error);

impl GuardedClient {
    /// A client that goes as far as `reach` and asks `dns` for addresses, over HTTP/1.1.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(reach: Reach, dns: Arc<dyn Dns>) -> Result<GuardedClient, GuardedClientError> {
        GuardedClient::build(client_builder().http1_only(), reach, dns)
    }

    /// As [`Self::new`], over HTTP/2 with those who offer it.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn with_http2(reach: Reach, dns: Arc<dyn Dns>) -> Result<GuardedClient, GuardedClientError> {
        GuardedClient::build(client_builder(), reach, dns)
    }

    fn build(builder: ClientBuilder, reach: Reach, dns: Arc<dyn Dns>) -> Result<GuardedClient, GuardedClientError> {
        let http = builder
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .dns_resolver(Arc::new(CheckedNames { dns, reach }))
            .build()?;
        Ok(GuardedClient {
            http,
            reach,
            fetches: Arc::new(Semaphore::new(MAX_FETCHES)),
        })
    }

    /// Gets what is at an address, whole. `accept` is the media type asked for.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn get(&self, address: &str, accept: &str, limits: FetchLimits) -> Result<Fetched, FetchError> {
        let request = self.request(Method::GET, address)?.header("accept", accept);
        self.fetch(request, limits).await
    }

    /// Sends a request made with [`Self::request`] and reads the whole answer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn fetch(&self, request: RequestBuilder, limits: FetchLimits) -> Result<Fetched, FetchError> {
        let fetch = async {
            // The semaphore is never closed, so that this always is a permit.
            let _permit = self.fetches.acquire().await;
            let response = request.send().await.map_err(|error| failure(&error))?;
            read(response, limits.max_bytes).await
        };
        let call = UpstreamCall::begin(Service::Identity);
        let fetched = timeout(limits.deadline, fetch)
            .await
            .unwrap_or(Err(FetchError::Timeout));
        call.ends(match &fetched {
            Ok(answer) => CallOutcome::of_status(answer.status.as_u16()),
            Err(FetchError::Timeout) => CallOutcome::Timeout,
            Err(FetchError::Unreachable) => CallOutcome::Unreachable,
            Err(FetchError::Refused(_)) => CallOutcome::ClientError,
            Err(_) => CallOutcome::ServerError,
        });
        fetched
    }

    /// A request to an address, checked as far as it can be before connecting. It has no deadline: whoever sends it sets one.
    ///
    /// # Errors
    /// Why nothing may be sent there.
    pub fn request(&self, verb: Method, address: &str) -> Result<RequestBuilder, FetchError> {
        let url = target::check(address, self.reach)?;
        Ok(self.http.request(verb, url))
    }

    /// How far this client goes.
    pub fn reach(&self) -> Reach {
        self.reach
    }
}

async fn read(mut response: Response, max_bytes: usize) -> Result<Fetched, FetchError> {
    if response
        .content_length()
        .is_some_and(|length| length > max_bytes as u64)
    {
        return Err(FetchError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| FetchError::Broken)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched {
        status: response.status(),
        headers: response.headers().clone(),
        body,
    })
}

fn failure(error: &reqwest::Error) -> FetchError {
    if let Some(refusal) = refusal(error) {
        FetchError::Refused(refusal)
    } else if error.is_timeout() {
        FetchError::Timeout
    } else if error.is_connect() {
        FetchError::Unreachable
    } else {
        FetchError::Broken
    }
}

/// The refusal of an address when connecting, which the client wraps several times.
fn refusal(error: &(dyn Error + 'static)) -> Option<Refusal> {
    causes(error).find_map(|cause| cause.downcast_ref::<Refusal>()).copied()
}

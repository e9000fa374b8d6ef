//! A relay as it is asked: `com.atproto.sync.requestCrawl` and `com.atproto.sync.getHostStatus`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::observe::{CallOutcome, Outage, Service, UpstreamCall};
use crate::outbound::client_builder;

/// How long a relay may take to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take to answer: asked to crawl, it first asks us back.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The most bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// The most characters of a relay's message that are passed on.
const MAX_MESSAGE: usize = 300;

/// A relay. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Relay {
    http: Client,
    url: String,
    outage: Arc<Outage>,
}

/// What a relay says of a host that it crawls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostStatus {
    /// Seq of the last event that it has of the host.
    #[serde(default)]
    pub seq: Option<i64>,
    /// How many accounts it counts there.
    #[serde(default)]
    pub account_count: Option<u64>,
    /// `active`, `idle`, `offline`, `throttled` or `banned`.
    #[serde(default)]
    pub status: Option<String>,
}

/// Why a relay did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// It could not be asked, did not answer in time, or failed.
    #[error("it cannot be asked at the moment: {0}")]
    Unavailable(String),
    /// It refused (4xx).
    #[error("it refused ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said, shortened.
        message: String,
    },
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    message: String,
}

impl Relay {
    /// The relays at these addresses, `http(s)` URLs without `/` at the end (`PDS_CRAWLERS`).
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn all(urls: &[String]) -> Result<Vec<Relay>, reqwest::Error> {
        let http = client_builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()?;
        let relay = |url: &String| Relay {
            http: http.clone(),
            url: url.clone(),
            outage: Arc::default(),
        };
        Ok(urls.iter().map(relay).collect())
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it has not answered for a while.
    pub fn is_down(&self) -> bool {
        self.outage.lasts()
    }

    /// Asks it to crawl the host `hostname`.
    ///
    /// # Errors
    /// If it does not say yes.
    pub async fn request_crawl(&self, hostname: &str) -> Result<(), RelayError> {
        let url = format!("{}/xrpc/com.atproto.sync.requestCrawl", self.url);
        let request = self.http.post(url).json(&json!({ "hostname": hostname }));
        let (status, body) = self.ask(request).await?;
        if status.is_success() {
            return Ok(());
        }
        Err(refused(status, &body))
    }

    /// What it says of the host `hostname`; none if it does not know it.
    ///
    /// # Errors
    /// If it does not answer, or says what nobody understands.
    pub async fn host_status(&self, hostname: &str) -> Result<Option<HostStatus>, RelayError> {
        let url = format!("{}/xrpc/com.atproto.sync.getHostStatus", self.url);
        let (status, body) = self.ask(self.http.get(url).query(&[("hostname", hostname)])).await?;
        if status.is_success() {
            return match serde_json::from_slice(&body) {
                Ok(found) => Ok(Some(found)),
                Err(error) => Err(RelayError::Unavailable(format!("its answer is wrong: {error}"))),
            };
        }
        let refusal = serde_json::from_slice::<Refusal>(&body);
        if refusal.is_ok_and(|refusal| refusal.error == "HostNotFound") {
            return Ok(None);
        }
        Err(refused(status, &body))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), RelayError> {
        let call = UpstreamCall::begin(Service::Relay);
        let sent = request.send().await;
        let outcome = match &sent {
            Ok(answer) => CallOutcome::of_status(answer.status().as_u16()),
            Err(error) => CallOutcome::of_error(error),
        };
        call.ends(outcome);
        self.outage.note(outcome, Instant::now());
        let answer = sent.map_err(|error| unavailable(&error))?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(RelayError::Unavailable(format!("it answered {status}")));
        }
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|error| unavailable(&error))?);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(RelayError::Unavailable("its answer is too long".to_owned()));
            }
        }
        Ok((status, body))
    }
}

fn unavailable(error: &reqwest::Error) -> RelayError {
    let what = if error.is_timeout() {
        "it does not answer"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the connection broke"
    };
    RelayError::Unavailable(what.to_owned())
}

fn refused(status: StatusCode, body: &[u8]) -> RelayError {
    let message = match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if refusal.message.is_empty() => refusal.error,
        Ok(refusal) => refusal.message,
        Err(_) => String::new(),
    };
    RelayError::Refused {
        status: status.as_u16(),
        message: message.chars().take(MAX_MESSAGE).collect(),
    }
}

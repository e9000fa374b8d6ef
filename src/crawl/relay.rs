//! A relay as it is asked: `com.atproto.sync.requestCrawl` and `com.atproto.sync.getHostStatus`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;
use httpdate::parse_http_date;
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
    /// It could not be asked, did not answer in time, or failed (5xx, 429).
    #[error("it cannot be asked at the moment: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It refused (4xx).
    #[error("it refused ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said, shortened.
        message: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

/// A relay's answer.
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Vec<u8>,
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
        let answer = self.ask(request).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(refused(&answer))
    }

    /// What it says of the host `hostname`; none if it does not know it.
    ///
    /// # Errors
    /// If it does not answer, or says what nobody understands.
    pub async fn host_status(&self, hostname: &str) -> Result<Option<HostStatus>, RelayError> {
        let url = format!("{}/xrpc/com.atproto.sync.getHostStatus", self.url);
        let answer = self.ask(self.http.get(url).query(&[("hostname", hostname)])).await?;
        if answer.status.is_success() {
            let status = serde_json::from_slice(&answer.body);
            return status
                .map(Some)
                .map_err(|error| broken(format!("its answer is wrong: {error}")));
        }
        let refusal = serde_json::from_slice::<Refusal>(&answer.body);
        if refusal.is_ok_and(|refusal| refusal.error == "HostNotFound") {
            return Ok(None);
        }
        Err(refused(&answer))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Answer, RelayError> {
        let call = UpstreamCall::begin(Service::Relay);
        let sent = request.send().await;
        let outcome = match &sent {
            Ok(answer) => CallOutcome::of_status(answer.status().as_u16()),
            Err(error) => CallOutcome::of_error(error),
        };
        call.ends(outcome);
        self.outage.note(outcome, Instant::now());
        let answer = sent.map_err(|error| unavailable(&error))?;
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(RelayError::Unavailable {
                reason: format!("it answered {status}"),
                retry_after,
            });
        }
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|error| unavailable(&error))?);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(broken("its answer is too long".to_owned()));
            }
        }
        Ok(Answer {
            status,
            retry_after,
            body,
        })
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
    broken(what.to_owned())
}

fn broken(reason: String) -> RelayError {
    RelayError::Unavailable {
        reason,
        retry_after: None,
    }
}

/// `Retry-After`: seconds, or a date, which is seen from the relay's own `Date`
/// ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let value = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (then, now) = (parse_http_date(value).ok()?, parse_http_date(text(header::DATE)?).ok()?);
    then.duration_since(now).ok()
}

fn refused(answer: &Answer) -> RelayError {
    let message = match serde_json::from_slice::<Refusal>(&answer.body) {
        Ok(refusal) if refusal.message.is_empty() => refusal.error,
        Ok(refusal) => refusal.message,
        Err(_) => String::new(),
    };
    RelayError::Refused {
        status: answer.status.as_u16(),
        message: message.chars().take(MAX_MESSAGE).collect(),
        retry_after: answer.retry_after,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn relays_say_how_long_they_want_to_be_left_alone() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (value, date, expected) in [
            ("120", None, Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(date), Some(60)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", None, None),
            (date, Some("Sun, 06 Nov 1994 08:50:37 GMT"), None),
            ("-1", Some(date), None),
            ("soon", Some(date), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            if let Some(date) = date {
                headers.insert(header::DATE, date.parse().unwrap());
            }
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(&headers), expected, "{value} {date:?}");
        }
    }
}

//! The PLC directory ([did:plc](https://web.plc.directory/spec/v0.1/did-plc)): where DIDs are registered and looked up.

use std::sync::Arc;
use std::time::Duration;

use atproto_data::Did;
use atproto_plc::Operation;
use futures_util::future::BoxFuture;
use reqwest::{Response, StatusCode};

use crate::observe::{CallOutcome, Conditions, Service, UpstreamCall};
use crate::outbound::client_builder;

/// How long a directory may take to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long it may take to accept an operation.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to answer a question.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 256 << 10;
/// The status of an answer to who asks too often (RFC 6585 §4).
const TOO_MANY: u16 = 429;
/// The most characters of a directory's message that are passed on.
const MAX_MESSAGE: usize = 300;

/// What is asked of a PLC directory. Nothing here blocks for longer than a few seconds.
pub trait PlcDirectory: Send + Sync + 'static {
    /// Sends an operation. `Ok` means that the directory took it.
    fn submit<'a>(&'a self, did: &'a Did, operation: &'a Operation) -> BoxFuture<'a, Result<(), PlcError>>;

    /// Sends an operation and, if that seems to have failed, asks whether the directory took it all the same: its answer may have been lost.
    fn publish<'a>(&'a self, did: &'a Did, operation: &'a Operation) -> BoxFuture<'a, Result<(), PlcError>> {
        Box::pin(async move {
            let Err(error) = self.submit(did, operation).await else {
                return Ok(());
            };
            match self.last_operation(did).await {
                Ok(Some(last)) if last == *operation => Ok(()),
                _ => Err(error),
            }
        })
    }

    /// The newest operation of a DID; `None` if the directory does not know it.
    fn last_operation<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Operation>, PlcError>>;

    /// The DID document; `None` if the directory does not know the DID or it is tombstoned.
    fn document<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<serde_json::Value>, PlcError>>;
}

/// What can go wrong with a directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlcError {
    /// No connection: it cannot have seen what we sent.
    #[error("the PLC directory cannot be reached")]
    Unreachable,
    /// The connection broke or took too long: it may have seen what we sent.
    #[error("the PLC directory does not answer")]
    NoAnswer,
    /// It refused (4xx).
    #[error("the PLC directory refused: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said, shortened.
        message: String,
    },
    /// It failed (5xx, or an answer that is none).
    #[error("the PLC directory fails ({0})")]
    Failed(String),
}

impl PlcError {
    /// Whether it is what was sent that the directory does not take: trying again will not help.
    pub fn is_refusal(&self) -> bool {
        matches!(self, PlcError::Refused { status, .. } if *status != TOO_MANY)
    }
}

/// A directory over HTTP (`PDS_DID_PLC_URL`). Cheap to clone.
#[derive(Clone, Debug)]
pub struct PlcClient {
    http: reqwest::Client,
    url: String,
    conditions: Arc<Conditions>,
}

impl PlcClient {
    /// A client of the directory at `url`, an http(s) URL without `/` at the end. While the directory fails, `conditions` knows.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(url: &str, conditions: Arc<Conditions>) -> Result<PlcClient, PlcError> {
        let http = client_builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|error| PlcError::Failed(error.to_string()))?;
        Ok(PlcClient {
            http,
            url: url.trim_end_matches('/').to_owned(),
            conditions,
        })
    }

    /// Sends a request and tells how it ended.
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, PlcError> {
        let call = UpstreamCall::begin(Service::Plc);
        let sent = request.send().await;
        let outcome = match &sent {
            Ok(response) => CallOutcome::of_status(response.status().as_u16()),
            Err(error) => CallOutcome::of_error(error),
        };
        call.ends_and_tells(outcome, &self.conditions);
        sent.map_err(|error| failure(&error))
    }

    /// Finds out whether the directory answers again.
    pub async fn probe(&self) {
        // What it means is told by `send`.
        let _ = self
            .send(self.http.get(format!("{}/_health", self.url)).timeout(READ_TIMEOUT))
            .await;
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, PlcError> {
        let url = format!("{}/{path}", self.url);
        let response = self.send(self.http.get(url).timeout(READ_TIMEOUT)).await?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => read(response).await.map(Some),
        }
    }
}

impl PlcDirectory for PlcClient {
    fn submit<'a>(&'a self, did: &'a Did, operation: &'a Operation) -> BoxFuture<'a, Result<(), PlcError>> {
        Box::pin(async move {
            let request = self
                .http
                .post(format!("{}/{did}", self.url))
                .json(operation)
                .timeout(SUBMIT_TIMEOUT);
            let response = self.send(request).await?;
            read(response).await.map(drop)
        })
    }

    fn last_operation<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Operation>, PlcError>> {
        Box::pin(async move {
            let answer = self.get(&format!("{did}/log/last")).await?;
            let operation = answer.map(|json| Operation::from_json(&json));
            operation
                .transpose()
                .map_err(|error| PlcError::Failed(error.to_string()))
        })
    }

    fn document<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<serde_json::Value>, PlcError>> {
        Box::pin(async move {
            let answer = self.get(did.as_str()).await?;
            let document = answer.map(|json| serde_json::from_slice(&json));
            document
                .transpose()
                .map_err(|_| PlcError::Failed("its answer is not JSON".to_owned()))
        })
    }
}

fn failure(error: &reqwest::Error) -> PlcError {
    if error.is_connect() {
        PlcError::Unreachable
    } else {
        PlcError::NoAnswer
    }
}

/// The body of a successful answer, or what the directory says is wrong.
async fn read(mut response: Response) -> Result<Vec<u8>, PlcError> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| PlcError::NoAnswer)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(PlcError::Failed("its answer is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        Ok(body)
    } else if status.is_client_error() {
        Err(PlcError::Refused {
            status: status.as_u16(),
            message: message(&body),
        })
    } else {
        Err(PlcError::Failed(format!("status {}", status.as_u16())))
    }
}

/// The message of an error answer, `{"message": …}`, without anything that could upset a log or a terminal.
fn message(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let text = json
        .as_ref()
        .and_then(|json| json["message"].as_str())
        .unwrap_or("no reason given");
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_MESSAGE)
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use atproto_data::SigningKey;
    use atproto_data::crypto::Curve;
    use atproto_plc::{State, UnsignedOperation};
    use axum::Router;
    use axum::extract::Request;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use tokio::net::TcpListener;

    use super::*;

    fn operation() -> (Did, Operation) {
        let key = SigningKey::from_bytes(Curve::K256, &[3; 32]).unwrap();
        let public = key.public_key().to_did_key();
        let state = State::for_account(
            &public,
            &"a.test".parse().unwrap(),
            "https://pds.test",
            vec![public.clone()],
        );
        let operation = UnsignedOperation::genesis(state).sign(&key);
        (operation.did_of_genesis(), operation)
    }

    /// A client of a directory that gives everybody the same answer.
    async fn client_of(status: StatusCode, body: impl Into<String>) -> PlcClient {
        let body = body.into();
        let router =
            Router::new().fallback(move |_: Request| std::future::ready((status, body.clone()).into_response()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        PlcClient::new(&url, Arc::default()).unwrap()
    }

    #[tokio::test]
    async fn answers_are_read() {
        let (did, operation) = operation();
        let client = client_of(StatusCode::OK, operation.to_json().to_string()).await;
        assert_eq!(client.submit(&did, &operation).await, Ok(()));
        assert_eq!(client.last_operation(&did).await.unwrap().unwrap(), operation);
        assert_eq!(client.document(&did).await.unwrap().unwrap(), operation.to_json());
        for status in [StatusCode::NOT_FOUND, StatusCode::GONE] {
            let client = client_of(status, "{}").await;
            assert_eq!(client.last_operation(&did).await, Ok(None));
            assert_eq!(client.document(&did).await, Ok(None));
            assert!(matches!(
                client.submit(&did, &operation).await,
                Err(PlcError::Refused { .. })
            ));
        }
    }

    #[tokio::test]
    async fn a_directory_that_errs_is_told_apart_from_one_that_refuses() {
        let (did, operation) = operation();
        let refused = PlcError::Refused {
            status: 409,
            message: "taken".to_owned(),
        };
        let client = client_of(StatusCode::CONFLICT, r#"{"message":"taken"}"#).await;
        assert_eq!(client.submit(&did, &operation).await, Err(refused));
        for (status, body) in [
            (StatusCode::INTERNAL_SERVER_ERROR, "{}".to_owned()),
            (StatusCode::FOUND, String::new()),
            (StatusCode::OK, "x".repeat(MAX_ANSWER_BYTES + 1)),
            (StatusCode::OK, "<html>".to_owned()),
        ] {
            let client = client_of(status, body).await;
            assert!(
                matches!(client.last_operation(&did).await, Err(PlcError::Failed(_))),
                "{status}"
            );
            assert!(
                matches!(client.document(&did).await, Err(PlcError::Failed(_))),
                "{status}"
            );
        }
    }

    #[tokio::test]
    async fn no_connection_and_a_broken_one_are_told_apart() {
        let (did, operation) = operation();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = PlcClient::new(&format!("http://{}", listener.local_addr().unwrap()), Arc::default()).unwrap();
        let hang_up = tokio::spawn(async move { drop(listener.accept().await) });
        assert_eq!(client.submit(&did, &operation).await, Err(PlcError::NoAnswer));
        hang_up.await.unwrap();
        assert_eq!(client.submit(&did, &operation).await, Err(PlcError::Unreachable));
    }

    #[test]
    fn messages_are_made_harmless() {
        assert_eq!(message(br#"{"message":"Not\u001b[0m valid"}"#), "Not[0m valid");
        assert_eq!(message(b"<html>"), "no reason given");
        assert_eq!(
            message(format!(r#"{{"message":"{}"}}"#, "x".repeat(1_000)).as_bytes()).len(),
            MAX_MESSAGE
        );
    }
}

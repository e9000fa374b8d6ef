//! XRPC calls and their answers.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

/// No answer takes longer; a PLC directory that stalls costs 15 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one server; it follows the server through restarts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api(Arc<RwLock<Target>>);

struct Target {
    http: Client,
    address: String,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Api {
    pub(crate) fn new(address: &str) -> Api {
        Api(Arc::new(RwLock::new(Target::new(address))))
    }

    /// Goes to another address from now on, on connections of its own.
    pub(crate) fn moves_to(&self, address: &str) {
        *self.0.write().unwrap() = Target::new(address);
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        self.0.read().unwrap().address.clone()
    }

    /// A GET of an XRPC method.
    pub(crate) fn get(&self, nsid: &str, params: &[(&str, &str)]) -> RequestBuilder {
        let target = self.0.read().unwrap();
        target
            .http
            .get(format!("http://{}/xrpc/{nsid}", target.address))
            .query(params)
    }

    /// A POST of an XRPC method, without body yet.
    pub(crate) fn post(&self, nsid: &str) -> RequestBuilder {
        let target = self.0.read().unwrap();
        target.http.post(format!("http://{}/xrpc/{nsid}", target.address))
    }

    /// A request for a page of the server.
    pub(crate) fn page(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        let target = self.0.read().unwrap();
        target.http.request(method, format!("http://{}{path}", target.address))
    }

    /// A query by nobody in particular.
    pub(crate) async fn query(&self, nsid: &str, params: &[(&str, &str)]) -> Answer {
        Answer::to(self.get(nsid, params)).await.unwrap()
    }

    /// A procedure by nobody in particular.
    pub(crate) async fn procedure(&self, nsid: &str, input: &Value) -> Answer {
        Answer::to(self.post(nsid).json(input)).await.unwrap()
    }
}

impl Target {
    fn new(address: &str) -> Target {
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .unwrap();
        Target {
            http,
            address: address.to_owned(),
        }
    }
}

impl Answer {
    /// Sends a request and reads the whole answer.
    pub(crate) async fn to(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer {
            status,
            headers,
            body: answer.bytes().await?.to_vec(),
        })
    }

    /// The JSON of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        if self.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&self.body).unwrap()
        }
    }

    /// The bytes of a success.
    #[track_caller]
    pub(crate) fn bytes(self) -> Vec<u8> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.body
    }

    /// The message of a refusal with this status and error.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, error: &str) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        assert_eq!(
            (self.status, body["error"].as_str()),
            (status, Some(error)),
            "{}",
            self.text()
        );
        body["message"].as_str().unwrap().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(2_000).collect()
    }
}

/// Status and text of whatever is at a URL.
pub(crate) async fn http_get(url: &str) -> Result<(u16, String), reqwest::Error> {
    let http = Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let answer = http.get(url).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

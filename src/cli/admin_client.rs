//! The HTTP API of a running server, as its admin uses it.

use std::io;
use std::time::Duration;

use clap::Args;
use reqwest::{RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};

use super::failure::{Cause, Failure};
use super::prompt;
use crate::config::admin;

/// No answer takes longer.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Which server. The admin's password is that of `PDS_ADMIN_PASSWORD` or `PDS_ADMIN_PASSWORD_FILE`, or asked for: never an argument, which other
/// users of the machine can read.
#[derive(Debug, Args)]
pub(super) struct AdminArguments {
    /// The server; by default the one on this machine at PDS_BIND_ADDRESS and PDS_PORT.
    #[arg(long, value_parser = address)]
    url: Option<String>,
}

/// A client of the admin methods.
pub(super) struct AdminClient {
    http: reqwest::Client,
    url: String,
    password: String,
}

/// The server on this machine.
pub(super) fn local_url() -> io::Result<String> {
    Ok(format!("http://{}", admin::address()?))
}

/// The address of a server, without a `/` at the end.
fn address(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("must be an address such as https://pds.example.com".to_owned()),
    }
}

impl AdminClient {
    pub(super) fn new(arguments: AdminArguments) -> Result<AdminClient, Failure> {
        let refused = |error: &dyn std::fmt::Display| Failure::new(Cause::Refused, error.to_string());
        let password = match admin::password().map_err(|error| refused(&error))? {
            Some(password) => Some(password),
            None => prompt::admin_password().map_err(|error| refused(&error))?,
        };
        let password = password.ok_or_else(|| Failure::new(Cause::Credentials, "set PDS_ADMIN_PASSWORD"))?;
        let url = match arguments.url {
            Some(url) => url,
            None => local_url().map_err(|error| refused(&error))?,
        };
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build();
        let http = http.map_err(|error| refused(&error))?;
        Ok(AdminClient { http, url, password })
    }

    /// A query for everybody.
    pub(super) async fn query(&self, nsid: &str, parameters: &[(&str, &str)]) -> Result<Value, Failure> {
        self.answer(nsid, self.get(nsid, parameters)).await
    }

    /// A query by the admin.
    pub(super) async fn admin_query(&self, nsid: &str, parameters: &[(&str, &str)]) -> Result<Value, Failure> {
        self.answer(nsid, self.as_admin(self.get(nsid, parameters))).await
    }

    /// A procedure for everybody: one that takes other credentials refuses the admin's.
    pub(super) async fn procedure(&self, nsid: &str, input: &Value) -> Result<Value, Failure> {
        self.answer(nsid, self.post(nsid, input)).await
    }

    /// A procedure by the admin.
    pub(super) async fn admin_procedure(&self, nsid: &str, input: &Value) -> Result<Value, Failure> {
        self.answer(nsid, self.as_admin(self.post(nsid, input))).await
    }

    /// A fresh invite code.
    pub(super) async fn invite_code(&self, uses: u32) -> Result<String, Failure> {
        let nsid = "com.atproto.server.createInviteCode";
        let answer = self.admin_procedure(nsid, &json!({"useCount": uses})).await?;
        let code = answer["code"].as_str().map(str::to_owned);
        code.ok_or_else(|| Failure::new(Cause::Refused, "the server gave no code"))
    }

    /// What the server says of the account that a DID, handle or e-mail address names, whatever its status.
    pub(super) async fn account(&self, account: &str) -> Result<Value, Failure> {
        let account = account.trim_start_matches('@');
        self.admin_query("internal.pds.admin.getAccount", &[("account", account)])
            .await
    }

    /// Something answers, and it is not what a server of this protocol answers.
    pub(super) fn is_no_pds(&self, nsid: &str) -> Failure {
        let message = format!("{} is no PDS: it answers something else to {nsid}", self.url);
        Failure::new(Cause::Unreachable, message)
    }

    fn get(&self, nsid: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
        self.http.get(format!("{}/xrpc/{nsid}", self.url)).query(parameters)
    }

    fn post(&self, nsid: &str, input: &Value) -> RequestBuilder {
        self.http.post(format!("{}/xrpc/{nsid}", self.url)).json(input)
    }

    fn as_admin(&self, request: RequestBuilder) -> RequestBuilder {
        request.basic_auth("admin", Some(&self.password))
    }

    async fn answer(&self, nsid: &str, request: RequestBuilder) -> Result<Value, Failure> {
        let unreachable = |error: reqwest::Error| {
            let message = format!("{} does not answer: {}", self.url, error.without_url());
            Failure::new(Cause::Unreachable, message)
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        // Procedures may answer nothing; whatever else is no JSON is no server's of this protocol.
        let json = serde_json::from_slice(&body);
        if status.is_success() && json.is_err() && !body.is_empty() {
            return Err(self.is_no_pds(nsid));
        }
        let body: Value = json.unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let cause = match (status, body["error"].as_str()) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Cause::Credentials,
            (_, Some("NotFound")) => Cause::NotFound,
            _ => Cause::Refused,
        };
        let message = body["message"].as_str().unwrap_or("no reason given");
        Err(Failure::new(cause, format!("{nsid}: {status}: {message}")))
    }
}

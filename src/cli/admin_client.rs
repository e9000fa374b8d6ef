//! The HTTP API of a running server, as its admin uses it.

use clap::Args;
use serde_json::{Value, json};

use super::Outcome;
use crate::config::admin;

/// Which server, and the admin's password.
#[derive(Debug, Args)]
pub(super) struct AdminArguments {
    /// The server; by default the one on this machine at PDS_PORT.
    #[arg(long)]
    url: Option<String>,
    /// The admin password; by default that of PDS_ADMIN_PASSWORD or PDS_ADMIN_PASSWORD_FILE.
    #[arg(long)]
    admin_password: Option<String>,
}

/// A client of the admin methods.
pub(super) struct AdminClient {
    http: reqwest::Client,
    url: String,
    password: String,
}

/// The server on this machine.
pub(super) fn local_url() -> String {
    format!("http://127.0.0.1:{}", admin::port())
}

impl AdminClient {
    pub(super) fn new(arguments: AdminArguments) -> Result<AdminClient, Box<dyn std::error::Error + Send + Sync>> {
        let password = match arguments.admin_password {
            Some(password) => password,
            None => admin::password()?.ok_or("set PDS_ADMIN_PASSWORD or give --admin-password")?,
        };
        let url = arguments.url.unwrap_or_else(local_url).trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(AdminClient { http, url, password })
    }

    /// A query for everybody.
    pub(super) async fn query(
        &self,
        nsid: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let request = self.http.get(format!("{}/xrpc/{nsid}", self.url)).query(parameters);
        self.answer(nsid, request).await
    }

    /// A procedure for everybody: one that takes other credentials refuses the admin's.
    pub(super) async fn procedure(
        &self,
        nsid: &str,
        input: &Value,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let request = self.http.post(format!("{}/xrpc/{nsid}", self.url)).json(input);
        self.answer(nsid, request).await
    }

    async fn answer(
        &self,
        nsid: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let answer = request.send().await?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let message = body["message"].as_str().unwrap_or("no reason given");
        Err(format!("{nsid}: {status}: {message}").into())
    }

    /// A fresh invite code.
    pub(super) async fn invite_code(&self, uses: u32) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let nsid = "com.atproto.server.createInviteCode";
        let request = self
            .http
            .post(format!("{}/xrpc/{nsid}", self.url))
            .json(&json!({"useCount": uses}));
        let answer = self
            .answer(nsid, request.basic_auth("admin", Some(&self.password)))
            .await?;
        Ok(answer["code"].as_str().ok_or("the server gave no code")?.to_owned())
    }
}

/// Prints one line of tab-separated fields, for people and for `cut`.
pub(super) fn print_fields(fields: &[&str]) -> Outcome {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{}", fields.join("\t"))?;
    Ok(())
}

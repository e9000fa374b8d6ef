//! A server as its clients see it, at any of its addresses.

use std::time::Duration;

use reqwest::{StatusCode, header};
use serde_json::Value;

use super::{Finding, Findings};
use crate::causes::in_one_line;
use crate::cli::Outcome;
use crate::clock::{Clock as _, SystemClock};
use crate::outbound::client_builder;

/// No answer takes longer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Between two tries of one who waits.
const RETRY: Duration = Duration::from_secs(1);
/// A handle that nobody has, and that nobody may take.
const NOBODY: &str = "xn--doctor";
const PROXY_ADVICE: &str = "Something between here and the server answers in its place, or changes what is asked: look at the proxy's configuration.";
const HOST_ADVICE: &str = "The Host header does not reach the server as it was sent: handles will be invalid.";

/// A client that follows no redirect and knows no proxy.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    // WebSockets begin as HTTP/1.1.
    client_builder().timeout(TIMEOUT).http1_only().build()
}

/// Waits until something answers at `url`, for no longer than `patience`.
pub(super) async fn wait_for(url: &str, patience: Duration) -> reqwest::Result<()> {
    let http = client()?;
    let answers = async {
        while http.get(format!("{url}/livez")).send().await.is_err() {
            SystemClock.sleep(RETRY).await;
        }
    };
    // Whoever waited in vain is told so by the first check.
    let _ = tokio::time::timeout(patience, answers).await;
    Ok(())
}

/// Asks the server at `url`, without `/` at the end, for what a client, a relay and an admin need of it.
pub(super) async fn look_at(url: &str, password: Option<&str>, findings: &mut Findings) -> Outcome {
    let http = client()?;
    if let Err(error) = http.get(format!("{url}/livez")).send().await {
        let advice = "Does it run? Its log says why not. Is this its address?";
        return findings.add(Finding::failed("alive", in_one_line(&error), advice));
    }
    findings.add(Finding::ok("alive", url))?;
    let found = readiness(&http, url).await;
    findings.add(Finding::of("ready", found, PROXY_ADVICE))?;
    let found = version(&http, url).await;
    findings.add(Finding::of("version", found, PROXY_ADVICE))?;
    look_at_names(&http, url, findings).await?;
    findings.add(firehose(&http, url).await)?;
    if let Some(password) = password {
        let found = admin(&http, url, password).await;
        findings.add(Finding::of("admin password", found, PROXY_ADVICE))?;
    }
    Ok(())
}

/// Whether the server says who it is, and answers to its names.
async fn look_at_names(http: &reqwest::Client, url: &str, findings: &mut Findings) -> Outcome {
    let described = match json(http, &format!("{url}/xrpc/com.atproto.server.describeServer"), None).await {
        Ok(described) => described,
        Err(error) => return findings.add(Finding::failed("describeServer", in_one_line(&error), PROXY_ADVICE)),
    };
    let (did, domain) = (&described["did"], &described["availableUserDomains"][0]);
    let (Some(did), Some(domain)) = (did.as_str(), domain.as_str()) else {
        return findings.add(Finding::failed("describeServer", described.to_string(), PROXY_ADVICE));
    };
    let found = format!("{did}, handles end with {domain}");
    findings.add(Finding::ok("describeServer", found))?;
    if let Some(hostname) = did.strip_prefix("did:web:") {
        let found = did_document(http, url, did, hostname).await;
        findings.add(Finding::of("DID document", found, PROXY_ADVICE))?;
    }
    let found = handle_host(http, url, domain).await;
    findings.add(Finding::of("handle host", found, HOST_ADVICE))
}

async fn readiness(http: &reqwest::Client, url: &str) -> reqwest::Result<Finding> {
    let answer = json(http, &format!("{url}/readyz"), None).await?;
    let runbook = "docs/runbook.md#pdsdegraded has the reasons and what to do about each.";
    Ok(match (answer["status"].as_str(), answer["notes"].is_null()) {
        (Some("ok"), true) => Finding::ok("ready", "ok"),
        (Some("ok" | "degraded"), _) => Finding::note("ready", answer.to_string(), runbook),
        _ => Finding::failed(
            "ready",
            answer.to_string(),
            "docs/runbook.md#pdsnotready has the reasons.",
        ),
    })
}

async fn version(http: &reqwest::Client, url: &str) -> reqwest::Result<Finding> {
    let answer = json(http, &format!("{url}/xrpc/_health"), None).await?;
    Ok(match answer["version"].as_str() {
        Some(version) if answer["error"].is_null() => Finding::ok("version", version),
        _ => Finding::failed("version", answer.to_string(), PROXY_ADVICE),
    })
}

/// The server's own DID must lead to it.
async fn did_document(http: &reqwest::Client, url: &str, did: &str, hostname: &str) -> reqwest::Result<Finding> {
    let answer = json(http, &format!("{url}/.well-known/did.json"), Some(hostname)).await?;
    Ok(if answer["id"] == did {
        Finding::ok("DID document", did)
    } else {
        Finding::failed("DID document", answer.to_string(), PROXY_ADVICE)
    })
}

/// Under a handle's host name the server tells the handle's DID and nothing else.
async fn handle_host(http: &reqwest::Client, url: &str, domain: &str) -> reqwest::Result<Finding> {
    let host = format!("{NOBODY}{domain}");
    let mut statuses = Vec::new();
    for path in ["/.well-known/atproto-did", "/xrpc/com.atproto.server.describeServer"] {
        let asked = http.get(format!("{url}{path}")).header(header::HOST, &host).send();
        statuses.push(asked.await?.status());
    }
    let found = format!("{host} answers {} and {}", statuses[0], statuses[1]);
    Ok(if statuses == [StatusCode::NOT_FOUND; 2] {
        Finding::ok("handle host", found)
    } else {
        Finding::failed("handle host", found, HOST_ADVICE)
    })
}

/// Relays follow the server by WebSocket (RFC 6455).
pub(super) async fn firehose(http: &reqwest::Client, url: &str) -> Finding {
    let request = http
        .get(format!("{url}/xrpc/com.atproto.sync.subscribeRepos"))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, "ZG9jdG9yIGRvY3RvciBkbw==");
    let advice = "The proxy does not pass WebSockets, so no relay can follow: docs/runbook.md#pdsnosubscriber.";
    match request.send().await {
        Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Finding::ok("firehose", "a WebSocket opens")
        }
        Ok(answer) => Finding::failed("firehose", format!("it answers {}", answer.status()), advice),
        Err(error) => Finding::failed("firehose", in_one_line(&error), advice),
    }
}

async fn admin(http: &reqwest::Client, url: &str, password: &str) -> reqwest::Result<Finding> {
    let asked = http.get(format!("{url}/xrpc/com.atproto.admin.getInviteCodes"));
    let status = asked.basic_auth("admin", Some(password)).send().await?.status();
    Ok(if status.is_success() {
        Finding::ok("admin password", "it is taken")
    } else {
        let advice = "The server runs with another PDS_ADMIN_PASSWORD: restart it after changing the Secret.";
        Finding::failed("admin password", format!("it answers {status}"), advice)
    })
}

/// The JSON of an answer whatever its status, or its status where it is none.
pub(super) async fn json(http: &reqwest::Client, url: &str, host: Option<&str>) -> reqwest::Result<Value> {
    let mut request = http.get(url);
    if let Some(host) = host {
        request = request.header(header::HOST, host);
    }
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    Ok(serde_json::from_slice(&body).unwrap_or_else(|_| Value::String(format!("status {status}"))))
}

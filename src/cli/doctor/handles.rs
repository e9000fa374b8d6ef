//! Whether host names of handles lead to the server.

use reqwest::{Client, StatusCode};

use super::Finding;
use super::outside::DNS_ADVICE;
use super::server::json;
use crate::causes::in_one_line;

/// So many accounts are looked through for one with a handle in a domain.
const ACCOUNTS: usize = 20;
/// What TLS says where a proxy has no certificate for a name.
const REFUSED: &str = "received fatal alert";
const ON_DEMAND_ADVICE: &str = "A proxy that gets certificates on demand has none for a name that nobody has: look again once there is an account.";

/// Asks the host of an account's handle, or, where nobody has one in the domain yet, of one that nobody has. The server is at `local` for us.
pub(super) async fn look_at(http: &Client, local: &str, domain: &str) -> Finding {
    match some_handle(http, local, domain).await {
        Some((handle, did)) => look_at_handle(http, &handle, &did).await,
        None => look_at_nobody(http, domain).await,
    }
}

async fn look_at_handle(http: &Client, handle: &str, did: &str) -> Finding {
    let found = match ask(http, handle).await {
        Ok((StatusCode::OK, body)) if body.trim() == did => {
            return Finding::ok("handles", format!("{handle} is {did}"));
        }
        Ok((status, _)) => format!("{handle} should be {did}; its host answers {status}"),
        Err(error) => in_one_line(&error),
    };
    Finding::failed("handles", found, DNS_ADVICE)
}

async fn look_at_nobody(http: &Client, domain: &str) -> Finding {
    let host = format!("doctor{domain}");
    let error = match ask(http, &host).await {
        Ok((StatusCode::OK | StatusCode::NOT_FOUND, _)) => return Finding::ok("handles", format!("{host} is reached")),
        Ok((status, _)) => format!("{host} answers {status}"),
        Err(error) => in_one_line(&error),
    };
    if error.contains(REFUSED) {
        return Finding::note("handles", error, ON_DEMAND_ADVICE);
    }
    Finding::failed("handles", error, DNS_ADVICE)
}

async fn ask(http: &Client, host: &str) -> reqwest::Result<(StatusCode, String)> {
    let answer = http
        .get(format!("https://{host}/.well-known/atproto-did"))
        .send()
        .await?;
    Ok((answer.status(), answer.text().await?))
}

/// Handle and DID of an account whose handle is in the domain.
async fn some_handle(http: &Client, local: &str, domain: &str) -> Option<(String, String)> {
    let listed = format!("{local}/xrpc/com.atproto.sync.listRepos?limit={ACCOUNTS}");
    let listed = json(http, &listed, None).await.ok()?;
    for repo in listed["repos"].as_array()? {
        let did = repo["did"].as_str()?;
        let described = format!("{local}/xrpc/com.atproto.repo.describeRepo?repo={did}");
        let described = json(http, &described, None).await.ok()?;
        match described["handle"].as_str() {
            Some(handle) if handle.ends_with(domain) => return Some((handle.to_owned(), did.to_owned())),
            _ => {}
        }
    }
    None
}

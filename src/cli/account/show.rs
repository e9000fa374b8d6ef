//! `pds account list` and `pds account info`.

use serde_json::{Value, json};

use super::{Context, Named};
use crate::cli::Outcome;
use crate::cli::print::{print_fields, print_json};

/// Repos asked for at a time.
const PAGE: &str = "500";

pub(super) async fn list(context: &Context) -> Outcome {
    let (client, mut cursor, mut all) = (&context.client, String::new(), Vec::new());
    loop {
        let page = client
            .query("com.atproto.sync.listRepos", &[("limit", PAGE), ("cursor", &cursor)])
            .await?;
        let repos = page["repos"].as_array();
        let repos = repos.ok_or_else(|| client.is_no_pds("com.atproto.sync.listRepos"))?;
        for repo in repos {
            let did = repo["did"].as_str().unwrap_or_default();
            let account = client.account(did).await?;
            let json = json!({
                "did": did,
                "handle": account["handle"],
                "status": account["status"],
                "rev": repo["rev"],
            });
            if context.output.json {
                all.push(json);
                continue;
            }
            let text = |name: &str| json[name].as_str().unwrap_or("-");
            print_fields(&[did, text("handle"), text("status"), text("rev")])?;
        }
        match page["cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None if context.output.json => return print_json(&Value::Array(all)),
            None => return Ok(()),
        }
    }
}

pub(super) async fn info(named: &Named) -> Outcome {
    let parameters = [("did", named.did())];
    let mut info = named
        .context
        .client
        .admin_query("com.atproto.admin.getAccountInfo", &parameters)
        .await?;
    let parameters = [("account", named.did()), ("size", "true")];
    let account = named
        .context
        .client
        .admin_query("internal.pds.admin.getAccount", &parameters)
        .await?;
    for (name, value) in account["size"].as_object().into_iter().flatten() {
        info[name] = value.clone();
    }
    for name in ["status", "emailConfirmed", "emailAuthFactor"] {
        info[name] = named.account[name].clone();
    }
    if named.context.output.json {
        return print_json(&info);
    }
    for (name, value) in info.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => print_fields(&[name, text])?,
            Value::Bool(_) | Value::Number(_) => print_fields(&[name, &value.to_string()])?,
            Value::Array(list) => print_fields(&[name, &list.len().to_string()])?,
            Value::Object(_) | Value::Null => {}
        }
    }
    if let Some(code) = info["invitedBy"]["code"].as_str() {
        print_fields(&["invitedBy", code])?;
    }
    Ok(())
}

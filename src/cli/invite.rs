//! `pds invite`: invite codes of a running server.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Outcome;
use super::admin_client::{AdminArguments, AdminClient};
use super::failure::{Cause, Failure};
use super::print::{Output, print_fields, print_json};

/// Codes asked for at a time.
const PAGE: &str = "500";

#[derive(Debug, Subcommand)]
pub(super) enum InviteVerb {
    /// Make an invite code and print it.
    Create {
        /// How many accounts it may create.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        admin: AdminArguments,
    },
    /// Print every code, the newest first: code, uses made, uses in all, `disabled` or `-`, whose it is.
    List {
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        admin: AdminArguments,
    },
    /// Make codes good for nothing.
    Disable {
        /// The codes.
        codes: Vec<String>,
        /// All codes of this account's DID; may be given more than once.
        #[arg(long = "account")]
        accounts: Vec<String>,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        admin: AdminArguments,
    },
}

pub(super) async fn run(verb: InviteVerb) -> Outcome {
    match verb {
        InviteVerb::Create { uses, output, admin } => {
            let code = AdminClient::new(admin)?.invite_code(uses).await?;
            output.print(&json!({"code": code}), &[&code])
        }
        InviteVerb::List { output, admin } => list(&AdminClient::new(admin)?, output).await,
        InviteVerb::Disable {
            codes,
            accounts,
            output,
            admin,
        } => disable(&AdminClient::new(admin)?, codes, accounts, output).await,
    }
}

async fn list(client: &AdminClient, output: Output) -> Outcome {
    let mut all = Vec::new();
    each_code(client, |code| {
        if output.json {
            all.push(code.clone());
            return Ok(());
        }
        let text = |name: &str| code[name].as_str().unwrap_or("-");
        let used = code["uses"].as_array().map_or(0, Vec::len).to_string();
        let available = code["available"].to_string();
        let state = if code["disabled"] == true { "disabled" } else { "-" };
        print_fields(&[text("code"), &used, &available, state, text("forAccount")])
    })
    .await?;
    if output.json {
        print_json(&Value::Array(all))?;
    }
    Ok(())
}

async fn disable(client: &AdminClient, codes: Vec<String>, accounts: Vec<String>, output: Output) -> Outcome {
    if codes.is_empty() && accounts.is_empty() {
        return Err(Failure::new(Cause::Refused, "name codes, or accounts with --account").into());
    }
    // The method says nothing of codes that are none, but a slip of the pen should be noticed.
    let mut unknown = codes.clone();
    if !unknown.is_empty() {
        each_code(client, |code| {
            unknown.retain(|name| code["code"] != name.as_str());
            Ok(())
        })
        .await?;
    }
    if !unknown.is_empty() {
        return Err(Failure::new(Cause::NotFound, format!("no such code: {}", unknown.join(", "))).into());
    }
    let input = json!({"codes": codes, "accounts": accounts});
    client
        .admin_procedure("com.atproto.admin.disableInviteCodes", &input)
        .await?;
    for name in codes.iter().chain(&accounts).filter(|_| !output.json) {
        print_fields(&[name, "disabled"])?;
    }
    if output.json {
        print_json(&json!({"disabled": input}))?;
    }
    Ok(())
}

/// Looks at every code.
async fn each_code(client: &AdminClient, mut look: impl FnMut(&Value) -> Outcome) -> Outcome {
    let mut cursor: Option<String> = None;
    loop {
        let mut parameters = vec![("limit", PAGE)];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = client
            .admin_query("com.atproto.admin.getInviteCodes", &parameters)
            .await?;
        for code in page["codes"].as_array().into_iter().flatten() {
            look(code)?;
        }
        match page["cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
}

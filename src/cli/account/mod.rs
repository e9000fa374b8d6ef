//! `pds account`: accounts of a running server.

use clap::Subcommand;
use serde_json::json;

use super::Outcome;
use super::admin_client::{AdminArguments, AdminClient, print_fields};
use crate::random::{self, SystemRandom};

/// Repos asked for at a time.
const PAGE: &str = "500";
/// Characters of a generated password: 32 letters and digits that are not mistaken for each other, 5 bits each.
const PASSWORD_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

#[derive(Debug, Subcommand)]
pub(super) enum AccountVerb {
    /// Create an account and print its DID, handle and, if it was generated, password.
    Create {
        /// The account's e-mail address.
        #[arg(long)]
        email: String,
        /// The account's handle, such as alice.pds.example.com.
        #[arg(long)]
        handle: String,
        /// The password; a strong one is generated and printed if none is given.
        #[arg(long)]
        password: Option<String>,
        #[command(flatten)]
        admin: AdminArguments,
    },
    /// Print DID, handle, status and rev of every account.
    List {
        #[command(flatten)]
        admin: AdminArguments,
    },
}

pub(super) async fn run(verb: AccountVerb) -> Outcome {
    match verb {
        AccountVerb::Create {
            email,
            handle,
            password,
            admin,
        } => create(&AdminClient::new(admin)?, &email, &handle, password).await,
        AccountVerb::List { admin } => list(&AdminClient::new(admin)?).await,
    }
}

async fn create(client: &AdminClient, email: &str, handle: &str, password: Option<String>) -> Outcome {
    let generated = password.is_none();
    let password = password.unwrap_or_else(generate_password);
    let code = client.invite_code(1).await?;
    let input = json!({"email": email, "handle": handle, "password": password, "inviteCode": code});
    let account = client.procedure("com.atproto.server.createAccount", &input).await?;
    let did = account["did"].as_str().unwrap_or_default();
    let handle = account["handle"].as_str().unwrap_or_default();
    if generated {
        print_fields(&[did, handle, &password])
    } else {
        print_fields(&[did, handle])
    }
}

async fn list(client: &AdminClient) -> Outcome {
    let mut cursor = String::new();
    loop {
        let page = client
            .query("com.atproto.sync.listRepos", &[("limit", PAGE), ("cursor", &cursor)])
            .await?;
        for repo in page["repos"].as_array().into_iter().flatten() {
            let did = repo["did"].as_str().unwrap_or_default();
            let status = repo["status"].as_str().unwrap_or("active");
            // An inactive repo is not described; its handle is not public then.
            let described = client.query("com.atproto.repo.describeRepo", &[("repo", did)]).await;
            let handle = described
                .ok()
                .and_then(|repo| repo["handle"].as_str().map(str::to_owned));
            print_fields(&[
                did,
                handle.as_deref().unwrap_or("-"),
                status,
                repo["rev"].as_str().unwrap_or("-"),
            ])?;
        }
        match page["cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(()),
        }
    }
}

fn generate_password() -> String {
    let bytes: [u8; 24] = random::bytes(&SystemRandom);
    bytes
        .iter()
        .map(|byte| char::from(PASSWORD_LETTERS[usize::from(byte % 32)]))
        .collect()
}

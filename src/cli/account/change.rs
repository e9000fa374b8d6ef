//! The verbs of `pds account` that change an account. Each prints the account's DID and what it is now.

use serde_json::{Value, json};

use super::Named;
use super::password::Source;
use crate::cli::failure::{Cause, Failure};
use crate::cli::{Outcome, prompt};
use crate::mail::Code;

/// Asks whether the account is really to be deleted.
pub(super) fn confirm_deletion(named: &Named) -> Outcome {
    let question = format!(
        "This deletes {} ({}) with everything in it, for good.",
        named.handle(),
        named.did()
    );
    if prompt::confirmed(&question, named.handle())? {
        return Ok(());
    }
    Err(Failure::new(Cause::Refused, "not deleted").into())
}

pub(super) async fn delete(named: &Named) -> Outcome {
    call(named, "com.atproto.admin.deleteAccount", &json!({"did": named.did()})).await?;
    print(named, &json!({"status": "deleted"}), "deleted")
}

/// Applies or lifts a takedown, as `com.atproto.admin.updateSubjectStatus` has it.
pub(super) async fn set_takedown(named: &Named, takedown: &Value) -> Outcome {
    let subject = json!({"$type": "com.atproto.admin.defs#repoRef", "did": named.did()});
    let mut takedown = takedown.clone();
    if takedown["ref"].is_null()
        && let Some(takedown) = takedown.as_object_mut()
    {
        takedown.remove("ref");
    }
    let input = json!({"subject": subject, "takedown": takedown});
    call(named, "com.atproto.admin.updateSubjectStatus", &input).await?;
    // It may have been switched off by its owner too.
    let account = named.context.client.account(named.did()).await?;
    let status = account["status"].as_str().unwrap_or_default();
    print(named, &json!({"status": status}), status)
}

pub(super) async fn reset_password(named: &Named, source: Source) -> Outcome {
    let password = source.password()?;
    let input = json!({"did": named.did(), "password": password});
    call(named, "com.atproto.admin.updateAccountPassword", &input).await?;
    match source {
        Source::Generated => print(named, &json!({"password": password}), &password),
        Source::Asked => print(named, &json!({}), "password changed"),
    }
}

pub(super) async fn update_handle(named: &Named, handle: &str) -> Outcome {
    let input = json!({"did": named.did(), "handle": handle});
    call(named, "com.atproto.admin.updateAccountHandle", &input).await?;
    print(named, &json!({"handle": handle}), handle)
}

pub(super) async fn update_email(named: &Named, email: &str) -> Outcome {
    let input = json!({"account": named.did(), "email": email});
    call(named, "com.atproto.admin.updateAccountEmail", &input).await?;
    print(named, &json!({"email": email}), email)
}

pub(super) async fn issue_code(named: &Named, purpose: Code) -> Outcome {
    let input = json!({"account": named.did(), "purpose": purpose.name()});
    let answer = call(named, "internal.pds.admin.issueCode", &input).await?;
    let code = answer["code"].as_str().unwrap_or_default();
    let json = json!({"did": named.did(), "purpose": purpose.name(), "code": code});
    named.context.output.print(&json, &[code])
}

pub(super) async fn clear_second_factor(named: &Named) -> Outcome {
    call(
        named,
        "internal.pds.admin.clearEmailFactor",
        &json!({"account": named.did()}),
    )
    .await?;
    print(named, &json!({"emailAuthFactor": false}), "no second factor")
}

async fn call(named: &Named, nsid: &str, input: &Value) -> Result<Value, Failure> {
    named.context.client.admin_procedure(nsid, input).await
}

/// Prints the DID and what changed.
fn print(named: &Named, changed: &Value, words: &str) -> Outcome {
    let mut json = changed.clone();
    json["did"] = json!(named.did());
    named.context.output.print(&json, &[named.did(), words])
}

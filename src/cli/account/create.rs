//! `pds account create`.

use serde_json::json;

use super::Context;
use super::password::Source;
use crate::cli::Outcome;

pub(super) async fn create(context: &Context, email: &str, handle: &str, source: Source) -> Outcome {
    let password = source.password()?;
    let code = context.client.invite_code(1).await?;
    let input = json!({"email": email, "handle": handle, "password": password, "inviteCode": code});
    let created = context
        .client
        .procedure("com.atproto.server.createAccount", &input)
        .await;
    if created.is_err() {
        // Nobody knows the code; it must not stay good. What failed is what counts.
        let codes = json!({"codes": [code]});
        let _ = context
            .client
            .admin_procedure("com.atproto.admin.disableInviteCodes", &codes)
            .await;
    }
    let account = created?;
    let text = |name: &str| account[name].as_str().unwrap_or_default();
    let mut json = json!({"did": text("did"), "handle": text("handle")});
    let mut fields = vec![text("did"), text("handle")];
    if source == Source::Generated {
        json["password"] = json!(password);
        fields.push(&password);
    }
    context.output.print(&json, &fields)
}

//! `pds relay resync`: has the running server tell relays what is here.

use serde_json::json;

use crate::cli::Outcome;
use crate::cli::admin_client::{AdminArguments, AdminClient};
use crate::cli::print::print_fields;

/// Some accounts at a time, so that no call takes long.
pub(super) async fn run(admin: AdminArguments) -> Outcome {
    let client = AdminClient::new(admin)?;
    let (mut accounts, mut failed, mut after) = (0, 0, json!(0));
    while !after.is_null() {
        let input = json!({"after": after});
        let done = client
            .admin_procedure("internal.pds.admin.resyncAccounts", &input)
            .await?;
        accounts += done["accounts"].as_u64().unwrap_or_default();
        for did in done["failed"].as_array().into_iter().flatten() {
            failed += 1;
            print_fields(&["failed", did.as_str().unwrap_or_default()])?;
        }
        after = done["last"].clone();
    }
    print_fields(&["accounts", &accounts.to_string()])?;
    if failed > 0 {
        return Err(format!("{failed} accounts could not be told: the server's log says why").into());
    }
    Ok(())
}

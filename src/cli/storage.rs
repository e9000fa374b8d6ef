//! `pds storage`: what all accounts of a running server store together. `pds account info` tells it of one.

use clap::Args;

use super::Outcome;
use super::admin_client::{AdminArguments, AdminClient};
use super::print::{Output, print_fields, print_json};

#[derive(Debug, Args)]
pub(super) struct StorageArguments {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) async fn run(arguments: StorageArguments) -> Outcome {
    let client = AdminClient::new(arguments.admin)?;
    let storage = client.admin_query("internal.pds.admin.getStorage", &[]).await?;
    if arguments.output.json {
        return print_json(&storage);
    }
    for (name, value) in storage.as_object().into_iter().flatten() {
        print_fields(&[name, &value.to_string()])?;
    }
    Ok(())
}

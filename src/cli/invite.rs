//! `pds invite`: invite codes of a running server.

use clap::Subcommand;

use super::Outcome;
use super::admin_client::{AdminArguments, AdminClient, print_fields};

#[derive(Debug, Subcommand)]
pub(super) enum InviteVerb {
    /// Make an invite code and print it.
    Create {
        /// How many accounts it may create.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        #[command(flatten)]
        admin: AdminArguments,
    },
}

pub(super) async fn run(verb: InviteVerb) -> Outcome {
    match verb {
        InviteVerb::Create { uses, admin } => {
            let code = AdminClient::new(admin)?.invite_code(uses).await?;
            print_fields(&[&code])
        }
    }
}

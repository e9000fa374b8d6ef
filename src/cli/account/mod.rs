//! `pds account`: accounts of a running server. An account is named by its DID, its handle or its e-mail address.

mod change;
mod create;
mod password;
mod show;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Outcome;
use super::admin_client::{AdminArguments, AdminClient};
use super::failure::Failure;
use super::print::Output;
use crate::mail::Code;
use password::Source;

/// How every verb of accounts reaches the server and prints.
#[derive(Debug, Args)]
pub(super) struct Common {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Which account.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The account's DID, handle or e-mail address.
    account: String,
    #[command(flatten)]
    common: Common,
}

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
        /// Ask for the password, or read it from the standard input; a strong one is generated and printed otherwise.
        #[arg(long)]
        ask_password: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Print DID, handle, status and rev of every account.
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Print what is known of an account, a line for each thing.
    Info {
        #[command(flatten)]
        target: Target,
    },
    /// Delete an account with everything in it, for good.
    Delete {
        #[command(flatten)]
        target: Target,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Shut an account out and hide what is in it.
    Takedown {
        #[command(flatten)]
        target: Target,
        /// Why, such as the number of a case.
        #[arg(long = "ref", value_name = "REF")]
        reference: Option<String>,
    },
    /// Undo a takedown.
    Untakedown {
        #[command(flatten)]
        target: Target,
    },
    /// Give an account another password, which ends its sessions. Asks for it, or reads it from the standard input.
    ResetPassword {
        #[command(flatten)]
        target: Target,
        /// Make a strong one and print it.
        #[arg(long)]
        generate: bool,
    },
    /// Give an account another handle, a reserved one too.
    UpdateHandle {
        #[command(flatten)]
        target: Target,
        /// The new handle.
        handle: String,
    },
    /// Give an account another e-mail address, which is not confirmed then.
    UpdateEmail {
        #[command(flatten)]
        target: Target,
        /// The new address.
        email: String,
    },
    /// Make a code that would be mailed, and print it: good once, for 15 minutes. Hand it only to the account's owner.
    Code {
        #[command(flatten)]
        target: Target,
        /// confirm-email, update-email, reset-password, delete-account, plc-operation or log-in.
        purpose: Code,
    },
    /// Let an account log in without a mailed code, for an owner who does not get mail any more.
    ClearSecondFactor {
        #[command(flatten)]
        target: Target,
    },
}

/// A client of the server, and how to print.
struct Context {
    client: AdminClient,
    output: Output,
}

/// An account that the server has.
struct Named {
    context: Context,
    /// What the server says of it.
    account: Value,
}

impl Common {
    fn open(self) -> Result<Context, Failure> {
        Ok(Context {
            client: AdminClient::new(self.admin)?,
            output: self.output,
        })
    }
}

impl Target {
    async fn open(self) -> Result<Named, Failure> {
        let context = self.common.open()?;
        let account = context.client.account(&self.account).await?;
        Ok(Named { context, account })
    }
}

impl Named {
    fn did(&self) -> &str {
        self.account["did"].as_str().unwrap_or_default()
    }

    fn handle(&self) -> &str {
        self.account["handle"].as_str().unwrap_or_default()
    }
}

pub(super) async fn run(verb: AccountVerb) -> Outcome {
    match verb {
        AccountVerb::Create {
            email,
            handle,
            ask_password,
            common,
        } => {
            let password = if ask_password { Source::Asked } else { Source::Generated };
            create::create(&common.open()?, &email, &handle, password).await
        }
        AccountVerb::List { common } => show::list(&common.open()?).await,
        AccountVerb::Info { target } => show::info(&target.open().await?).await,
        AccountVerb::Delete { target, yes } => {
            let account = target.open().await?;
            if !yes {
                change::confirm_deletion(&account)?;
            }
            change::delete(&account).await
        }
        AccountVerb::Takedown { target, reference } => {
            change::set_takedown(&target.open().await?, &json!({"applied": true, "ref": reference})).await
        }
        AccountVerb::Untakedown { target } => {
            change::set_takedown(&target.open().await?, &json!({"applied": false})).await
        }
        AccountVerb::ResetPassword { target, generate } => {
            let password = if generate { Source::Generated } else { Source::Asked };
            change::reset_password(&target.open().await?, password).await
        }
        AccountVerb::UpdateHandle { target, handle } => change::update_handle(&target.open().await?, &handle).await,
        AccountVerb::UpdateEmail { target, email } => change::update_email(&target.open().await?, &email).await,
        AccountVerb::Code { target, purpose } => change::issue_code(&target.open().await?, purpose).await,
        AccountVerb::ClearSecondFactor { target } => change::clear_second_factor(&target.open().await?).await,
    }
}

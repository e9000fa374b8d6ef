//! The command line: one file per verb. Verbs parse, call the domain and print.

mod account;
mod admin_client;
mod dev;
mod doctor;
mod email;
mod failure;
mod healthcheck;
mod invite;
mod logging;
mod print;
mod prompt;
mod relay;
mod serve;
mod storage;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// An AT Protocol Personal Data Server in one binary.
#[derive(Debug, Parser)]
#[command(name = "pds", version, about)]
struct Arguments {
    /// Without a verb, the server runs.
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server with the settings of the environment (docs/configuration.md).
    Serve,
    /// Run a server for development on loopback, with a PLC directory of its own.
    Dev(dev::DevArguments),
    /// Look at a running server, its disk, its public name and the services it calls, and say what to do about what does not work. Exit
    /// status 1 if something does not.
    Doctor(doctor::DoctorArguments),
    /// Accounts of a running server.
    #[command(subcommand)]
    Account(account::AccountVerb),
    /// Whether mail leaves.
    #[command(subcommand)]
    Email(email::EmailVerb),
    /// Invite codes of a running server.
    #[command(subcommand)]
    Invite(invite::InviteVerb),
    /// Print how many records, blobs and events all accounts of a running server have together, and how many bytes in them.
    Storage(storage::StorageArguments),
    /// What the relays say of this server.
    #[command(subcommand)]
    Relay(relay::RelayVerb),
    /// Ask the server on this machine whether it is alive; exit status 1 if not.
    Healthcheck(healthcheck::HealthcheckArguments),
}

/// Runs the verb that the command line names.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("pds: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match arguments.verb.unwrap_or(Verb::Serve) {
            Verb::Serve => serve::run().await,
            Verb::Dev(arguments) => dev::run(arguments).await,
            Verb::Doctor(arguments) => doctor::run(arguments).await,
            Verb::Account(verb) => account::run(verb).await,
            Verb::Email(verb) => email::run(verb).await,
            Verb::Invite(verb) => invite::run(verb).await,
            Verb::Storage(arguments) => storage::run(arguments).await,
            Verb::Relay(verb) => relay::run(verb).await,
            Verb::Healthcheck(arguments) => healthcheck::run(arguments).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads has seen enough, as in `pds account list | head`.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pds: {error}");
            let failure = error.downcast_ref::<Failure>();
            failure.map_or(ExitCode::FAILURE, |failure| failure.cause.status().into())
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What a verb may fail with; it is printed as it is.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

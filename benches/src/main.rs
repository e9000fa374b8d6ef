//! Measures the server over loopback: throughput, latency, CPU time per operation, memory and start.
//!
//! It starts the binary that is named on fresh data, with a PLC directory of its own, loads it case by case for a bounded time and prints
//! one table. CPU time of the server per operation is the figure to compare: it hardly depends on what else the machine does.

mod accounts;
mod cases;
mod connection;
mod disk;
mod generated_repo;
mod large_repos;
mod load;
mod options;
mod plc_directory;
mod process;
mod requests;
mod subscribers;
mod table;
mod transfers;
mod upstream;

use std::process::ExitCode;

/// What a measurement may fail with; it is printed as it is.
type Error = Box<dyn std::error::Error + Send + Sync>;

// One thread: the load generator must not take both cores of a small machine.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match options::Options::parse(std::env::args().skip(1)) {
        Ok(options) => cases::run(&options).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pds-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

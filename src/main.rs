//! The `pds` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    pds::cli::run()
}

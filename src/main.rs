//! The `pds` program.

use std::process::ExitCode;

/// Under the system's allocator, one password hash per thread stays in memory for good (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pds::cli::run()
}

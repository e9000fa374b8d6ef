//! The `pds` program.

use std::process::ExitCode;

/// Under the system's allocator, one password hash per thread stays in memory for good (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // With huge pages, where the system hands them out, little use of an arena takes megabytes. It is no loss where there are none.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    pds::cli::run()
}

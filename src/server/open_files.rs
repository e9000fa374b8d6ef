//! How many files and connections the process may have open.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of files that this process may have open to the most that it is allowed, and returns that (none: unlimited). What a
/// process starts with is 1,024 on most systems, less than a thousand subscribers of the firehose need.
///
/// # Errors
/// If the operating system refuses it.
pub fn raise_limit() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let current = maximum;
        setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    }
    Ok(maximum)
}

/// How many files this process may have open (none: unlimited).
pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

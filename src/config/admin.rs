//! The two settings that a command beside a running server needs: its port and the admin password.

#![expect(
    clippy::disallowed_methods,
    reason = "this room is the one that reads the environment"
)]

use std::io;

/// Where a server listens if nothing else is set.
const DEFAULT_PORT: u16 = 2583;

/// `PDS_PORT`, or the default where it is missing or wrong.
pub fn port() -> u16 {
    std::env::var("PDS_PORT")
        .ok()
        .and_then(|port| port.trim().parse().ok())
        .unwrap_or(DEFAULT_PORT)
}

/// `PDS_ADMIN_PASSWORD` or what the file `PDS_ADMIN_PASSWORD_FILE` holds, trimmed; none if neither is set.
///
/// # Errors
/// If the file cannot be read.
pub fn password() -> io::Result<Option<String>> {
    let given = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    if let Some(password) = given("PDS_ADMIN_PASSWORD") {
        return Ok(Some(password.trim().to_owned()));
    }
    match given("PDS_ADMIN_PASSWORD_FILE") {
        Some(path) => Ok(Some(std::fs::read_to_string(path)?.trim().to_owned())),
        None => Ok(None),
    }
}

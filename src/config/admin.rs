//! The two settings that a command beside a running server needs: its port and the admin password.

#![expect(
    clippy::disallowed_methods,
    reason = "this room is the one that reads the environment"
)]

use std::io;

/// Where a server listens if nothing else is set.
const DEFAULT_PORT: u16 = 2583;

/// `PDS_PORT`, or the default where it is missing.
///
/// # Errors
/// If it is no port: a server that listens elsewhere would be taken for one that does not answer.
pub fn port() -> io::Result<u16> {
    let Some(port) = given("PDS_PORT") else {
        return Ok(DEFAULT_PORT);
    };
    port.trim().parse().map_err(|_| {
        let message = format!("PDS_PORT: must be a port number from 0 to 65535, got {port:?}");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

/// `PDS_ADMIN_PASSWORD` or what the file `PDS_ADMIN_PASSWORD_FILE` holds, trimmed; none if neither is set.
///
/// # Errors
/// If the file cannot be read.
pub fn password() -> io::Result<Option<String>> {
    if let Some(password) = given("PDS_ADMIN_PASSWORD") {
        return Ok(Some(password.trim().to_owned()));
    }
    match given("PDS_ADMIN_PASSWORD_FILE") {
        Some(path) => Ok(Some(std::fs::read_to_string(path)?.trim().to_owned())),
        None => Ok(None),
    }
}

fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

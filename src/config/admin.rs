//! The settings that a command beside a running server needs: its address and the admin password.

#![expect(
    clippy::disallowed_methods,
    reason = "this room is the one that reads the environment"
)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Where a server listens if nothing else is set.
const DEFAULT_PORT: u16 = 2583;

/// Where the server on this machine answers: at `PDS_BIND_ADDRESS`, on loopback if that means all addresses, and `PDS_PORT`, or the
/// defaults where they are missing.
///
/// # Errors
/// If one is wrong: a server that listens elsewhere would be taken for one that does not answer.
pub fn address() -> io::Result<SocketAddr> {
    let address = parsed("PDS_BIND_ADDRESS", "an IP address", Ipv4Addr::UNSPECIFIED.into())?;
    let port = parsed("PDS_PORT", "a port number from 0 to 65535", DEFAULT_PORT)?;
    let loopback = match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        one => one,
    };
    Ok(SocketAddr::new(loopback, port))
}

fn parsed<T: FromStr>(name: &str, wants: &str, default: T) -> io::Result<T> {
    let Some(text) = given(name) else {
        return Ok(default);
    };
    text.trim().parse().map_err(|_| {
        let message = format!("{name}: must be {wants}, got {text:?}");
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

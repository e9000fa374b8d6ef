//! Requests to addresses that a user chose: DID documents, handles, client metadata, proxied services. They leave only through
//! [`GuardedClient`], which reaches nothing but the public network.

mod address;
mod backup_dns;
mod builder;
mod checked_names;
mod client;
mod dns;
mod system_dns;
mod target;
#[cfg(test)]
mod tests;

pub use builder::client_builder;
pub use client::{FetchError, FetchLimits, Fetched, GuardedClient, GuardedClientError};
pub use dns::{Dns, DnsError};
pub use system_dns::SystemDns;
pub use target::{Reach, Refusal};

#[cfg(test)]
pub(crate) use dns::fake::FakeDns;

//! Names resolved for connections: the addresses that are checked here are the ones connected to, so that a name cannot change
//! between the check and the connection.

use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::dns::{Dns, DnsError};
use super::target::{Reach, check_address};

/// Resolves names for the guarded client.
pub(super) struct CheckedNames {
    pub(super) dns: Arc<dyn Dns>,
    pub(super) reach: Reach,
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (dns, reach) = (Arc::clone(&self.dns), self.reach);
        Box::pin(async move {
            let addresses = dns.addresses(name.as_str()).await?;
            if addresses.is_empty() {
                return Err(DnsError("the host has no address".to_owned()).into());
            }
            if reach == Reach::Public {
                // One private address among public ones is no accident: nothing is sent to any.
                for address in &addresses {
                    check_address(address.ip())?;
                }
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

//! Where somebody is who gives a password.

use std::net::IpAddr;

/// Where somebody is who gives a password: it decides how long guesses wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// At this address.
    At(IpAddr),
    /// Behind a proxy that does not tell the address.
    Hidden,
    /// Where nobody waits: the operator has switched limits off, or said so for this client.
    Unlimited,
}

impl Origin {
    /// The address, if it matters and is known.
    pub(super) fn address(self) -> Option<IpAddr> {
        match self {
            Origin::At(address) => Some(address),
            Origin::Hidden | Origin::Unlimited => None,
        }
    }
}

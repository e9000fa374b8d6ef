//! Where a caller who gives a password is.

use crate::account::Origin;
use crate::server::{Client, Meter};

/// Where the client is whose calls a meter counts.
pub(super) fn origin(meter: &Meter) -> Origin {
    match meter.client() {
        _ if !meter.is_limited() => Origin::Unlimited,
        Client::At(address) => Origin::At(address),
        Client::Hidden => Origin::Hidden,
    }
}

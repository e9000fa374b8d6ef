//! How many subscribers there may be: in all, and from one address.

use std::net::IpAddr;

use crate::quota::{Limits, Quota, Share};

/// The most subscribers at a time: each is a connection and may hold a page of old events.
const MAX_SUBSCRIBERS: usize = 4_000;
/// The most of them from one address: nobody takes the places of all others.
const MAX_PER_ADDRESS: usize = 100;
/// Addresses that nobody knows share all places.
const LIMITS: Limits = Limits {
    all: MAX_SUBSCRIBERS,
    one: MAX_PER_ADDRESS,
    strangers: MAX_SUBSCRIBERS,
};

/// The places of subscribers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Slots(Quota<IpAddr>);

/// The place of one subscriber, to be held as long as it is there.
pub struct Slot {
    _share: Share<IpAddr>,
}

impl Slots {
    pub(super) fn new() -> Slots {
        Slots(Quota::new(LIMITS))
    }

    /// A place; none if there are too many subscribers, or too many from this address, if it is known.
    pub(super) fn take(&self, address: Option<IpAddr>) -> Option<Slot> {
        let mut share = self.0.share(address);
        share.grow(1).ok()?;
        Some(Slot { _share: share })
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.0.handed_out()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn one_address_has_its_share_and_no_more() {
        let slots = Slots::new();
        let (one, other) = (Some([203, 0, 113, 1].into()), Some([203, 0, 113, 2].into()));
        let mut held: Vec<Slot> = (0..MAX_PER_ADDRESS).map(|_| slots.take(one).unwrap()).collect();
        assert!(slots.take(one).is_none());
        held.push(slots.take(other).unwrap());
        held.remove(0);
        held.push(slots.take(one).unwrap());
        assert!(slots.take(one).is_none());
        assert_eq!(slots.taken(), MAX_PER_ADDRESS + 1);
        drop(held);
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn addresses_that_nobody_knows_share_all_places() {
        let slots = Slots::new();
        let held: Vec<Slot> = (0..MAX_SUBSCRIBERS).map(|_| slots.take(None).unwrap()).collect();
        assert!(slots.take(None).is_none());
        drop(held);
        assert_eq!(slots.taken(), 0);
    }
}

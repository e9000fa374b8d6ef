//! How many subscribers there may be: in all, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most subscribers at a time: each is a connection and may hold a page of old events.
const MAX_SUBSCRIBERS: usize = 4_000;
/// The most of them from one address: nobody takes the places of all others.
const MAX_PER_ADDRESS: usize = 100;

type Addresses = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The places of subscribers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    taken: Addresses,
}

/// The place of one subscriber, to be held as long as it is there.
pub struct Slot {
    _place: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// One of the places of an address.
struct Share {
    address: IpAddr,
    taken: Addresses,
}

impl Slots {
    pub(super) fn new() -> Slots {
        Slots {
            free: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
            taken: Addresses::default(),
        }
    }

    /// A place; none if there are too many subscribers, or too many from this address, if it is known.
    pub(super) fn take(&self, address: Option<IpAddr>) -> Option<Slot> {
        let place = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let share = match address {
            Some(address) => Some(Share::take(address, &self.taken)?),
            None => None,
        };
        Some(Slot {
            _place: place,
            _share: share,
        })
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        MAX_SUBSCRIBERS - self.free.available_permits()
    }
}

impl Share {
    fn take(address: IpAddr, taken: &Addresses) -> Option<Share> {
        let mut addresses = lock(taken);
        let count = addresses.entry(address).or_default();
        if *count == MAX_PER_ADDRESS {
            return None;
        }
        *count += 1;
        let taken = Arc::clone(taken);
        Some(Share { address, taken })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut addresses = lock(&self.taken);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

fn lock(taken: &Addresses) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    // Nothing panics while holding it.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(lock(&slots.taken).is_empty());
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

//! How many calls may be under way at once: in all, and for one account, so that nobody holds them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atproto_data::Did;
use axum::http::StatusCode;

use crate::server::XrpcError;

/// In all.
const MAX_CALLS: usize = 4_096;
/// For one account: many times what an app has under way.
const MAX_CALLS_OF_ACCOUNT: usize = 128;
/// For all who ask without logging in.
const MAX_CALLS_OF_STRANGERS: usize = 1_024;

/// Counts the calls that are under way. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Slots(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    all: usize,
    /// By the account that asks; none for strangers.
    by_caller: HashMap<Option<Did>, usize>,
}

/// A call under way, until it is dropped.
pub(super) struct Slot {
    slots: Slots,
    caller: Option<Did>,
}

impl Slots {
    /// Counts a call.
    ///
    /// # Errors
    /// 429 if too many of the caller's are under way, 503 if too many of all.
    pub(super) fn take(&self, caller: Option<&Did>) -> Result<Slot, XrpcError> {
        let caller = caller.cloned();
        let mut counts = self.counts();
        if counts.all >= MAX_CALLS {
            let message = "Too many calls of other services are under way: try again in a moment";
            return Err(XrpcError::not_enough_resources(message));
        }
        let limit = match caller {
            Some(_) => MAX_CALLS_OF_ACCOUNT,
            None => MAX_CALLS_OF_STRANGERS,
        };
        let own = counts.by_caller.entry(caller.clone()).or_default();
        if *own >= limit {
            let message = "Too many of your calls of other services are under way: try again when some have ended";
            return Err(XrpcError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "RateLimitExceeded",
                message,
            ));
        }
        *own += 1;
        counts.all += 1;
        Ok(Slot {
            slots: self.clone(),
            caller,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.slots.counts();
        counts.all -= 1;
        if let Some(own) = counts.by_caller.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                counts.by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Takes slots until there are none; returns them, and the status of the refusal.
    fn take_all(slots: &Slots, caller: Option<&Did>) -> (Vec<Slot>, StatusCode) {
        let mut taken = Vec::new();
        loop {
            match slots.take(caller) {
                Ok(slot) => taken.push(slot),
                Err(error) => return (taken, error.status),
            }
        }
    }

    fn did(number: usize) -> Did {
        format!("did:web:a{number}.test").parse().unwrap()
    }

    #[test]
    fn nobody_takes_them_all() {
        let slots = Slots::default();
        let (of_alice, status) = take_all(&slots, Some(&did(0)));
        assert_eq!((of_alice.len(), status), (128, StatusCode::TOO_MANY_REQUESTS));
        let (of_strangers, status) = take_all(&slots, None);
        assert_eq!((of_strangers.len(), status), (1_024, StatusCode::TOO_MANY_REQUESTS));
        assert!(slots.take(Some(&did(1))).is_ok(), "others have theirs");
        let many: Vec<Vec<Slot>> = (1..=23).map(|number| take_all(&slots, Some(&did(number))).0).collect();
        assert_eq!(many.iter().map(Vec::len).sum::<usize>(), 4_096 - 128 - 1_024);
        let full = slots.take(Some(&did(99))).err().unwrap();
        assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
        drop((of_alice, of_strangers, many));
        assert_eq!(slots.counts().all, 0);
        assert!(slots.counts().by_caller.is_empty(), "nothing is kept of who has gone");
    }
}

//! What calls that are under way may take: how many there are, how many of them still look for their service, and memory for answers that
//! are read as a whole.

use atproto_data::Did;
use axum::http::StatusCode;

use crate::quota::{Exceeded, Limits, Quota, Share};
use crate::server::XrpcError;

/// Calls at once; for one account many times what an app has under way.
const CALLS: Limits = Limits {
    all: 4_096,
    one: 128,
    strangers: 1_024,
};
/// Services that are looked up at once: so few of an account's that the lookups of others are not kept waiting.
const LOOKUPS: Limits = Limits {
    all: 4_096,
    one: 16,
    strangers: 16,
};
/// Bytes for answers; for one account enough to read one of 3 MiB as JSON.
const MEMORY: Limits = Limits {
    all: 64 << 20,
    one: 16 << 20,
    strangers: 16 << 20,
};

/// Hands out places for calls.
pub(super) struct Capacity {
    calls: Quota<Did>,
    lookups: Quota<Did>,
    memory: Quota<Did>,
}

/// What a call takes, until it is dropped.
pub(super) struct Place {
    _call: Share<Did>,
    /// For its answer.
    pub(super) room: Room,
}

/// Memory for an answer, until it is dropped.
pub(super) struct Room(Share<Did>);

impl Default for Capacity {
    fn default() -> Capacity {
        Capacity {
            calls: Quota::new(CALLS),
            lookups: Quota::new(LOOKUPS),
            memory: Quota::new(MEMORY),
        }
    }
}

impl Capacity {
    /// A place for a call of an account's, or a stranger's.
    ///
    /// # Errors
    /// 429 if too many of the caller's are under way, 503 if too many of all.
    pub(super) fn place(&self, caller: Option<&Did>) -> Result<Place, XrpcError> {
        Ok(Place {
            _call: one(&self.calls, caller)?,
            room: self.room(caller),
        })
    }

    /// Counts the lookup of a service, until it is dropped.
    ///
    /// # Errors
    /// As [`Self::place`].
    pub(super) fn lookup(&self, caller: &Did) -> Result<Share<Did>, XrpcError> {
        one(&self.lookups, Some(caller))
    }

    /// Room for nothing yet.
    pub(super) fn room(&self, caller: Option<&Did>) -> Room {
        Room(self.memory.share(caller.cloned()))
    }
}

fn one(quota: &Quota<Did>, caller: Option<&Did>) -> Result<Share<Did>, XrpcError> {
    let mut share = quota.share(caller.cloned());
    share.grow(1).map_err(|exceeded| match exceeded {
        Exceeded::All => {
            let message = "Too many calls of other services are under way: try again in a moment";
            XrpcError::not_enough_resources(message)
        }
        Exceeded::Caller => XrpcError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "RateLimitExceeded",
            "Too many of your calls of other services are under way: try again when some have ended",
        ),
    })?;
    Ok(share)
}

impl Room {
    /// Makes the room larger.
    ///
    /// # Errors
    /// 503 if there is no more memory.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), XrpcError> {
        self.0.grow(bytes).map_err(|_| {
            let message = "Too many large answers are being read: try again in a moment";
            XrpcError::not_enough_resources(message)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_account_has_many_calls_and_leaves_some_to_others() {
        let capacity = Capacity::default();
        let (alice, bob) = (
            "did:web:alice.test".parse().unwrap(),
            "did:web:bob.test".parse().unwrap(),
        );
        let mut places: Vec<Place> = (0..128).map(|_| capacity.place(Some(&alice)).unwrap()).collect();
        let refused = capacity.place(Some(&alice)).err().unwrap();
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        let mut of_bob = capacity.place(Some(&bob)).unwrap();
        assert!(places[0].room.grow(16 << 20).is_ok() && of_bob.room.grow(16 << 20).is_ok());
        let no_room = places[1].room.grow(1).unwrap_err();
        assert_eq!(no_room.status, StatusCode::SERVICE_UNAVAILABLE);
    }
}

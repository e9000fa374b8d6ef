//! So much of something for all, and so much of it for one account, so that nobody holds it all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atproto_data::Did;

/// The most that is handed out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// In all.
    pub(super) all: usize,
    /// To one account.
    pub(super) account: usize,
    /// To all who ask without logging in.
    pub(super) strangers: usize,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// The caller's own.
    Caller,
    /// That of all together.
    All,
}

/// Counts what is handed out. Cheap to clone.
#[derive(Clone)]
pub(super) struct Quota {
    limits: Limits,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    /// By the account that asks; none for strangers.
    by_caller: HashMap<Option<Did>, usize>,
}

/// What was handed out for one purpose, until it is dropped.
pub(super) struct Share {
    quota: Quota,
    caller: Option<Did>,
    amount: usize,
}

impl Quota {
    pub(super) fn new(limits: Limits) -> Quota {
        Quota {
            limits,
            counts: Arc::default(),
        }
    }

    /// Nothing yet, for a caller.
    pub(super) fn share(&self, caller: Option<&Did>) -> Share {
        Share {
            quota: self.clone(),
            caller: caller.cloned(),
            amount: 0,
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Makes it larger, or leaves it as it is.
    ///
    /// # Errors
    /// If a limit is reached.
    pub(super) fn grow(&mut self, amount: usize) -> Result<(), Exceeded> {
        let limits = self.quota.limits;
        let mut counts = self.quota.counts();
        if amount > limits.all - counts.all {
            return Err(Exceeded::All);
        }
        let limit = match self.caller {
            Some(_) => limits.account,
            None => limits.strangers,
        };
        let own = counts.by_caller.get(&self.caller).copied().unwrap_or_default();
        if amount > limit.saturating_sub(own) {
            return Err(Exceeded::Caller);
        }
        counts.by_caller.insert(self.caller.clone(), own + amount);
        counts.all += amount;
        self.amount += amount;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.quota.counts();
        counts.all -= self.amount;
        if let Some(own) = counts.by_caller.get_mut(&self.caller) {
            *own -= self.amount;
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

    fn did(number: usize) -> Did {
        format!("did:web:a{number}.test").parse().unwrap()
    }

    #[test]
    fn nobody_takes_it_all_and_everything_comes_back() {
        let quota = Quota::new(Limits {
            all: 100,
            account: 30,
            strangers: 50,
        });
        let (mut alice, mut strangers) = (quota.share(Some(&did(0))), quota.share(None));
        assert_eq!(alice.grow(31), Err(Exceeded::Caller));
        assert_eq!((alice.grow(20), alice.grow(10)), (Ok(()), Ok(())));
        assert_eq!(quota.share(Some(&did(0))).grow(1), Err(Exceeded::Caller));
        assert_eq!((strangers.grow(50), strangers.grow(1)), (Ok(()), Err(Exceeded::Caller)));
        let (mut bob, mut carol) = (quota.share(Some(&did(1))), quota.share(Some(&did(2))));
        assert_eq!(bob.grow(20), Ok(()), "others have theirs");
        assert_eq!(
            (carol.grow(1), carol.grow(usize::MAX)),
            (Err(Exceeded::All), Err(Exceeded::All))
        );
        drop((alice, strangers));
        assert_eq!(carol.grow(30), Ok(()));
        drop((bob, carol));
        assert_eq!(quota.counts().all, 0);
        assert!(quota.counts().by_caller.is_empty(), "nothing is kept of who has gone");
    }
}

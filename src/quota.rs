//! So much of something for all, and so much of it for one caller, so that nobody holds it all.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most that is handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// In all.
    pub(crate) all: usize,
    /// To one caller.
    pub(crate) one: usize,
    /// To all callers who are not known.
    pub(crate) strangers: usize,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// The caller's own.
    Caller,
    /// That of all together.
    All,
}

/// Counts what is handed out, by who `C` asks. Cheap to clone.
pub(crate) struct Quota<C> {
    limits: Limits,
    counts: Arc<Mutex<Counts<C>>>,
}

struct Counts<C> {
    all: usize,
    /// None for strangers.
    by_caller: HashMap<Option<C>, usize>,
}

/// What was handed out for one purpose, until it is dropped.
pub(crate) struct Share<C: Eq + Hash> {
    quota: Quota<C>,
    caller: Option<C>,
    amount: usize,
}

impl<C> Clone for Quota<C> {
    fn clone(&self) -> Quota<C> {
        Quota {
            limits: self.limits,
            counts: Arc::clone(&self.counts),
        }
    }
}

impl<C: Eq + Hash> Quota<C> {
    pub(crate) fn new(limits: Limits) -> Quota<C> {
        let counts = Counts {
            all: 0,
            by_caller: HashMap::new(),
        };
        Quota {
            limits,
            counts: Arc::new(Mutex::new(counts)),
        }
    }

    /// Nothing yet, for a caller.
    pub(crate) fn share(&self, caller: Option<C>) -> Share<C> {
        Share {
            quota: self.clone(),
            caller,
            amount: 0,
        }
    }

    /// How much is handed out.
    pub(crate) fn handed_out(&self) -> usize {
        self.counts().all
    }

    fn counts(&self) -> MutexGuard<'_, Counts<C>> {
        // Nothing panics while holding it.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Eq + Hash + Clone> Share<C> {
    /// Makes it larger, or leaves it as it is.
    ///
    /// # Errors
    /// If a limit is reached.
    pub(crate) fn grow(&mut self, amount: usize) -> Result<(), Exceeded> {
        let limits = self.quota.limits;
        let mut counts = self.quota.counts();
        if amount > limits.all - counts.all {
            return Err(Exceeded::All);
        }
        let limit = match self.caller {
            Some(_) => limits.one,
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

impl<C: Eq + Hash> Drop for Share<C> {
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

    use atproto_data::Did;

    use super::*;

    fn did(number: usize) -> Did {
        format!("did:web:a{number}.test").parse().unwrap()
    }

    #[test]
    fn nobody_takes_it_all_and_everything_comes_back() {
        let quota = Quota::new(Limits {
            all: 100,
            one: 30,
            strangers: 50,
        });
        let (mut alice, mut strangers) = (quota.share(Some(did(0))), quota.share(None));
        assert_eq!(alice.grow(31), Err(Exceeded::Caller));
        assert_eq!((alice.grow(20), alice.grow(10)), (Ok(()), Ok(())));
        assert_eq!(quota.share(Some(did(0))).grow(1), Err(Exceeded::Caller));
        assert_eq!((strangers.grow(50), strangers.grow(1)), (Ok(()), Err(Exceeded::Caller)));
        let (mut bob, mut carol) = (quota.share(Some(did(1))), quota.share(Some(did(2))));
        assert_eq!(bob.grow(20), Ok(()), "others have theirs");
        assert_eq!(
            (carol.grow(1), carol.grow(usize::MAX)),
            (Err(Exceeded::All), Err(Exceeded::All))
        );
        drop((alice, strangers));
        assert_eq!(carol.grow(30), Ok(()));
        drop((bob, carol));
        assert_eq!(quota.handed_out(), 0);
        assert!(quota.counts().by_caller.is_empty(), "nothing is kept of who has gone");
    }
}

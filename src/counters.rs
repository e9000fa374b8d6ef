//! How much somebody did within fixed windows of time, counted in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counts by key. What a key stands for is up to the caller; only its hash is kept.
pub(crate) struct Counters {
    windows: Mutex<HashMap<u64, Window>>,
    hasher: RandomState,
    capacity: usize,
}

/// What was counted in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// How much, this time included.
    pub(crate) used: u32,
    /// When it starts anew, µs since 1970.
    pub(crate) ends: i64,
}

impl Counters {
    /// Counters for at most `capacity` keys at a time, some 30 bytes each.
    pub(crate) fn new(capacity: usize) -> Counters {
        Counters {
            windows: Mutex::default(),
            hasher: RandomState::new(),
            capacity,
        }
    }

    /// Counts `points` more. The first ones of a key begin a window of that length.
    pub(crate) fn add(&self, key: impl Hash, points: u32, length: Duration, now: i64) -> Window {
        let key = self.hasher.hash_one(key);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if !windows.contains_key(&key) && windows.len() >= self.capacity {
            make_room(&mut windows, now);
        }
        let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        let new = Window {
            used: 0,
            ends: now.saturating_add(length),
        };
        let window = windows.entry(key).or_insert(new);
        if window.ends <= now {
            *window = new;
        }
        window.used = window.used.saturating_add(points);
        *window
    }

    /// Takes back what was counted too much, if its window has not ended.
    pub(crate) fn give_back(&self, key: impl Hash, points: u32) {
        let key = self.hasher.hash_one(key);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.get_mut(&key) {
            window.used = window.used.saturating_sub(points);
        }
    }

    /// What is counted for a key now.
    pub(crate) fn used(&self, key: impl Hash, now: i64) -> u32 {
        let key = self.hasher.hash_one(key);
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&key).filter(|window| window.ends > now);
        window.map_or(0, |window| window.used)
    }
}

/// Removes what has ended; if that is little, also the half that used least: a flood of keys that come once does not make us forget those
/// who come often, and room is made for many at once.
fn make_room(windows: &mut HashMap<u64, Window>, now: i64) {
    let before = windows.len();
    windows.retain(|_, window| window.ends > now);
    if windows.len() > before / 2 {
        let mut used: Vec<u32> = windows.values().map(|window| window.used).collect();
        let half = used.len() / 2;
        let (_, median, _) = used.select_nth_unstable(half);
        let median = *median;
        // Of those at the median as many go as it takes.
        let mut surplus = windows.len() - half;
        windows.retain(|_, window| {
            let goes = window.used < median || (window.used == median && surplus > 0);
            surplus = surplus.saturating_sub(usize::from(goes));
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const MINUTE_MICROS: i64 = 60_000_000;

    #[test]
    fn a_window_counts_up_and_starts_anew() {
        let counters = Counters::new(10);
        let count = |now| counters.add("alice", 2, MINUTE, now).used;
        assert_eq!((count(0), count(1), count(MINUTE_MICROS - 1)), (2, 4, 6));
        counters.give_back("alice", 1);
        assert_eq!(counters.used("alice", 5), 5);
        assert_eq!(counters.used("alice", MINUTE_MICROS), 0);
        assert_eq!(count(MINUTE_MICROS), 2);
        assert_eq!(counters.used("bob", 0), 0);
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_does_not_wash_away_who_comes_often() {
        let counters = Counters::new(1_000);
        for _ in 0..50 {
            counters.add("often", 1, MINUTE, 0);
        }
        for stranger in 0..100_000 {
            counters.add(stranger, 1, MINUTE, 0);
        }
        assert_eq!(counters.used("often", 1), 50);
        let kept = counters.windows.lock().map(|windows| windows.len()).unwrap_or_default();
        assert!(kept <= 1_000, "{kept}");
    }

    #[test]
    fn keys_that_all_came_twice_do_not_keep_newcomers_uncounted() {
        let counters = Counters::new(1_000);
        for stranger in 0..1_000 {
            counters.add(stranger, 2, MINUTE, 0);
        }
        counters.add("newcomer", 1, MINUTE, 0);
        for stranger in 1_000..1_200 {
            counters.add(stranger, 1, MINUTE, 0);
        }
        assert_eq!(counters.used("newcomer", 1), 1);
    }

    #[test]
    fn what_has_ended_makes_room_first() {
        let counters = Counters::new(100);
        for old in 0..90 {
            counters.add(("old", old), 5, MINUTE, 0);
        }
        for new in 0..30 {
            counters.add(("new", new), 1, MINUTE, MINUTE_MICROS);
        }
        assert_eq!(counters.used(("new", 0), MINUTE_MICROS), 1);
    }
}

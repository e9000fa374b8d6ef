//! How many events this server emits: counted minute by minute, so that a count reads the newest events only.

use std::collections::VecDeque;

use sqlx::SqliteConnection;

use crate::sequencer;
use crate::store::StoreError;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
const MINUTES_PER_HOUR: i64 = 60;
const MINUTES_PER_DAY: i64 = 24 * 60;

/// The events of the last day, as far as the log goes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRates {
    /// Minute since 1970, events in it, most events in one of its seconds; oldest first.
    minutes: VecDeque<(i64, u64, u64)>,
    counted_to: i64,
}

impl EventRates {
    /// Counts the events since the last time; the first time those of a day. `now` is in µs since 1970.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn update(&mut self, connection: &mut SqliteConnection, now: i64) -> Result<(), StoreError> {
        let seq_high = sequencer::log_state(connection).await?.seq_high;
        let from = self.counted_to.max(now - MINUTES_PER_DAY * MICROS_PER_MINUTE);
        for (second, events) in sequencer::events_per_second(connection, from, seq_high).await? {
            self.add(second, events);
        }
        self.counted_to = self.counted_to.max(seq_high);
        let oldest = now.div_euclid(MICROS_PER_MINUTE) - MINUTES_PER_DAY;
        while self.minutes.front().is_some_and(|(minute, ..)| *minute <= oldest) {
            self.minutes.pop_front();
        }
        Ok(())
    }

    fn add(&mut self, second: i64, events: u64) {
        let minute = second.div_euclid(60);
        match self.minutes.back_mut().filter(|(last, ..)| *last == minute) {
            Some((_, count, most)) => {
                *count += events;
                *most = events.max(*most);
            }
            None => self.minutes.push_back((minute, events, events)),
        }
    }

    /// Events in the last 60 minutes.
    pub fn last_hour(&self, now: i64) -> u64 {
        self.since(now, MINUTES_PER_HOUR).map(|(_, events, _)| events).sum()
    }

    /// Events in the last 24 hours.
    pub fn last_day(&self, now: i64) -> u64 {
        self.since(now, MINUTES_PER_DAY).map(|(_, events, _)| events).sum()
    }

    /// The most events in one second of the last 60 minutes.
    pub fn busiest_second(&self, now: i64) -> u64 {
        let most = self.since(now, MINUTES_PER_HOUR).map(|(_, _, most)| most);
        most.max().unwrap_or_default()
    }

    fn since(&self, now: i64, minutes: i64) -> impl Iterator<Item = (i64, u64, u64)> {
        let oldest = now.div_euclid(MICROS_PER_MINUTE) - minutes;
        self.minutes
            .iter()
            .copied()
            .filter(move |(minute, ..)| *minute > oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_days_and_seconds_are_told_apart() {
        let minute = 1_000_000;
        let mut rates = EventRates::default();
        for (second, events) in [
            (minute * 60, 5),
            (minute * 60 + 1, 7),
            ((minute + 30) * 60, 1),
            ((minute + 90) * 60, 2),
        ] {
            rates.add(second, events);
        }
        let now = (minute + 90) * MICROS_PER_MINUTE;
        assert_eq!((rates.last_hour(now), rates.last_day(now)), (2, 15));
        assert_eq!(rates.busiest_second(now), 2);
        let before = (minute + 31) * MICROS_PER_MINUTE;
        assert_eq!(rates.busiest_second(before), 7);
        let later = now + MINUTES_PER_DAY * MICROS_PER_MINUTE;
        assert_eq!((rates.last_hour(later), rates.last_day(later)), (0, 0));
    }
}

//! Giving events their place: `seq` is the time in µs since 1970, made strictly increasing.
//!
//! A server that is restored from an old backup can therefore never issue a number that a relay has already seen.

use std::collections::VecDeque;
use std::sync::Arc;

use atproto_repo::frame::EventBody;
use bytes::Bytes;

use super::live::Live;
use crate::clock::{Clock, rfc3339_millis};
use crate::observe::metrics;
use crate::store::{Sequence, SequencedEvent};

/// More than a group of writes has events.
const MAX_PLACED: usize = 4_096;

pub(super) struct Placer {
    last: i64,
    clock: Arc<dyn Clock>,
    live: Arc<Live>,
    /// Seq and kind of events that are not durable yet, or never will be.
    placed: VecDeque<(i64, &'static str)>,
}

impl Placer {
    pub(super) fn new(last: i64, clock: Arc<dyn Clock>, live: Arc<Live>) -> Placer {
        Placer {
            last,
            clock,
            live,
            placed: VecDeque::new(),
        }
    }
}

impl Sequence for Placer {
    fn place(&mut self, event: &EventBody) -> SequencedEvent {
        let time = self.clock.now_micros();
        self.last = time.max(self.last + 1);
        if self.placed.len() == MAX_PLACED {
            self.placed.pop_front();
        }
        self.placed.push_back((self.last, event.kind().trim_start_matches('#')));
        let frame = event.frame(self.last, &rfc3339_millis(time));
        SequencedEvent {
            seq: self.last,
            time,
            frame: Bytes::from(frame),
        }
    }

    fn publish(&mut self, events: Vec<SequencedEvent>) {
        for (seq, kind) in self.placed.drain(..) {
            if events.binary_search_by_key(&seq, |event| event.seq).is_ok() {
                metrics::FIREHOSE_EVENTS.increment([kind]);
            }
        }
        self.live.publish(events);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use atproto_repo::frame::account_event;

    use super::*;
    use crate::clock::fake::FakeClock;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn numbers_rise_whatever_the_clock_does() {
        let clock = Arc::new(FakeClock::new());
        let live = Arc::new(Live::new(0, 1));
        let mut placer = Placer::new(FakeClock::START - 1, Arc::clone(&clock) as _, live);
        let event = account_event(&"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(), None);
        let mut next = || placer.place(&event).seq;
        assert_eq!([next(), next()], [FakeClock::START, FakeClock::START + 1]);
        clock.advance(HOUR);
        let ahead = next();
        clock.set_back(HOUR + HOUR);
        assert_eq!([next(), next()], [ahead + 1, ahead + 2]);
        clock.advance(3 * HOUR);
        assert_eq!(
            next(),
            FakeClock::START + 2 * 3_600_000_000,
            "the clock counts again once it is ahead"
        );
    }
}

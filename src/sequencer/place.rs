//! Giving events their place: `seq` is the time in µs since 1970, made strictly increasing.
//!
//! A server that is restored from an old backup can therefore never issue a number that a relay has already seen.

use std::sync::Arc;

use atproto_repo::frame::EventBody;
use bytes::Bytes;

use super::live::Live;
use crate::clock::{Clock, rfc3339_millis};
use crate::observe::metrics;
use crate::store::{Sequence, SequencedEvent};

pub(super) struct Placer {
    last: i64,
    clock: Arc<dyn Clock>,
    live: Arc<Live>,
}

impl Placer {
    pub(super) fn new(last: i64, clock: Arc<dyn Clock>, live: Arc<Live>) -> Placer {
        Placer { last, clock, live }
    }
}

impl Sequence for Placer {
    fn place(&mut self, event: &EventBody) -> SequencedEvent {
        let kind = event.kind().trim_start_matches('#');
        metrics::FIREHOSE_EVENTS.increment([kind]);
        let time = self.clock.now_micros();
        self.last = time.max(self.last + 1);
        let frame = event.frame(self.last, &rfc3339_millis(time));
        SequencedEvent {
            seq: self.last,
            time,
            frame: Bytes::from(frame),
        }
    }

    fn publish(&mut self, events: Vec<SequencedEvent>) {
        self.live.publish(events);
    }
}

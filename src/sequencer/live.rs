//! The newest events in memory, shared by all subscribers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use super::log::PAGE_BYTES;
use crate::store::SequencedEvent;

/// The position of a subscriber that still reads the log: it counts as no lag.
pub(super) const NOT_LIVE: i64 = i64::MAX;
/// The most bytes of frames kept in memory, whatever their number.
const BUFFER_BYTES: usize = 16 << 20;

pub(super) struct Live {
    buffer: Mutex<Buffer>,
    /// Seq of the newest event.
    newest: watch::Sender<i64>,
    /// Where the subscribers are.
    positions: Mutex<Vec<Weak<AtomicI64>>>,
    max_events: usize,
}

struct Buffer {
    events: VecDeque<SequencedEvent>,
    bytes: usize,
    /// All events after this seq are in `events`, but those that went with their account.
    floor: i64,
}

/// What the shared buffer can say about the events after a cursor.
pub(super) enum Window {
    /// These come next (none: the subscriber has seen everything).
    Events(Vec<SequencedEvent>),
    /// Some of them are only in the log.
    Older,
}

impl Live {
    pub(super) fn new(last: i64, max_events: usize) -> Live {
        let buffer = Buffer {
            events: VecDeque::new(),
            bytes: 0,
            floor: last,
        };
        Live {
            buffer: Mutex::new(buffer),
            newest: watch::Sender::new(last),
            positions: Mutex::default(),
            max_events: max_events.max(1),
        }
    }

    /// Adds durable events, in seq order, and wakes the subscribers.
    pub(super) fn publish(&self, events: Vec<SequencedEvent>) {
        let Some(last) = events.last().map(|event| event.seq) else {
            return;
        };
        {
            let mut buffer = self.lock();
            for event in events {
                buffer.bytes += event.frame.len();
                buffer.events.push_back(event);
            }
            while buffer.events.len() > self.max_events || buffer.bytes > BUFFER_BYTES {
                let Some(oldest) = buffer.events.pop_front() else { break };
                buffer.bytes -= oldest.frame.len();
                buffer.floor = oldest.seq;
            }
        }
        self.newest.send_replace(last);
    }

    /// Up to `max` events after a cursor; fewer if their frames are large, for a slow subscriber keeps them in memory while it reads.
    pub(super) fn after(&self, cursor: i64, max: usize) -> Window {
        let buffer = self.lock();
        if cursor < buffer.floor {
            return Window::Older;
        }
        let start = buffer.events.partition_point(|event| event.seq <= cursor);
        let mut bytes = 0;
        let within_page = |event: &&SequencedEvent| {
            let begins_within = bytes < PAGE_BYTES;
            bytes += event.frame.len();
            begins_within
        };
        let page = buffer.events.range(start..).take(max).take_while(within_page);
        Window::Events(page.cloned().collect())
    }

    /// Removes events that are to be told to nobody any more. `seqs` in ascending order.
    pub(super) fn forget(&self, seqs: &[i64]) {
        let mut buffer = self.lock();
        let Buffer { events, bytes, .. } = &mut *buffer;
        events.retain(|event| {
            let stays = seqs.binary_search(&event.seq).is_err();
            if !stays {
                *bytes -= event.frame.len();
            }
            stays
        });
    }

    /// The cursor of a new subscriber, to be kept up to date by it; [`NOT_LIVE`] until it has reached the shared buffer.
    pub(super) fn position(&self) -> Arc<AtomicI64> {
        let position = Arc::new(AtomicI64::new(NOT_LIVE));
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.retain(|other| other.strong_count() > 0);
        positions.push(Arc::downgrade(&position));
        position
    }

    /// How many events the slowest live subscriber is behind.
    pub(super) fn lag(&self) -> usize {
        let positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        let cursors = positions.iter().filter_map(Weak::upgrade);
        let slowest = cursors.map(|cursor| cursor.load(Ordering::Relaxed)).min();
        let buffer = self.lock();
        let seen = |cursor| buffer.events.partition_point(|event| event.seq <= cursor);
        slowest.map_or(0, |cursor| buffer.events.len() - seen(cursor))
    }

    /// The seq after which all events are in the buffer.
    pub(super) fn floor(&self) -> i64 {
        self.lock().floor
    }

    /// A receiver that changes with every publication, and the newest seq.
    pub(super) fn watch(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        // Nothing panics while holding it; if something did, the buffer would still be in order.
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: i64) -> SequencedEvent {
        SequencedEvent {
            seq,
            time: seq,
            frame: vec![0; 10].into(),
        }
    }

    #[test]
    fn what_is_forgotten_is_told_to_nobody_and_nothing_else_is_missed() {
        let live = Live::new(0, 100);
        live.publish((1..=5).map(event).collect());
        live.forget(&[2, 3, 9]);
        let seqs = |cursor| match live.after(cursor, 10) {
            Window::Events(events) => events.iter().map(|event| event.seq).collect(),
            Window::Older => Vec::new(),
        };
        assert_eq!(seqs(0), [1, 4, 5]);
        assert_eq!(seqs(2), [4, 5]);
        assert_eq!(live.lock().bytes, 30);
        live.publish(vec![event(6)]);
        assert_eq!(seqs(4), [5, 6]);
    }

    #[test]
    fn a_subscriber_is_too_slow_by_bytes_long_before_it_is_by_events() {
        let live = Live::new(0, 1_000);
        let large = |seq| SequencedEvent {
            frame: vec![0; 1 << 20].into(),
            ..event(seq)
        };
        live.publish((1..=16).map(large).collect());
        assert!(matches!(live.after(0, 1), Window::Events(_)), "16 MiB are kept");
        live.publish(vec![event(17)]);
        assert!(
            matches!(live.after(0, 1), Window::Older),
            "a byte more, and the oldest goes"
        );
        assert!(matches!(live.after(1, 1), Window::Events(_)));
        assert!(live.lock().bytes <= BUFFER_BYTES);
    }

    #[test]
    fn a_page_ends_when_its_frames_are_large() {
        let live = Live::new(0, 100);
        let large = |seq| SequencedEvent {
            frame: vec![0; PAGE_BYTES / 2].into(),
            ..event(seq)
        };
        live.publish((1..=9).map(large).collect());
        let count = |cursor| match live.after(cursor, 10) {
            Window::Events(events) => events.len(),
            Window::Older => 0,
        };
        assert_eq!([0, 4, 8, 9].map(count), [2, 2, 1, 0]);
    }
}

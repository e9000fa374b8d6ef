//! What the sequencer does for the writer: it alone gives events their place.

use bytes::Bytes;

use atproto_repo::frame::EventBody;

/// An event with its place in the firehose.
#[derive(Clone, Debug)]
pub struct SequencedEvent {
    /// Place in the firehose: µs since 1970, strictly increasing.
    pub seq: i64,
    /// When it was sequenced, µs since 1970.
    pub time: i64,
    /// The whole WebSocket message.
    pub frame: Bytes,
}

/// The sequencer as the writer sees it.
pub trait Sequence: Send {
    /// Gives an event the next seq. Called in the order in which the events are stored; numbers of a group that fails stay unused.
    fn place(&mut self, event: &EventBody) -> SequencedEvent;

    /// The events are durable, in seq order: tell the subscribers.
    fn publish(&mut self, events: Vec<SequencedEvent>);
}

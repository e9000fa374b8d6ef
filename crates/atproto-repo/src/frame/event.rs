//! Encoding frames. All of an event but its `seq` and `time` is known, and encoded, before the sequencer sees it.

use super::repo_op::RepoOp;
use super::status::AccountStatus;
use atproto_data::cbor::Encoder;
use atproto_data::{Cid, Did, Handle, Tid};

/// What a field name and an operation's fixed parts take at most, in bytes.
const FIXED_BYTES: usize = 512;
const OPERATION_BYTES: usize = 160;

/// An event ready for the sequencer: its frame with gaps where `seq` and `time` go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBody {
    kind: &'static str,
    bytes: Vec<u8>,
    /// Where the value of `seq` goes in `bytes`.
    seq_at: usize,
    /// Where the value of `time` goes in `bytes`, after `seq_at`.
    time_at: usize,
}

impl EventBody {
    /// The finished frame. `time` is a datetime as in records (`2026-01-02T03:04:05.678Z`).
    pub fn frame(&self, seq: i64, time: &str) -> Vec<u8> {
        let mut frame = Encoder::with_capacity(self.bytes.len() + 9 + time.len() + 9);
        frame.raw(&self.bytes[..self.seq_at]).integer(seq);
        frame.raw(&self.bytes[self.seq_at..self.time_at]).string(time);
        frame.raw(&self.bytes[self.time_at..]);
        frame.into_bytes()
    }

    /// Its `t`, such as `#commit`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// About how long a frame is: at most 9 bytes less than it really takes without the time's text.
    pub fn byte_length(&self) -> usize {
        self.bytes.len()
    }
}

/// An event being encoded.
struct Body {
    kind: &'static str,
    encoder: Encoder,
    seq_at: usize,
    time_at: usize,
}

impl Body {
    /// Starts with the header and the head of a map of `fields` fields.
    fn new(kind: &'static str, fields: usize, capacity: usize) -> Body {
        let mut encoder = Encoder::with_capacity(capacity + FIXED_BYTES);
        encoder
            .map(2)
            .string("t")
            .string(kind)
            .string("op")
            .integer(1)
            .map(fields);
        Body {
            kind,
            encoder,
            seq_at: 0,
            time_at: 0,
        }
    }

    fn field(&mut self, name: &str) -> &mut Encoder {
        self.encoder.string(name)
    }

    fn seq(&mut self) {
        self.seq_at = self.field("seq").as_slice().len();
    }

    fn time(&mut self) {
        self.time_at = self.field("time").as_slice().len();
    }

    fn finish(self) -> EventBody {
        EventBody {
            kind: self.kind,
            bytes: self.encoder.into_bytes(),
            seq_at: self.seq_at,
            time_at: self.time_at,
        }
    }
}

/// What a `#commit` says.
#[derive(Clone, Copy, Debug)]
pub struct CommitEvent<'a> {
    /// Whose repository it is.
    pub did: &'a Did,
    /// The CID of the commit block.
    pub commit: &'a Cid,
    /// The commit's revision.
    pub rev: Tid,
    /// The revision before; `None` for the first commit.
    pub since: Option<Tid>,
    /// The tree's root before; `None` for the first commit.
    pub prev_data: Option<&'a Cid>,
    /// The operations, in the order they were made; at most [`MAX_COMMIT_OPERATIONS`](super::MAX_COMMIT_OPERATIONS).
    pub ops: &'a [RepoOp],
    /// A CAR whose root is the commit: it, new records, and the tree's covering blocks; at most
    /// [`MAX_COMMIT_BLOCKS_BYTES`](super::MAX_COMMIT_BLOCKS_BYTES).
    pub blocks: &'a [u8],
}

/// A `#commit` event. The caller keeps its limits, before it signs anything.
pub fn commit_event(event: &CommitEvent<'_>) -> EventBody {
    let capacity = event.blocks.len() + event.ops.len() * OPERATION_BYTES;
    let mut body = Body::new("#commit", 11 + usize::from(event.prev_data.is_some()), capacity);
    write_ops(body.field("ops"), event.ops);
    body.field("rev").string(&event.rev.to_string());
    body.seq();
    body.field("repo").string(event.did.as_str());
    body.time();
    body.field("blobs").array(0);
    match event.since {
        Some(since) => body.field("since").string(&since.to_string()),
        None => body.field("since").null(),
    };
    body.field("blocks").bytes(event.blocks);
    body.field("commit").link(event.commit);
    body.field("rebase").boolean(false);
    body.field("tooBig").boolean(false);
    if let Some(prev_data) = event.prev_data {
        body.field("prevData").link(prev_data);
    }
    body.finish()
}

fn write_ops(encoder: &mut Encoder, ops: &[RepoOp]) {
    encoder.array(ops.len());
    for op in ops {
        encoder.map(3 + usize::from(op.prev.is_some())).string("cid");
        match &op.cid {
            Some(cid) => encoder.link(cid),
            None => encoder.null(),
        };
        encoder.string("path").string(&op.path);
        if let Some(prev) = &op.prev {
            encoder.string("prev").link(prev);
        }
        encoder.string("action").string(op.action.as_str());
    }
}

/// A `#sync` event; `blocks` is a CAR of the commit block alone, its root.
pub fn sync_event(did: &Did, rev: Tid, blocks: &[u8]) -> EventBody {
    let mut body = Body::new("#sync", 5, blocks.len());
    body.field("did").string(did.as_str());
    body.field("rev").string(&rev.to_string());
    body.seq();
    body.time();
    body.field("blocks").bytes(blocks);
    body.finish()
}

/// An `#identity` event.
pub fn identity_event(did: &Did, handle: Option<&Handle>) -> EventBody {
    let mut body = Body::new("#identity", 3 + usize::from(handle.is_some()), 0);
    body.field("did").string(did.as_str());
    body.seq();
    body.time();
    if let Some(handle) = handle {
        body.field("handle").string(handle.as_str());
    }
    body.finish()
}

/// An `#account` event of an active account (`status: None`), or of one that is not, for the reason given.
pub fn account_event(did: &Did, status: Option<AccountStatus>) -> EventBody {
    let mut body = Body::new("#account", 4 + usize::from(status.is_some()), 0);
    body.field("did").string(did.as_str());
    body.seq();
    body.time();
    body.field("active").boolean(status.is_none());
    if let Some(status) = status {
        body.field("status").string(status.as_str());
    }
    body.finish()
}

/// An `#info` frame, such as `OutdatedCursor`.
pub fn info_frame(name: &str, message: &str) -> Vec<u8> {
    let mut frame = Encoder::with_capacity(FIXED_BYTES);
    frame.map(2).string("t").string("#info").string("op").integer(1);
    frame
        .map(2)
        .string("name")
        .string(name)
        .string("message")
        .string(message);
    frame.into_bytes()
}

/// The error frame that precedes the end of a connection, such as `FutureCursor`.
pub fn error_frame(error: &str, message: &str) -> Vec<u8> {
    let mut frame = Encoder::with_capacity(FIXED_BYTES);
    frame.map(1).string("op").integer(-1);
    frame
        .map(2)
        .string("error")
        .string(error)
        .string("message")
        .string(message);
    frame.into_bytes()
}

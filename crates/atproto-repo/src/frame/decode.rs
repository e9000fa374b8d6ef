//! Decoding frames, as a consumer does.

use super::MAX_FRAME_BYTES;
use super::repo_op::{RepoOp, RepoOpAction};
use super::status::AccountStatus;
use atproto_data::cbor::{self, CborError, Decoder};
use atproto_data::{Cid, Did, Handle, Map, Tid, Value};
use std::str::FromStr;

/// A decoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `#commit`.
    Commit(CommitFrame),
    /// `#sync`.
    #[expect(missing_docs, reason = "the fields' names are the lexicon's")]
    Sync {
        seq: i64,
        time: String,
        did: Did,
        rev: Tid,
        blocks: Vec<u8>,
    },
    /// `#identity`.
    #[expect(missing_docs, reason = "the fields' names are the lexicon's")]
    Identity {
        seq: i64,
        time: String,
        did: Did,
        handle: Option<Handle>,
    },
    /// `#account`; `status` is `None` for an active account.
    #[expect(missing_docs, reason = "the fields' names are the lexicon's")]
    Account {
        seq: i64,
        time: String,
        did: Did,
        active: bool,
        status: Option<AccountStatus>,
    },
    /// `#info`.
    #[expect(missing_docs, reason = "the fields' names are the lexicon's")]
    Info { name: String, message: Option<String> },
    /// An error, after which the connection ends.
    #[expect(missing_docs, reason = "the fields' names are the event stream specification's")]
    Error { error: String, message: Option<String> },
}

/// A decoded `#commit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitFrame {
    /// The event's number.
    pub seq: i64,
    /// When the event was sequenced.
    pub time: String,
    /// Whose repository it is (`repo`).
    pub did: Did,
    /// The CID of the commit block.
    pub commit: Cid,
    /// The commit's revision.
    pub rev: Tid,
    /// The revision before.
    pub since: Option<Tid>,
    /// The tree's root before.
    pub prev_data: Option<Cid>,
    /// The operations in order.
    pub ops: Vec<RepoOp>,
    /// A CAR.
    pub blocks: Vec<u8>,
    /// Whether the event leaves out what would be too long; deprecated.
    pub too_big: bool,
}

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// There are more than [`MAX_FRAME_BYTES`].
    #[error("a frame is at most {MAX_FRAME_BYTES} bytes")]
    TooLong,
    /// Header or body are not canonical DAG-CBOR.
    #[error("the frame is not DAG-CBOR: {0}")]
    Cbor(#[from] CborError),
    /// The header is neither `{op: 1, t}` nor `{op: -1}`.
    #[error("the frame's header is neither that of a message nor that of an error")]
    Header,
    /// The message is of a kind this crate does not know.
    #[error("frames of type `{0}` are not known")]
    UnknownType(String),
    /// A field is absent or has a value it may not have.
    #[error("the frame's field `{0}` is absent or invalid")]
    Field(&'static str),
}

impl Frame {
    /// Decodes a frame.
    pub fn decode(bytes: &[u8]) -> Result<Frame, FrameError> {
        if bytes.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong);
        }
        let mut decoder = Decoder::new(bytes);
        decoder.skip_value()?;
        let (header, body) = bytes.split_at(decoder.position());
        let (header, body) = (Fields::decode(header)?, Fields::decode(body)?);
        match (
            header.optional("op", Value::as_integer)?,
            header.optional("t", Value::as_str)?,
        ) {
            (Some(1), Some(kind)) => decode_message(kind, &body),
            (Some(-1), None) => Ok(Frame::Error {
                error: body.text("error")?,
                message: body.optional("message", text)?,
            }),
            _ => Err(FrameError::Header),
        }
    }
}

fn decode_message(kind: &str, body: &Fields) -> Result<Frame, FrameError> {
    if kind == "#info" {
        return Ok(Frame::Info {
            name: body.text("name")?,
            message: body.optional("message", text)?,
        });
    }
    let seq = body.required("seq", Value::as_integer)?;
    let time = body.text("time")?;
    Ok(match kind {
        "#commit" => Frame::Commit(decode_commit(seq, time, body)?),
        "#sync" => Frame::Sync {
            seq,
            time,
            did: body.required("did", parsed)?,
            rev: body.required("rev", parsed)?,
            blocks: body.bytes("blocks")?,
        },
        "#identity" => Frame::Identity {
            seq,
            time,
            did: body.required("did", parsed)?,
            handle: body.optional("handle", parsed)?,
        },
        "#account" => Frame::Account {
            seq,
            time,
            did: body.required("did", parsed)?,
            active: body.required("active", Value::as_bool)?,
            status: body.optional("status", |value| AccountStatus::from_name(value.as_str()?))?,
        },
        _ => return Err(FrameError::UnknownType(kind.to_owned())),
    })
}

fn decode_commit(seq: i64, time: String, body: &Fields) -> Result<CommitFrame, FrameError> {
    let ops = body.required("ops", Value::as_array)?;
    Ok(CommitFrame {
        seq,
        time,
        did: body.required("repo", parsed)?,
        commit: body.required("commit", Value::as_link)?,
        rev: body.required("rev", parsed)?,
        since: body.optional("since", parsed)?,
        prev_data: body.optional("prevData", Value::as_link)?,
        ops: ops
            .iter()
            .map(decode_op)
            .collect::<Option<_>>()
            .ok_or(FrameError::Field("ops"))?,
        blocks: body.bytes("blocks")?,
        too_big: body.required("tooBig", Value::as_bool)?,
    })
}

fn decode_op(op: &Value) -> Option<RepoOp> {
    let op = op.as_map()?;
    let cid = match op.get("cid")? {
        Value::Null => None,
        cid => Some(cid.as_link()?),
    };
    let prev = match op.get("prev") {
        None => None,
        Some(prev) => Some(prev.as_link()?),
    };
    let action = RepoOpAction::from_name(op.get("action")?.as_str()?)?;
    Some(RepoOp {
        action,
        path: text(op.get("path")?)?,
        cid,
        prev,
    })
}

/// The fields of a header or body. Those not asked for are let be: the protocol may add some.
struct Fields(Map);

impl Fields {
    fn decode(bytes: &[u8]) -> Result<Fields, FrameError> {
        match cbor::decode(bytes)? {
            Value::Map(map) => Ok(Fields(map)),
            _ => Err(FrameError::Cbor(CborError::Expected("a map"))),
        }
    }

    /// A field that may be absent or null.
    fn optional<'a, T>(
        &'a self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, FrameError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or(FrameError::Field(name)),
        }
    }

    fn required<'a, T>(
        &'a self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, FrameError> {
        self.optional(name, read)?.ok_or(FrameError::Field(name))
    }

    fn text(&self, name: &'static str) -> Result<String, FrameError> {
        self.required(name, text)
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, FrameError> {
        self.required(name, Value::as_bytes).map(<[u8]>::to_vec)
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn parsed<T: FromStr>(value: &Value) -> Option<T> {
    value.as_str()?.parse().ok()
}

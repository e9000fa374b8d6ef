//! Frames encoded and decoded, and commits signed and read.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use atproto_data::cbor::{self, Decoder};
use atproto_data::crypto::Curve;
use atproto_data::{Cid, Did, Handle, SigningKey, Tid, Value};
use atproto_repo::frame::{
    CommitFrame, FrameError, account_event, commit_event, error_frame, identity_event, info_frame, sync_event,
};
use atproto_repo::{AccountStatus, Commit, CommitEvent, Frame, RepoOp, RepoOpAction, UnsignedCommit};
use proptest::collection::vec;
use proptest::prelude::*;

const TIME: &str = "2026-01-02T03:04:05.678Z";

fn did() -> Did {
    "did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse().unwrap()
}

fn cid(number: u8) -> Cid {
    Cid::of_dag_cbor(&[number])
}

/// A frame's body as a value, after a look at its header.
fn body(frame: &[u8], kind: &str) -> Value {
    let mut decoder = Decoder::new(frame);
    decoder.skip_value().unwrap();
    let (header, body) = frame.split_at(decoder.position());
    let header = cbor::decode(header).unwrap();
    assert_eq!(header.as_map().unwrap().get("op").unwrap().as_integer(), Some(1));
    assert_eq!(header.as_map().unwrap().get("t").unwrap().as_str(), Some(kind));
    cbor::decode(body).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_map().unwrap().iter().map(|(key, _)| key).collect()
}

fn op(action: RepoOpAction, cid: Option<Cid>, prev: Option<Cid>) -> RepoOp {
    RepoOp {
        action,
        path: "app.bsky.feed.post/3jqfcqzm3fo2j".into(),
        cid,
        prev,
    }
}

#[test]
fn a_commit_has_all_its_fields() {
    let ops = [
        op(RepoOpAction::Create, Some(cid(1)), None),
        op(RepoOpAction::Update, Some(cid(2)), Some(cid(1))),
        op(RepoOpAction::Delete, None, Some(cid(2))),
    ];
    let (rev, since) = (Tid::from_parts(2_000_000, 7), Tid::from_parts(1_000_000, 7));
    let event = CommitEvent {
        did: &did(),
        commit: &cid(3),
        rev,
        since: Some(since),
        prev_data: Some(&cid(4)),
        ops: &ops,
        blocks: b"a CAR",
    };
    let frame = commit_event(&event).frame(1_234_567, TIME);
    let value = body(&frame, "#commit");
    let expected = [
        "ops", "rev", "seq", "repo", "time", "blobs", "since", "blocks", "commit", "rebase", "tooBig", "prevData",
    ];
    assert_eq!(keys(&value), expected);
    let map = value.as_map().unwrap();
    assert_eq!(map.get("blobs").unwrap(), &Value::Array(Vec::new()));
    assert_eq!(map.get("rebase").unwrap(), &Value::Bool(false));
    let op_keys: Vec<Vec<&str>> = map.get("ops").unwrap().as_array().unwrap().iter().map(keys).collect();
    assert_eq!(op_keys[0], ["cid", "path", "action"]);
    assert_eq!(op_keys[2], ["cid", "path", "prev", "action"]);
    let Frame::Commit(decoded) = Frame::decode(&frame).unwrap() else {
        panic!("another kind of frame")
    };
    let expected = CommitFrame {
        seq: 1_234_567,
        time: TIME.into(),
        did: did(),
        commit: cid(3),
        rev,
        since: Some(since),
        prev_data: Some(cid(4)),
        ops: ops.to_vec(),
        blocks: b"a CAR".to_vec(),
        too_big: false,
    };
    assert_eq!(decoded, expected);
}

#[test]
fn a_first_commit_has_no_past() {
    let event = CommitEvent {
        did: &did(),
        commit: &cid(3),
        rev: Tid::from_parts(1, 1),
        since: None,
        prev_data: None,
        ops: &[],
        blocks: &[],
    };
    let value = body(&commit_event(&event).frame(1, TIME), "#commit");
    assert_eq!(value.as_map().unwrap().get("since"), Some(&Value::Null));
    assert!(!value.as_map().unwrap().contains_key("prevData"));
}

#[test]
fn other_events_survive() {
    let (did, rev) = (did(), Tid::from_parts(5, 5));
    let handle: Handle = "alice.example.com".parse().unwrap();
    let time = || TIME.to_owned();
    let some_handle = Some(handle.clone());
    let deleted = Some(AccountStatus::Deleted);
    for (event, kind, fields, expected) in [
        (
            sync_event(&did, rev, b"car"),
            "#sync",
            vec!["did", "rev", "seq", "time", "blocks"],
            Frame::Sync {
                seq: 9,
                time: time(),
                did: did.clone(),
                rev,
                blocks: b"car".to_vec(),
            },
        ),
        (
            identity_event(&did, Some(&handle)),
            "#identity",
            vec!["did", "seq", "time", "handle"],
            Frame::Identity {
                seq: 9,
                time: time(),
                did: did.clone(),
                handle: some_handle,
            },
        ),
        (
            identity_event(&did, None),
            "#identity",
            vec!["did", "seq", "time"],
            Frame::Identity {
                seq: 9,
                time: time(),
                did: did.clone(),
                handle: None,
            },
        ),
        (
            account_event(&did, None),
            "#account",
            vec!["did", "seq", "time", "active"],
            Frame::Account {
                seq: 9,
                time: time(),
                did: did.clone(),
                active: true,
                status: None,
            },
        ),
        (
            account_event(&did, deleted),
            "#account",
            vec!["did", "seq", "time", "active", "status"],
            Frame::Account {
                seq: 9,
                time: time(),
                did: did.clone(),
                active: false,
                status: deleted,
            },
        ),
    ] {
        let frame = event.frame(9, TIME);
        assert_eq!(keys(&body(&frame, kind)), fields);
        assert_eq!(Frame::decode(&frame).unwrap(), expected);
    }
}

#[test]
fn info_and_error_survive() {
    let (name, message) = ("OutdatedCursor".to_owned(), Some("too old".to_owned()));
    assert_eq!(
        Frame::decode(&info_frame(&name, "too old")).unwrap(),
        Frame::Info { name, message }
    );
    let (error, message) = ("FutureCursor".to_owned(), Some("ahead".to_owned()));
    assert_eq!(
        Frame::decode(&error_frame(&error, "ahead")).unwrap(),
        Frame::Error { error, message }
    );
}

#[test]
fn what_is_no_frame_is_refused() {
    let frame = account_event(&did(), None).frame(1, TIME);
    assert!(matches!(
        Frame::decode(&frame[..frame.len() - 1]),
        Err(FrameError::Cbor(_))
    ));
    assert!(matches!(
        Frame::decode(&[frame.clone(), vec![0]].concat()),
        Err(FrameError::Cbor(_))
    ));
    assert!(matches!(Frame::decode(&[0xa0, 0xa0]), Err(FrameError::Header)));
    assert!(matches!(Frame::decode(&vec![0; 5_000_001]), Err(FrameError::TooLong)));
}

proptest! {
    #[test]
    fn any_number_and_time_make_a_frame(seq in 0..(1_i64 << 53), time in "[0-9TZ:.-]{0,40}") {
        let frame = identity_event(&did(), None).frame(seq, &time);
        prop_assert_eq!(Frame::decode(&frame).unwrap(), Frame::Identity { seq, time, did: did(), handle: None });
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        // Random bytes are hardly ever two maps with the right fields.
        prop_assert!(Frame::decode(&bytes).is_err());
        prop_assert!(Commit::decode(&bytes).is_err());
    }
}

#[test]
fn a_signed_commit_verifies() {
    for curve in [Curve::K256, Curve::P256] {
        let key = SigningKey::from_bytes(curve, &[7; 32]).unwrap();
        let unsigned = UnsignedCommit {
            did: did(),
            data: cid(1),
            rev: Tid::from_parts(3, 3),
        };
        let signed = unsigned.sign(&key);
        assert_eq!(signed.cid, Cid::of_dag_cbor(&signed.bytes));
        let value = cbor::decode(&signed.bytes).unwrap();
        assert_eq!(keys(&value), ["did", "rev", "sig", "data", "prev", "version"]);
        assert_eq!(value.as_map().unwrap().get("prev"), Some(&Value::Null));
        assert_eq!(value.as_map().unwrap().get("version"), Some(&Value::Integer(3)));
        let mut commit = Commit::decode(&signed.bytes).unwrap();
        assert_eq!(
            (&commit.did, commit.data, commit.rev, commit.prev),
            (&did(), cid(1), unsigned.rev, None)
        );
        assert!(commit.verify(&key.public_key()).is_ok());
        commit.data = cid(2);
        assert!(commit.verify(&key.public_key()).is_err());
    }
}

#[test]
fn other_commits_are_refused() {
    let key = SigningKey::from_bytes(Curve::K256, &[7; 32]).unwrap();
    let bytes = UnsignedCommit {
        did: did(),
        data: cid(1),
        rev: Tid::from_parts(3, 3),
    }
    .sign(&key)
    .bytes;
    let Value::Map(good) = cbor::decode(&bytes).unwrap() else {
        panic!("not a map")
    };
    let with = |field: &str, value: Value| {
        let mut map = good.clone();
        map.insert(field.to_owned(), value);
        Commit::decode(&cbor::encode(&Value::Map(map)))
    };
    assert!(with("version", Value::Integer(3)).is_ok());
    assert!(
        with("prev", Value::Link(cid(9)))
            .unwrap()
            .verify(&key.public_key())
            .is_err()
    );
    for (field, value) in [
        ("version", Value::Integer(2)),
        ("did", Value::String("alice".into())),
        ("rev", Value::String("now".into())),
        ("sig", Value::Bytes(vec![0; 63])),
        ("data", Value::Null),
        ("more", Value::Null),
    ] {
        assert!(with(field, value).is_err(), "{field}");
    }
    assert!(Commit::decode(&[bytes, vec![0]].concat()).is_err());
}

//! A consumer of the firehose that believes nothing (sync 1.1, "Commit Validation").

use std::collections::{BTreeMap, HashMap, HashSet};

use atproto_data::syntax::Datetime;
use atproto_data::{Cid, Did, PublicKey, Tid};
use atproto_repo::frame::{AccountStatus, CommitFrame, MAX_COMMIT_BLOCKS_BYTES, MAX_COMMIT_OPERATIONS};
use atproto_repo::mst::Tree;
use atproto_repo::verify::{DecodedNode, invert};
use atproto_repo::{Frame, RepoOpAction};

use crate::repo_car::{Blocks, read_car, read_commit};
use crate::{Account, Firehose, Plc};

/// Follows every repo of a stream and refuses whatever does not follow from what came before.
pub(crate) struct StreamVerifier {
    plc: Plc,
    keys: HashMap<Did, PublicKey>,
    /// The last seq seen: the cursor to go on with.
    pub(crate) cursor: i64,
    pub(crate) repos: BTreeMap<Did, Replica>,
    /// All commits seen.
    pub(crate) commits: HashSet<Cid>,
}

/// What the stream has told of a repo.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    /// Commit, rev and tree root of the head.
    pub(crate) head: Option<(Cid, Tid, Cid)>,
    pub(crate) records: BTreeMap<String, Cid>,
    /// The kinds of all events.
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) status: Option<AccountStatus>,
}

impl StreamVerifier {
    pub(crate) fn new(plc: &Plc) -> StreamVerifier {
        let plc = plc.clone();
        StreamVerifier {
            plc,
            keys: HashMap::new(),
            cursor: 0,
            repos: BTreeMap::new(),
            commits: HashSet::new(),
        }
    }

    /// Takes the next frame of the stream.
    pub(crate) fn accept(&mut self, frame: &Frame) {
        match frame {
            Frame::Identity { seq, time, did, .. } => self.event(*seq, time, did).kinds.push("#identity"),
            Frame::Account {
                seq,
                time,
                did,
                active,
                status,
            } => {
                assert_eq!(*active, status.is_none());
                let replica = self.event(*seq, time, did);
                replica.kinds.push("#account");
                replica.status = *status;
            }
            Frame::Sync {
                seq,
                time,
                did,
                rev,
                blocks,
            } => self.accept_sync(*seq, time, did, *rev, blocks),
            Frame::Commit(commit) => self.accept_commit(commit),
            Frame::Info { .. } | Frame::Error { .. } => panic!("{frame:?} is no event"),
        }
    }

    fn event(&mut self, seq: i64, time: &str, did: &Did) -> &mut Replica {
        assert!(seq > self.cursor, "seq {seq} comes after {}", self.cursor);
        self.cursor = seq;
        time.parse::<Datetime>().unwrap();
        self.repos.entry(did.clone()).or_default()
    }

    fn key(&mut self, did: &Did) -> PublicKey {
        self.keys
            .entry(did.clone())
            .or_insert_with(|| self.plc.signing_key(did))
            .clone()
    }

    fn accept_sync(&mut self, seq: i64, time: &str, did: &Did, rev: Tid, car: &[u8]) {
        let key = self.key(did);
        let (roots, order, blocks) = read_car(car);
        let commit = read_commit(&roots, &blocks, did, &key);
        assert_eq!((order.len(), commit.rev), (1, rev), "#sync carries the commit alone");
        let replica = self.event(seq, time, did);
        replica.kinds.push("#sync");
        match replica.head {
            Some((head, head_rev, _)) => assert!(rev > head_rev || head == roots[0], "#sync goes back"),
            None => replica.head = Some((roots[0], rev, commit.data)),
        }
    }

    fn accept_commit(&mut self, event: &CommitFrame) {
        assert!(!event.too_big && event.ops.len() <= MAX_COMMIT_OPERATIONS);
        assert!(event.blocks.len() <= MAX_COMMIT_BLOCKS_BYTES);
        let key = self.key(&event.did);
        let (roots, _, blocks) = read_car(&event.blocks);
        assert_eq!(roots, [event.commit]);
        let commit = read_commit(&roots, &blocks, &event.did, &key);
        assert_eq!(commit.rev, event.rev);

        let replica = self.event(event.seq, &event.time, &event.did);
        assert_eq!(replica.status, None, "an inactive account has no commits");
        let before = replica
            .head
            .map(|(_, rev, data)| (Some(rev), Some(data)))
            .unwrap_or_default();
        assert_eq!(
            (event.since, event.prev_data),
            before,
            "{} follows the head before",
            event.rev
        );
        assert!(before.0 < Some(event.rev), "revs rise");
        assert!(
            blocks.contains_key(&commit.data),
            "the root of the tree is there, also without operations"
        );
        let empty = Tree::empty().root();
        invert(&blocks, commit.data, &event.ops, event.prev_data.unwrap_or(empty)).unwrap();
        assert_no_more_than_needed(event, &blocks, commit.data);
        replica.head = Some((event.commit, event.rev, commit.data));
        replica.kinds.push("#commit");
        replica.apply(event, &blocks);
        self.commits.insert(event.commit);
    }

    /// Reads until the stream has told of the head that an account's repo has now.
    pub(crate) async fn read_up_to(&mut self, firehose: &mut Firehose, account: &Account) {
        let (head, _) = account.head().await;
        while !self.is_at(&account.did, head) {
            self.accept(&firehose.frame().await);
        }
    }

    /// Whether the stream has told everything up to this commit of a repo.
    pub(crate) fn is_at(&self, did: &Did, commit: Cid) -> bool {
        self.repos
            .get(did)
            .and_then(|replica| replica.head)
            .is_some_and(|(head, ..)| head == commit)
    }
}

impl Replica {
    fn apply(&mut self, event: &CommitFrame, blocks: &Blocks) {
        for op in &event.ops {
            let before = match (op.action, op.cid) {
                (RepoOpAction::Create | RepoOpAction::Update, Some(cid)) => {
                    assert!(blocks.contains_key(&cid), "the record of {} is there", op.path);
                    self.records.insert(op.path.clone(), cid)
                }
                _ => self.records.remove(&op.path),
            };
            assert_eq!(before, op.prev, "{} was what the event says", op.path);
        }
    }
}

/// The commit, nodes of the new tree and the records written: a deleted record's bytes must not be among the blocks.
fn assert_no_more_than_needed(event: &CommitFrame, blocks: &Blocks, data: Cid) {
    let mut needed: HashSet<Cid> = event.ops.iter().filter_map(|op| op.cid).collect();
    needed.insert(event.commit);
    let mut open = vec![data];
    while let Some(node) = open.pop() {
        if let Some(block) = blocks.get(&node) {
            needed.insert(node);
            open.extend(DecodedNode::decode(block).unwrap().children().flatten());
        }
    }
    for cid in blocks.keys() {
        assert!(
            needed.contains(cid),
            "block {cid} of {} has no business there",
            event.rev
        );
    }
}

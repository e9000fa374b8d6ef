//! A consumer of the firehose that believes nothing (sync 1.1, "Commit Validation").

use std::collections::{BTreeMap, HashMap, HashSet};

use atproto_data::syntax::Datetime;
use atproto_data::{Cid, Did, PublicKey, Tid};
use atproto_repo::frame::{AccountStatus, CommitFrame, MAX_COMMIT_BLOCKS_BYTES, MAX_COMMIT_OPERATIONS};
use atproto_repo::mst::Tree;
use atproto_repo::verify::{DecodedNode, invert};
use atproto_repo::{Commit, Frame, RepoOpAction};

use crate::repo_car::{Blocks, read_car, read_commit, verify_repo};
use crate::{Account, Firehose, Plc};

/// Follows every repo of a stream and refuses whatever does not follow from what came before.
pub(crate) struct StreamVerifier {
    plc: Plc,
    /// The key that signed the last commit seen of a DID.
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
    /// A `#sync` has told of another tree: the records are to be had by `getRepo` only.
    is_unread: bool,
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
                if *status == Some(AccountStatus::Deleted) {
                    replica.forget();
                }
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

    /// The commit of a CAR, signed with a key of its DID. The stream may be older than the last change of keys.
    fn read_commit(&mut self, roots: &[Cid], blocks: &Blocks, did: &Did) -> Commit {
        let commit = Commit::decode(&blocks[&roots[0]]).unwrap();
        let known = self.keys.get(did).filter(|key| commit.verify(key).is_ok());
        let key = known.cloned().unwrap_or_else(|| {
            let mut keys = self.plc.signing_keys(did).into_iter();
            keys.find(|key| commit.verify(key).is_ok())
                .expect("a key of the DID has signed")
        });
        self.keys.insert(did.clone(), key.clone());
        read_commit(roots, blocks, did, &key)
    }

    fn accept_sync(&mut self, seq: i64, time: &str, did: &Did, rev: Tid, car: &[u8]) {
        let (roots, order, blocks) = read_car(car);
        let commit = self.read_commit(&roots, &blocks, did);
        assert_eq!((order.len(), commit.rev), (1, rev), "#sync carries the commit alone");
        let replica = self.event(seq, time, did);
        replica.kinds.push("#sync");
        let (head, head_rev, data) = replica
            .head
            .map_or((None, None, Tree::empty().root()), |(head, rev, data)| {
                (Some(head), Some(rev), data)
            });
        assert!(Some(rev) > head_rev || Some(roots[0]) == head, "#sync goes back");
        replica.is_unread |= data != commit.data;
        replica.head = Some((roots[0], rev, commit.data));
    }

    fn accept_commit(&mut self, event: &CommitFrame) {
        assert!(!event.too_big && event.ops.len() <= MAX_COMMIT_OPERATIONS);
        assert!(event.blocks.len() <= MAX_COMMIT_BLOCKS_BYTES);
        let (roots, _, blocks) = read_car(&event.blocks);
        assert_eq!(roots, [event.commit]);
        let commit = self.read_commit(&roots, &blocks, &event.did);
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
        if self.repos[&account.did].is_unread {
            self.compare(&account.did, &account.export().await);
        }
    }

    /// The CAR of a repo whose head the stream has told of has the records that the stream told of, as far as it did.
    pub(crate) fn compare(&mut self, did: &Did, car: &[u8]) {
        let repo = verify_repo(car, did, &self.keys[did]);
        let replica = self.repos.get_mut(did).unwrap();
        assert_eq!(
            replica.head,
            Some((repo.commit, repo.rev, repo.data)),
            "the last event is the head"
        );
        if replica.is_unread {
            (replica.records, replica.is_unread) = (repo.records, false);
        } else {
            assert_eq!(replica.records, repo.records, "the events tell the records");
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
    /// Nothing is left of a deleted account; whoever has its DID later begins anew.
    fn forget(&mut self) {
        self.head = None;
        self.records.clear();
        self.is_unread = false;
    }

    fn apply(&mut self, event: &CommitFrame, blocks: &Blocks) {
        if self.is_unread {
            return;
        }
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

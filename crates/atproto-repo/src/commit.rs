//! Commits: the signed objects that name a repository's tree (repository spec, "Commit Objects").

use atproto_data::cbor::{CborError, Decoder, Encoder};
use atproto_data::crypto::SignatureError;
use atproto_data::{Cid, Did, PublicKey, SigningKey, Tid};

/// The repository format this crate writes and reads.
pub const VERSION: i64 = 3;

/// The largest commit read. One with the longest DID takes about 2,250 bytes.
pub const MAX_COMMIT_BYTES: usize = 4_096;

/// The bytes of a compact signature.
const SIGNATURE_BYTES: usize = 64;

/// A commit to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedCommit {
    /// Whose repository it is.
    pub did: Did,
    /// The root of the tree.
    pub data: Cid,
    /// The revision; greater than that of any commit before.
    pub rev: Tid,
}

/// A signed commit as a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCommit {
    /// The CID of `bytes`.
    pub cid: Cid,
    /// The encoded commit.
    pub bytes: Vec<u8>,
}

/// A decoded commit. Nothing is known of its signature until [`Commit::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Whose repository it is.
    pub did: Did,
    /// The root of the tree.
    pub data: Cid,
    /// The revision.
    pub rev: Tid,
    /// A commit before; null in all but very old repositories.
    pub prev: Option<Cid>,
    /// The compact signature over the commit without this field.
    pub sig: [u8; SIGNATURE_BYTES],
}

/// Why bytes are not a commit.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// There are more than [`MAX_COMMIT_BYTES`].
    #[error("a commit is at most {MAX_COMMIT_BYTES} bytes")]
    TooLong,
    /// The bytes are not canonical DAG-CBOR of the right types.
    #[error("not the encoding of a commit: {0}")]
    Cbor(#[from] CborError),
    /// The fields are not exactly `did`, `rev`, `sig`, `data`, `prev`, `version`.
    #[error("the fields of a commit are did, rev, sig, data, prev and version")]
    Fields,
    /// A field has a value it may not have.
    #[error("the commit's `{0}` is invalid")]
    Field(&'static str),
    /// The repository's format is not version 3.
    #[error("the commit is of repository version {0}, only {VERSION} is supported")]
    Version(i64),
}

impl UnsignedCommit {
    /// Signs the commit: SHA-256 of its DAG-CBOR without `sig`, low-S.
    pub fn sign(&self, key: &SigningKey) -> SignedCommit {
        let signature = key.sign(&encode(&self.did, self.rev, None, &self.data, None));
        let bytes = encode(&self.did, self.rev, Some(&signature), &self.data, None);
        SignedCommit {
            cid: Cid::of_dag_cbor(&bytes),
            bytes,
        }
    }
}

impl Commit {
    /// Decodes a commit strictly: canonical DAG-CBOR of exactly the fields of version 3.
    pub fn decode(bytes: &[u8]) -> Result<Commit, CommitError> {
        if bytes.len() > MAX_COMMIT_BYTES {
            return Err(CommitError::TooLong);
        }
        let mut decoder = Decoder::new(bytes);
        if decoder.map()? != 6 {
            return Err(CommitError::Fields);
        }
        field(&mut decoder, "did")?;
        let did = decoder.string()?.parse().map_err(|_| CommitError::Field("did"))?;
        field(&mut decoder, "rev")?;
        let rev = decoder.string()?.parse().map_err(|_| CommitError::Field("rev"))?;
        field(&mut decoder, "sig")?;
        let sig = decoder.bytes()?.try_into().map_err(|_| CommitError::Field("sig"))?;
        field(&mut decoder, "data")?;
        let data = decoder.link()?;
        field(&mut decoder, "prev")?;
        let prev = if decoder.peek_null() {
            decoder.null().map(|()| None)?
        } else {
            Some(decoder.link()?)
        };
        field(&mut decoder, "version")?;
        match decoder.integer()? {
            VERSION if decoder.is_at_end() => Ok(Commit {
                did,
                data,
                rev,
                prev,
                sig,
            }),
            VERSION => Err(CommitError::Fields),
            other => Err(CommitError::Version(other)),
        }
    }

    /// Checks the signature against the repository's key; high-S signatures do not pass.
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        key.verify(
            &encode(&self.did, self.rev, None, &self.data, self.prev.as_ref()),
            &self.sig,
        )
    }
}

/// Reads the next key, which must be `name`.
fn field(decoder: &mut Decoder<'_>, name: &str) -> Result<(), CommitError> {
    if decoder.string()? == name {
        Ok(())
    } else {
        Err(CommitError::Fields)
    }
}

/// A commit in DAG-CBOR, with its signature or, to be signed, without.
fn encode(did: &Did, rev: Tid, sig: Option<&[u8; SIGNATURE_BYTES]>, data: &Cid, prev: Option<&Cid>) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(256);
    encoder.map(5 + usize::from(sig.is_some()));
    encoder.string("did").string(did.as_str());
    encoder.string("rev").string(&rev.to_string());
    if let Some(sig) = sig {
        encoder.string("sig").bytes(sig);
    }
    encoder.string("data").link(data);
    encoder.string("prev");
    match prev {
        Some(prev) => encoder.link(prev),
        None => encoder.null(),
    };
    encoder.string("version").integer(VERSION);
    encoder.into_bytes()
}

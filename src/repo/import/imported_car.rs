//! A CAR with a repo in it, in a file: everything about it is checked before a row is written.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use atproto_data::cbor;
use atproto_data::{Cid, Codec, Nsid, RecordKey, Value};
use atproto_repo::car::{Block, CarError, MAX_BLOCK_BYTES, MAX_HEADER_BYTES, parse_header};
use atproto_repo::commit::Commit;
use atproto_repo::verify::{TreeStep, TreeWalk};

use super::ImportError;
use super::block_index::{BlockIndex, IndexBuilder, Place, RUN_BLOCKS};
use super::sections::Sections;
use crate::repo::record::MAX_RECORD_BYTES;

/// The longest section: a CID and a block.
const MAX_SECTION_BYTES: usize = size_of::<Cid>() + MAX_BLOCK_BYTES;

/// A repo in a file.
pub(super) struct ImportedCar {
    blocks: Blocks,
    /// CID of the commit block, the root.
    pub(super) commit_cid: Cid,
    /// The commit block.
    pub(super) commit_block: Vec<u8>,
    pub(super) commit: Commit,
}

/// A record of the repo.
pub(super) struct ImportedRecord<'c> {
    pub(super) path: &'c str,
    pub(super) cid: Cid,
    pub(super) content: &'c [u8],
}

impl ImportedCar {
    /// Reads a CAR that has a commit as its root, and checks every block's hash. Temporary files are made in `directory`.
    pub(super) fn open(file: File, directory: &Path) -> Result<ImportedCar, ImportError> {
        let (root, blocks) = Blocks::read(file, directory)?;
        let commit_block = blocks.get(&root, &mut Vec::new())?.to_vec();
        let commit = Commit::decode(&commit_block)?;
        Ok(ImportedCar {
            blocks,
            commit_cid: root,
            commit_block,
            commit,
        })
    }

    /// Checks the whole tree and every record that it names. Blocks that it does not name are let be.
    pub(super) fn check(&self) -> Result<(), ImportError> {
        self.each_record(check_record)
    }

    /// Gives `visit` all records in the order of their keys, until it fails.
    pub(super) fn each_record<E: From<ImportError>>(
        &self,
        mut visit: impl FnMut(&ImportedRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut walk = TreeWalk::new(self.commit.data);
        let mut buffer = Vec::new();
        while let Some(step) = walk.advance() {
            match step {
                TreeStep::Node(cid) => {
                    let block = self.blocks.get(&cid, &mut buffer)?;
                    walk.open(block).map_err(ImportError::from)?;
                }
                TreeStep::Record { key, cid } => {
                    // The walk lets ASCII through only.
                    let path = std::str::from_utf8(&key).unwrap_or_default();
                    let content = self.blocks.get(&cid, &mut buffer)?;
                    visit(&ImportedRecord { path, cid, content })?;
                }
            }
        }
        Ok(())
    }
}

fn check_record(record: &ImportedRecord<'_>) -> Result<(), ImportError> {
    let path = record.path;
    let (collection, rkey) = path.split_once('/').unwrap_or_default();
    if collection.parse::<Nsid>().is_err() || rkey.parse::<RecordKey>().is_err() {
        return Err(ImportError::Key(path.to_owned()));
    }
    let invalid = |reason: String| ImportError::Record {
        path: path.to_owned(),
        reason,
    };
    if record.cid.codec() != Codec::DagCbor {
        return Err(invalid("its CID is that of a blob".to_owned()));
    }
    if record.content.len() > MAX_RECORD_BYTES {
        return Err(invalid(format!("it is larger than {MAX_RECORD_BYTES} bytes")));
    }
    match cbor::decode(record.content) {
        Ok(Value::Map(_)) => Ok(()),
        Ok(_) => Err(invalid("it is something else".to_owned())),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// The blocks of a CAR, found by their CIDs.
struct Blocks {
    file: File,
    index: BlockIndex,
}

impl Blocks {
    /// Reads a CAR from its start to its end, hashes every block and notes where it is. Gives its root too.
    fn read(mut file: File, directory: &Path) -> Result<(Cid, Blocks), ImportError> {
        file.seek(SeekFrom::Start(0))?;
        let mut sections = Sections::new(&file);
        let root = read_root(&mut sections)?;
        let mut builder = IndexBuilder::new(directory, RUN_BLOCKS);
        while let Some((offset, content)) = sections.next(MAX_SECTION_BYTES, &CarError::BlockTooLong)? {
            let block = Block::parse(content)?;
            // A section is at most 2 MB.
            let length = u32::try_from(content.len()).map_err(|_| CarError::BlockTooLong)?;
            builder.push(&block.cid, Place { offset, length })?;
        }
        let index = builder.finish()?;
        Ok((root, Blocks { file, index }))
    }

    /// A block's bytes, read into `buffer`. They were hashed when the CAR was read.
    fn get<'b>(&self, cid: &Cid, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], ImportError> {
        let missing = || ImportError::BlockMissing(*cid);
        let place = self.index.find(cid)?.ok_or_else(missing)?;
        buffer.resize(place.length as usize, 0);
        self.file.read_exact_at(buffer, place.offset)?;
        let (own, bytes) = buffer.split_at_checked(size_of::<Cid>()).ok_or_else(missing)?;
        // The index knows a part of the digest only.
        match Cid::from_bytes(own) {
            Ok(own) if own.digest() == cid.digest() => Ok(bytes),
            _ => Err(missing()),
        }
    }
}

fn read_root(sections: &mut Sections<&File>) -> Result<Cid, ImportError> {
    let header = sections.next(MAX_HEADER_BYTES, &CarError::HeaderTooLong)?;
    let (_, content) = header.ok_or(CarError::Truncated)?;
    match parse_header(content)?.as_slice() {
        [root] => Ok(*root),
        roots => Err(ImportError::Roots(roots.len())),
    }
}

//! An upload on its way to a file: hashed, counted and sniffed as it comes.

use std::io::{self, Write as _};
use std::path::PathBuf;

use atproto_data::Cid;
use atproto_data::cid::Codec;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::files::new_upload;
use super::sniff::{HEAD_BYTES, sniff};

/// So many bytes are collected before they are written: a write is a hop to another thread.
const BUFFER_BYTES: usize = 256 << 10;

/// The bytes of an upload so far. Dropping it removes its file.
pub(super) struct Spool {
    directory: PathBuf,
    file: Option<NamedTempFile>,
    hasher: Sha256,
    size: u64,
    head: Vec<u8>,
    buffer: Vec<u8>,
}

/// A whole upload in a file, which goes when this is dropped.
pub(super) struct Spooled {
    /// Not durable yet.
    pub(super) file: NamedTempFile,
    pub(super) cid: Cid,
    pub(super) size: u64,
    /// What its first bytes say it is.
    pub(super) sniffed: Option<&'static str>,
}

impl Spool {
    pub(super) fn new(directory: PathBuf) -> Spool {
        Spool {
            directory,
            file: None,
            hasher: Sha256::new(),
            size: 0,
            head: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Takes bytes into memory; says whether it is time to write them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Full {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < BUFFER_BYTES {
            Full::No
        } else {
            Full::Yes
        }
    }

    /// Writes what is in memory. Blocks.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(self.buffer.len());
        self.head.extend_from_slice(&self.buffer[..missing]);
        self.hasher.update(&self.buffer);
        self.size += self.buffer.len() as u64;
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(new_upload(&self.directory)?),
        };
        file.as_file_mut().write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the rest. Blocks.
    pub(super) fn finish(mut self) -> io::Result<Spooled> {
        self.write()?;
        let file = self
            .file
            .take()
            .ok_or_else(|| io::Error::other("an upload lost its file"))?;
        Ok(Spooled {
            file,
            cid: Cid::from_sha256(Codec::Raw, self.hasher.finalize().into()),
            size: self.size,
            sniffed: sniff(&self.head),
        })
    }
}

/// Whether the memory of a spool is full.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Yes,
    No,
}

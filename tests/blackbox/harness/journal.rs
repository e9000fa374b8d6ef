//! What a disk was told, in order (the file `DISK_JOURNAL` of disk.c).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Kind, length of the path, length of the data, offset: 8 bytes each.
const HEAD_BYTES: usize = 32;

/// All that happened to the database's files, and what was synced of blobs.
pub(crate) struct DiskJournal {
    pub(crate) entries: Vec<JournalEntry>,
}

/// One call.
pub(crate) struct JournalEntry {
    pub(crate) kind: JournalKind,
    pub(crate) path: PathBuf,
    pub(crate) data: Vec<u8>,
    offset: usize,
    /// Where the journal was after it.
    end: u64,
}

/// What a call does to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalKind {
    /// Puts data at an offset.
    Write,
    /// Makes the file as long as the offset.
    Truncate,
    /// Makes everything before durable.
    Sync,
    /// Removes the file.
    Remove,
    /// Makes an upload durable, as long as the offset; its inode is the path.
    SyncUpload,
    /// Makes the names in a directory durable; the data lists them, each after its inode.
    SyncDirectory,
}

impl DiskJournal {
    pub(crate) fn read(file: &Path) -> DiskJournal {
        let bytes = std::fs::read(file).unwrap();
        let mut entries = Vec::new();
        let mut rest = &bytes[..];
        // A kill may cut the last entry: the call is not known to have happened.
        while let Some((entry, after)) = JournalEntry::read(rest, (bytes.len() - rest.len()) as u64) {
            entries.push(entry);
            rest = after;
        }
        DiskJournal { entries }
    }

    /// Whether a file below `root`, with all directories on the way to it, was durable after the first so many entries.
    pub(crate) fn keeps(&self, entries: usize, root: &Path, file: &Path, length: u64) -> bool {
        let before = &self.entries[..entries];
        let inode_of = |path: &Path| {
            let (directory, name) = (path.parent()?, path.file_name()?.to_str()?);
            let list = |entry: &&JournalEntry| entry.kind == JournalKind::SyncDirectory && entry.path == directory;
            let names = before.iter().rfind(list)?.data.clone();
            let names = String::from_utf8(names).ok()?;
            let mut named = names.lines().filter_map(|line| line.split_once(' '));
            named
                .find(|(_, other)| *other == name)
                .map(|(inode, _)| inode.to_owned())
        };
        let ways = file.ancestors().take_while(|&path| path != root);
        let is_whole = |inode: &str| {
            let is_it = |entry: &JournalEntry| entry.kind == JournalKind::SyncUpload && entry.path == Path::new(inode);
            before
                .iter()
                .rfind(|entry| is_it(entry))
                .is_some_and(|entry| entry.offset as u64 == length)
        };
        ways.map(inode_of).all(|inode| inode.is_some()) && inode_of(file).is_some_and(|inode| is_whole(&inode))
    }

    /// How many entries there were when the journal had so many bytes.
    pub(crate) fn entries_within(&self, bytes: u64) -> usize {
        self.entries.partition_point(|entry| entry.end <= bytes)
    }
}

impl JournalEntry {
    fn read(bytes: &[u8], start: u64) -> Option<(JournalEntry, &[u8])> {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let numbers: Vec<usize> = head
            .chunks(8)
            .map(|number| usize::try_from(u64::from_ne_bytes(number.try_into().unwrap())).unwrap())
            .collect();
        let (path, rest) = rest.split_at_checked(numbers[1])?;
        let (data, rest) = rest.split_at_checked(numbers[2])?;
        let kind = match u8::try_from(numbers[0]).unwrap() {
            b'w' => JournalKind::Write,
            b't' => JournalKind::Truncate,
            b's' => JournalKind::Sync,
            b'u' => JournalKind::Remove,
            b'f' => JournalKind::SyncUpload,
            b'd' => JournalKind::SyncDirectory,
            other => panic!("no kind of entry: {other}"),
        };
        let entry = JournalEntry {
            kind,
            path: std::str::from_utf8(path).unwrap().into(),
            data: data.to_vec(),
            offset: numbers[3],
            end: start + (HEAD_BYTES + path.len() + data.len()) as u64,
        };
        Some((entry, rest))
    }

    /// Does it to files, with only the beginning of the data.
    pub(crate) fn apply(&self, files: &mut BTreeMap<PathBuf, Vec<u8>>, length: usize) {
        match self.kind {
            JournalKind::Write | JournalKind::Truncate | JournalKind::Sync => {}
            JournalKind::SyncUpload | JournalKind::SyncDirectory => return,
            JournalKind::Remove => {
                files.remove(&self.path);
                return;
            }
        }
        let file = files.entry(self.path.clone()).or_default();
        match self.kind {
            JournalKind::Write => {
                let end = self.offset + length;
                file.resize(file.len().max(end), 0);
                file[self.offset..end].copy_from_slice(&self.data[..length]);
            }
            JournalKind::Truncate => file.resize(self.offset, 0),
            _ => {}
        }
    }
}

//! What a disk was told, in order (the file `DISK_JOURNAL` of disk.c).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Kind, length of the path, length of the data, offset: 8 bytes each.
const HEAD_BYTES: usize = 32;

/// All that happened to the database's files.
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
        if self.kind == JournalKind::Remove {
            files.remove(&self.path);
            return;
        }
        let file = files.entry(self.path.clone()).or_default();
        match self.kind {
            JournalKind::Write => {
                let end = self.offset + length;
                file.resize(file.len().max(end), 0);
                file[self.offset..end].copy_from_slice(&self.data[..length]);
            }
            JournalKind::Truncate => file.resize(self.offset, 0),
            JournalKind::Sync | JournalKind::Remove => {}
        }
    }
}

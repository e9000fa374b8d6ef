//! Where each block of a CAR is, in memory that does not grow with their number.
//!
//! Few blocks are a sorted list in memory. Many are sorted in runs, which are merged into a temporary file; of that, the first digest of
//! each page is kept in memory, so that a look-up reads one page.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use atproto_data::Cid;

/// Blocks that are sorted at a time: 3 MiB.
pub(super) const RUN_BLOCKS: usize = 128 << 10;
/// Entries read at a time, 6 KiB.
const PAGE_ENTRIES: usize = 256;
/// Bytes of a digest that tell blocks apart. Who finds two blocks with the same ones breaks only an import of their own.
const DIGEST_BYTES: usize = 16;
/// Bytes of an entry in a file.
const ENTRY_BYTES: usize = DIGEST_BYTES + size_of::<u64>();
/// Bits of a place that are its length.
const LENGTH_BITS: u32 = 24;

/// Where a block's section is in the CAR: its CID and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where the section's content begins; below 2^40.
    pub(super) offset: u64,
    /// The content's length; below 2^24.
    pub(super) length: u32,
}

/// Ordered by digest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    digest: [u8; DIGEST_BYTES],
    /// Offset and length in one.
    place: u64,
}

impl Entry {
    fn new(cid: &Cid, place: Place) -> Entry {
        Entry {
            digest: digest(cid),
            place: place.offset << LENGTH_BITS | u64::from(place.length),
        }
    }

    fn place(self) -> Place {
        Place {
            offset: self.place >> LENGTH_BITS,
            length: u32::try_from(self.place & ((1 << LENGTH_BITS) - 1)).unwrap_or(u32::MAX),
        }
    }

    fn write(self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.digest)?;
        out.write_all(&self.place.to_le_bytes())
    }
}

fn digest(cid: &Cid) -> [u8; DIGEST_BYTES] {
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&cid.digest()[..DIGEST_BYTES]);
    digest
}

/// Entries of a file from one number to another.
fn read_entries(file: &File, from: u64, to: u64) -> io::Result<Vec<Entry>> {
    let bytes = usize::try_from(to - from).map_err(io::Error::other)? * ENTRY_BYTES;
    let mut buffer = vec![0; bytes];
    file.read_exact_at(&mut buffer, from * ENTRY_BYTES as u64)?;
    let (entries, _) = buffer.as_chunks::<ENTRY_BYTES>();
    Ok(entries
        .iter()
        .map(|bytes| {
            let mut entry = Entry {
                digest: [0; DIGEST_BYTES],
                place: 0,
            };
            entry.digest.copy_from_slice(&bytes[..DIGEST_BYTES]);
            let mut place = [0; size_of::<u64>()];
            place.copy_from_slice(&bytes[DIGEST_BYTES..]);
            entry.place = u64::from_le_bytes(place);
            entry
        })
        .collect())
}

/// Takes the blocks in the order of the CAR.
pub(super) struct IndexBuilder<'d> {
    directory: &'d Path,
    run_blocks: usize,
    run: Vec<Entry>,
    runs: Option<Runs>,
}

/// Sorted runs, one after the other in a file.
struct Runs {
    file: BufWriter<File>,
    /// Where each ends, in entries.
    ends: Vec<u64>,
}

impl<'d> IndexBuilder<'d> {
    /// Temporary files are made in `directory` if there are more than `run_blocks` blocks.
    pub(super) fn new(directory: &'d Path, run_blocks: usize) -> IndexBuilder<'d> {
        IndexBuilder {
            directory,
            run_blocks,
            run: Vec::new(),
            runs: None,
        }
    }

    pub(super) fn push(&mut self, cid: &Cid, place: Place) -> io::Result<()> {
        if self.run.len() >= self.run_blocks {
            self.end_run()?;
        }
        self.run.push(Entry::new(cid, place));
        Ok(())
    }

    fn end_run(&mut self) -> io::Result<()> {
        sort(&mut self.run);
        let mut runs = match self.runs.take() {
            Some(runs) => runs,
            None => Runs {
                file: BufWriter::new(tempfile::tempfile_in(self.directory)?),
                ends: Vec::new(),
            },
        };
        for entry in &self.run {
            entry.write(&mut runs.file)?;
        }
        runs.ends.push(runs.ends.last().unwrap_or(&0) + self.run.len() as u64);
        self.run.clear();
        self.runs = Some(runs);
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<BlockIndex> {
        if self.runs.is_none() {
            sort(&mut self.run);
            return Ok(BlockIndex::Memory(self.run));
        }
        self.end_run()?;
        match self.runs {
            None => Ok(BlockIndex::Memory(Vec::new())),
            Some(runs) => merge(runs, tempfile::tempfile_in(self.directory)?),
        }
    }
}

fn sort(entries: &mut Vec<Entry>) {
    entries.sort_unstable();
    entries.dedup_by_key(|entry| entry.digest);
}

/// A run that is being merged.
struct RunReader<'f> {
    file: &'f File,
    next: u64,
    end: u64,
    page: std::vec::IntoIter<Entry>,
}

impl RunReader<'_> {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        if let Some(entry) = self.page.next() {
            return Ok(Some(entry));
        }
        if self.next == self.end {
            return Ok(None);
        }
        let to = self.end.min(self.next + PAGE_ENTRIES as u64);
        self.page = read_entries(self.file, self.next, to)?.into_iter();
        self.next = to;
        Ok(self.page.next())
    }
}

fn merge(runs: Runs, into: File) -> io::Result<BlockIndex> {
    let file = runs.file.into_inner().map_err(io::IntoInnerError::into_error)?;
    let mut start = 0;
    let mut readers = Vec::with_capacity(runs.ends.len());
    let mut heap = BinaryHeap::with_capacity(runs.ends.len());
    for end in runs.ends {
        let mut reader = RunReader {
            file: &file,
            next: std::mem::replace(&mut start, end),
            end,
            page: Vec::new().into_iter(),
        };
        if let Some(entry) = reader.next()? {
            heap.push(Reverse((entry, readers.len())));
        }
        readers.push(reader);
    }
    let mut out = BufWriter::new(into);
    let mut firsts = Vec::new();
    let mut count = 0_u64;
    let mut previous = None;
    while let Some(Reverse((entry, run))) = heap.pop() {
        if let Some(following) = readers[run].next()? {
            heap.push(Reverse((following, run)));
        }
        if previous.replace(entry.digest) == Some(entry.digest) {
            continue;
        }
        if count.is_multiple_of(PAGE_ENTRIES as u64) {
            firsts.push(entry.digest);
        }
        entry.write(&mut out)?;
        count += 1;
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(BlockIndex::File { file, firsts, count })
}

/// The places of all blocks, by digest.
pub(super) enum BlockIndex {
    /// Sorted.
    Memory(Vec<Entry>),
    /// Sorted, with the first digest of each page.
    File {
        file: File,
        firsts: Vec<[u8; DIGEST_BYTES]>,
        count: u64,
    },
}

impl BlockIndex {
    /// Where the first block with a CID's digest is.
    pub(super) fn find(&self, cid: &Cid) -> io::Result<Option<Place>> {
        let wanted = digest(cid);
        let in_page = |page: &[Entry]| {
            let found = page.binary_search_by_key(&wanted, |entry| entry.digest).ok()?;
            page.get(found).map(|entry| entry.place())
        };
        match self {
            BlockIndex::Memory(entries) => Ok(in_page(entries)),
            BlockIndex::File { file, firsts, count } => {
                let Some(page) = firsts.partition_point(|first| *first <= wanted).checked_sub(1) else {
                    return Ok(None);
                };
                let from = page as u64 * PAGE_ENTRIES as u64;
                let page = read_entries(file, from, (*count).min(from + PAGE_ENTRIES as u64))?;
                Ok(in_page(&page))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn cid(number: u32) -> Cid {
        Cid::of_dag_cbor(&number.to_be_bytes())
    }

    fn place(number: u32) -> Place {
        Place {
            offset: u64::from(number) << 8,
            length: number % 1_000,
        }
    }

    #[test]
    fn few_and_many_blocks_are_found() {
        let directory = tempfile::tempdir().unwrap();
        for (run_blocks, count) in [(10_000, 0), (10_000, 3_000), (1_000, 1_000), (100, 3_000), (700, 3_000)] {
            let mut builder = IndexBuilder::new(directory.path(), run_blocks);
            for number in 0..count {
                builder.push(&cid(number), place(number)).unwrap();
            }
            let index = builder.finish().unwrap();
            assert_eq!(matches!(index, BlockIndex::File { .. }), count as usize > run_blocks);
            for number in 0..count {
                assert_eq!(index.find(&cid(number)).unwrap(), Some(place(number)));
            }
            for unknown in count..count + 500 {
                assert_eq!(index.find(&cid(unknown)).unwrap(), None);
            }
        }
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "no file has a name"
        );
    }

    #[test]
    fn of_blocks_that_come_again_one_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let mut builder = IndexBuilder::new(directory.path(), 50);
        for again in 0..1_000 {
            builder.push(&cid(again % 3), place(again)).unwrap();
        }
        let index = builder.finish().unwrap();
        assert!(matches!(index, BlockIndex::File { count: 3, .. }));
        for number in 0..3 {
            assert_eq!(index.find(&cid(number)).unwrap(), Some(place(number)));
        }
    }

    #[test]
    fn places_keep_their_largest_numbers() {
        let largest = Place {
            offset: (1 << 40) - 1,
            length: (1 << LENGTH_BITS) - 1,
        };
        assert_eq!(Entry::new(&cid(1), largest).place(), largest);
    }
}

//! The sections of a CAR one after the other, from a file that is not read twice.

use std::io::Read;
use std::ops::Range;

use atproto_repo::car::{CarError, Section, split_section};

use super::ImportError;

/// Bytes read at a time.
const READ_BYTES: u64 = 256 << 10;

/// Reads a CAR section by section. It holds one section and what was read beyond it.
pub(super) struct Sections<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where the next section begins in `buffer`.
    next: usize,
    /// Where `buffer` begins in the input.
    offset: u64,
}

impl<R: Read> Sections<R> {
    pub(super) fn new(input: R) -> Sections<R> {
        Sections {
            input,
            buffer: Vec::new(),
            next: 0,
            offset: 0,
        }
    }

    /// The next section's content and where it begins in the input; `None` at the end.
    pub(super) fn next(&mut self, limit: usize, too_long: &CarError) -> Result<Option<(u64, &[u8])>, ImportError> {
        loop {
            if let Some(content) = self.buffered(limit, too_long)? {
                self.next = content.end;
                return Ok(Some((self.offset + content.start as u64, &self.buffer[content])));
            }
            if !self.read_more()? {
                let rest_is_empty = self.next == self.buffer.len();
                return if rest_is_empty {
                    Ok(None)
                } else {
                    Err(CarError::Truncated.into())
                };
            }
        }
    }

    /// Where the next section's content is in the buffer, if all of it is there.
    fn buffered(&self, limit: usize, too_long: &CarError) -> Result<Option<Range<usize>>, CarError> {
        Ok(
            match split_section(&self.buffer[self.next..], limit, too_long.clone())? {
                Section::Complete { content, rest } => {
                    let end = self.buffer.len() - rest.len();
                    Some(end - content.len()..end)
                }
                Section::Incomplete => None,
            },
        )
    }

    fn read_more(&mut self) -> Result<bool, std::io::Error> {
        self.buffer.drain(..self.next);
        self.offset += self.next as u64;
        self.next = 0;
        let read = self.input.by_ref().take(READ_BYTES).read_to_end(&mut self.buffer)?;
        Ok(read > 0)
    }
}

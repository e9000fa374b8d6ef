//! A file as a stream of its bytes.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, try_unfold};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::spawn_blocking;

/// Bytes read at a time.
const CHUNK_BYTES: u64 = 128 << 10;

/// `length` bytes of a file from `start` on. What the system has in memory is read where the stream is polled; for anything else a thread
/// that may block reads. A file that ends before is an error.
pub(crate) fn stream(file: File, start: u64, length: u64) -> BoxStream<'static, io::Result<Bytes>> {
    let file = Arc::new(file);
    try_unfold((start, length), move |(at, left)| {
        let file = Arc::clone(&file);
        async move {
            if left == 0 {
                return Ok(None);
            }
            let chunk = next(file, at, left.min(CHUNK_BYTES)).await?;
            let read = chunk.len() as u64;
            Ok(Some((chunk, (at + read, left - read))))
        }
    })
    .boxed()
}

/// At least one and at most `most` bytes.
async fn next(file: Arc<File>, at: u64, most: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(most).map_err(io::Error::other)?];
    let ready = preadv2(&file, &mut [IoSliceMut::new(&mut buffer)], at, ReadWriteFlags::NOWAIT);
    let (mut buffer, read) = match ready {
        Ok(read) if read > 0 => (buffer, read),
        // Not in memory, or a file system that cannot tell.
        _ => {
            let read = spawn_blocking(move || file.read_at(&mut buffer, at).map(|read| (buffer, read)));
            read.await.map_err(io::Error::other)??
        }
    };
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buffer.truncate(read);
    Ok(buffer.into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write as _;

    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn any_part_of_a_file_comes_as_it_is() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..3 * CHUNK_BYTES + 17).map(|at| (at % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        let all = bytes.len() as u64;
        for (start, length) in [(0, all), (1, all - 1), (CHUNK_BYTES - 1, 2), (all, 0), (all - 5, 5)] {
            let chunks: Vec<Bytes> = stream(file.try_clone().unwrap(), start, length)
                .try_collect()
                .await
                .unwrap();
            let expected = &bytes[usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap()];
            assert!(chunks.concat() == expected, "{length} bytes from {start}");
        }
    }

    #[tokio::test]
    async fn a_file_that_ends_too_early_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"short").unwrap();
        let chunks: Result<Vec<Bytes>, _> = stream(file, 0, 6).try_collect().await;
        assert_eq!(chunks.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

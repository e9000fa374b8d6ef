//! What the disk takes for one durable write: the floor under the latency of an acknowledged write.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Error;

/// Durable writes that are timed.
const WRITES: usize = 200;
/// Their size, in bytes: about one commit in the write-ahead log.
const WRITE_BYTES: usize = 16 << 10;

/// Time of one append of 16 KiB with fsync, the median.
pub(crate) fn durable_write(directory: &Path) -> Result<Duration, Error> {
    let mut file = tempfile::tempfile_in(directory)?;
    let bytes = vec![7; WRITE_BYTES];
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let began = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[WRITES / 2])
}

//! What Linux says of this process (`proc(5)`), under the names that Prometheus' own clients use. Elsewhere the metrics stay away.

use std::fs;

use super::metrics;

const BYTES_PER_KIB: u64 = 1_024;
/// Fields of `/proc/self/stat` after the program's name in parentheses.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const THREADS: usize = 17;
const START_TIME: usize = 19;

/// Reads everything into the metrics.
pub fn measure() {
    measure_stat();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kib) = number_after(&status, "VmRSS:") {
        metrics::PROCESS_MEMORY.set_count([], kib * BYTES_PER_KIB);
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(files) = number_after(&limits, "Max open files") {
        metrics::PROCESS_MAX_FDS.set_count([], files);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        metrics::PROCESS_OPEN_FDS.set_count([], files.count() as u64);
    }
}

fn measure_stat() {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold anything, blanks and parentheses too.
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return;
    };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let ticks = rustix::param::clock_ticks_per_second();
    #[expect(clippy::cast_precision_loss, reason = "nobody needs the sixteenth digit")]
    let seconds = |count: u64| count as f64 / ticks as f64;
    if let (Some(user), Some(system)) = (field(USER_TIME), field(SYSTEM_TIME)) {
        metrics::PROCESS_CPU.set([], seconds(user + system));
    }
    if let Some(threads) = field(THREADS) {
        metrics::PROCESS_THREADS.set_count([], threads);
    }
    let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
    if let (Some(start), Some(boot)) = (field(START_TIME), number_after(&boot, "btime")) {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far from 2^53")]
        metrics::PROCESS_START.set([], boot as f64 + seconds(start));
    }
}

/// The first number after a word at the beginning of a line.
fn number_after(text: &str, word: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_at_the_beginning_of_lines() {
        let text = "Name:\tpds\nVmRSS:\t   12345 kB\nMax open files            1024                 524288               files\n";
        assert_eq!(number_after(text, "VmRSS:"), Some(12_345));
        assert_eq!(number_after(text, "Max open files"), Some(1_024));
        assert_eq!(number_after(text, "pds"), None);
        assert_eq!(
            number_after("Max open files unlimited unlimited files", "Max open files"),
            None
        );
    }
}

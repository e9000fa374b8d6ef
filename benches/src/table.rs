//! The printed table.

use std::time::Duration;

use crate::load::Measured;

/// Other work on the machine from which on throughput and latency are doubtful, in percent.
const DOUBTFUL: f64 = 15.0;
/// Use of the generator's one thread from which on it was the limit, in percent.
const GENERATOR_LIMIT: f64 = 90.0;

/// Prints rows as they come, each with its ratio to the first one.
#[derive(Default)]
pub(crate) struct Table {
    baseline: Option<f64>,
}

impl Table {
    pub(crate) fn head() {
        println!("| case | conn. | op/s | p50 ms | p99 ms | CPU µs/op | × _health | KiB/op | RSS MiB | note |");
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|");
    }

    pub(crate) fn row(&mut self, name: &str, connections: usize, measured: &Measured) {
        let baseline = *self.baseline.get_or_insert(measured.cpu_micros);
        println!(
            "| {name} | {connections} | {:.0} | {:.2} | {:.2} | {:.1} | {:.1} | {} | {:.1} | {} |",
            measured.per_second,
            millis(measured.median),
            millis(measured.worst_of_100),
            measured.cpu_micros,
            measured.cpu_micros / baseline,
            measured.bytes.div_ceil(1024),
            measured.memory_mib,
            note(measured),
        );
    }
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn note(measured: &Measured) -> String {
    let mut notes = vec![format!("{} op", measured.operations)];
    if measured.generator_percent >= GENERATOR_LIMIT {
        notes.push("generator was the limit".to_owned());
    }
    if measured.others_percent >= DOUBTFUL {
        notes.push(format!("other work {:.0} %", measured.others_percent));
    }
    notes.join(", ")
}

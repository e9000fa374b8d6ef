//! One case: some connections in a closed loop, for a bounded time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Error;
use crate::connection::Connection;
use crate::process::{self, Server};
use crate::requests::Prepared;

/// Makes the request with a number that no other has; the first argument is the number of the connection.
pub(crate) type Make = Arc<dyn Fn(usize, u64) -> Prepared + Send + Sync>;

/// How hard and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) time: Duration,
    /// No more operations than this.
    pub(crate) operations: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) operations: u64,
    pub(crate) per_second: f64,
    pub(crate) median: Duration,
    pub(crate) worst_of_100: Duration,
    /// CPU time of the server per operation, in µs.
    pub(crate) cpu_micros: f64,
    /// Bytes of the answers' bodies per operation.
    pub(crate) bytes: u64,
    /// The server's memory afterwards, in MiB.
    pub(crate) memory_mib: f64,
    /// Share of one core that the generator used, in percent; near 100 it was the limit.
    pub(crate) generator_percent: f64,
    /// Share of the machine that other processes used meanwhile, in percent.
    pub(crate) others_percent: f64,
}

/// Loads the server and measures.
pub(crate) async fn run(address: SocketAddr, server: &Server, load: Load, make: Make) -> Result<Measured, Error> {
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        connections.push(Connection::open(address).await?);
    }
    let (server_cpu, own_cpu, machine_cpu) = (
        server.cpu_micros()?,
        process::own_cpu_micros()?,
        process::machine_cpu_micros()?,
    );
    let numbers = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let end = began + load.time;
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(index, connection)| {
            let (make, numbers) = (Arc::clone(&make), Arc::clone(&numbers));
            tokio::spawn(async move { closed_loop(connection, index, &make, &numbers, load.operations, end).await })
        })
        .collect();
    let (mut times, mut bytes) = (Vec::new(), 0);
    for task in tasks {
        let (some_times, some_bytes) = task.await??;
        times.extend(some_times);
        bytes += some_bytes;
    }
    let took = began.elapsed();
    let server_cpu = server.cpu_micros()? - server_cpu;
    let own_cpu = process::own_cpu_micros()? - own_cpu;
    let machine_cpu = process::machine_cpu_micros()? - machine_cpu;
    times.sort_unstable();
    let operations = times.len().max(1) as u64;
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let cores = std::thread::available_parallelism()?.get();
    Ok(Measured {
        operations,
        per_second: ratio(operations, 1) / took.as_secs_f64(),
        median: at(50),
        worst_of_100: at(99),
        cpu_micros: ratio(server_cpu, operations),
        bytes: bytes / operations,
        memory_mib: server.memory_mib()?,
        generator_percent: percent(own_cpu, took, 1),
        others_percent: percent(machine_cpu.saturating_sub(server_cpu + own_cpu), took, cores),
    })
}

async fn closed_loop(
    mut connection: Connection,
    index: usize,
    make: &Make,
    numbers: &AtomicU64,
    operations: u64,
    end: Instant,
) -> Result<(Vec<Duration>, u64), Error> {
    let (mut times, mut bytes) = (Vec::new(), 0);
    while Instant::now() < end {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        if number >= operations {
            break;
        }
        let request = make(index, number);
        let began = Instant::now();
        bytes += connection.exchange(request).await?;
        times.push(began.elapsed());
    }
    Ok((times, bytes))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(count: u64, of: u64) -> f64 {
    count as f64 / of as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn percent(cpu_micros: u64, took: Duration, cores: usize) -> f64 {
    cpu_micros as f64 / (took.as_secs_f64() * 1e6 * cores as f64) * 100.0
}

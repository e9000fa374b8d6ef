//! Writes to and proofs from repos of many records, cold and warm: how much of a repo has to be read for one record.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::Error;
use crate::accounts::{self, Account};
use crate::connection::Connection;
use crate::disk;
use crate::generated_repo;
use crate::options::Options;
use crate::process::{Server, Setup};
use crate::requests::{self, Prepared};
use crate::table::millis;

/// Starts of which the median is shown.
const STARTS: u64 = 3;
/// Operations one after the other while the repo is warm.
const WARM: u64 = 200;

/// What something cost the server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cost {
    time: Duration,
    cpu_micros: u64,
    /// Bytes read from files, from the system's cache or the disk.
    read_bytes: u64,
}

/// Makes each repo by importing it into an account of its own and prints a table.
pub(crate) async fn run(options: &Options, setup: &Setup, data: &Path) -> Result<(), Error> {
    println!(
        "| repo | case | cold ms | cold CPU ms | cold MiB read | warm ms | warm CPU ms | warm KiB read | RSS MiB |"
    );
    println!("|--:|---|--:|--:|--:|--:|--:|--:|--:|");
    let server = setup.start().await?;
    let accounts = accounts::create(setup.address, options.large.len()).await?;
    for (account, records) in accounts.iter().zip(&options.large) {
        let car = Bytes::from(generated_repo::car(&account.did, *records)?);
        let mut connection = Connection::open(setup.address).await?;
        connection.exchange(requests::import_repo(account, car)).await?;
    }
    // What an import does behind its answer ends before the first start that is measured.
    server.stop().await?;
    for (account, records) in accounts.iter().zip(&options.large) {
        measure(setup, "createRecord", *records, |number| {
            requests::create_record(account, number)
        })
        .await?;
        measure(setup, "sync.getRecord", *records, |number| {
            proof(account, number, *records)
        })
        .await?;
    }
    println!(
        "\nAppend of 16 KiB with fsync: {:.2} ms",
        millis(disk::durable_write(data)?)
    );
    Ok(())
}

/// A proof of a record that no number near has next to it.
fn proof(account: &Account, number: u64, records: u64) -> Prepared {
    let rkey = generated_repo::rkey(number.wrapping_mul(7_919) % records);
    requests::prove_record(account, &rkey)
}

async fn measure(setup: &Setup, name: &str, records: u64, make: impl Fn(u64) -> Prepared) -> Result<(), Error> {
    let (mut cold, mut warm, mut memory) = (Vec::new(), Cost::default(), 0.0);
    for start in 0..STARTS {
        let server = setup.start().await?;
        let mut connection = Connection::open(setup.address).await?;
        // The number differs from those of other starts: no record is written twice.
        let first = start * (WARM + 1);
        cold.push(cost(&server, &mut connection, [make(first)]).await?);
        let next = (first + 1..=first + WARM).map(&make);
        let all = cost(&server, &mut connection, next).await?;
        warm = Cost {
            time: all.time / u32::try_from(WARM)?,
            cpu_micros: all.cpu_micros / WARM,
            read_bytes: all.read_bytes / WARM,
        };
        memory = server.peak_memory_mib()?;
        server.stop().await?;
    }
    cold.sort_unstable_by_key(|cost| cost.time);
    print(name, records, &cold[cold.len() / 2], &warm, memory);
    Ok(())
}

/// What some requests, one after the other, cost the server.
async fn cost(
    server: &Server,
    connection: &mut Connection,
    requests: impl IntoIterator<Item = Prepared>,
) -> Result<Cost, Error> {
    let (cpu_micros, read_bytes, began) = (server.cpu_micros()?, server.read_bytes()?, Instant::now());
    for request in requests {
        connection.exchange(request).await?;
    }
    Ok(Cost {
        time: began.elapsed(),
        cpu_micros: server.cpu_micros()? - cpu_micros,
        read_bytes: server.read_bytes()? - read_bytes,
    })
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(name: &str, records: u64, cold: &Cost, warm: &Cost, memory: f64) {
    println!(
        "| {records} | {name} | {:.1} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {memory:.0} |",
        millis(cold.time),
        cold.cpu_micros as f64 / 1e3,
        cold.read_bytes as f64 / f64::from(1 << 20),
        millis(warm.time),
        warm.cpu_micros as f64 / 1e3,
        warm.read_bytes as f64 / 1024.0,
    );
}

//! The cases, in the order in which they build on each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Error;
use crate::accounts::{self, Account};
use crate::connection::Connection;
use crate::disk;
use crate::large_repos;
use crate::load::{self, Load, Make, Measured};
use crate::options::Options;
use crate::plc_directory;
use crate::process::{self, Server, Setup};
use crate::requests;
use crate::table::{Table, millis};
use crate::upstream;

/// Writers at once in the case of many.
pub(crate) const WRITERS: usize = 50;
/// Connections that read at once, and that export at once.
const READERS: usize = 16;
const EXPORTERS: usize = 2;
/// Calls that the AppView leaves without an answer.
const SLOW_CALLS: usize = 1_000;
/// Records per commit when the large repo is filled: the most that a commit may have.
const BATCH: usize = 200;
/// Records of which readers ask in turn.
const RKEYS: u32 = 100;
/// Starts of which the median is shown.
const STARTS: usize = 5;
/// A server that nobody asks anything is idle after this.
const REST: Duration = Duration::from_secs(2);
/// Cases that are bounded by time alone.
pub(crate) const NO_LIMIT: u64 = u64::MAX;

pub(crate) struct Bench<'o> {
    pub(crate) options: &'o Options,
    pub(crate) setup: Setup,
    pub(crate) table: Table,
    /// What is said below the table: names and values.
    figures: Vec<(&'static str, String)>,
}

/// Runs all cases that were asked for.
pub(crate) async fn run(options: &Options) -> Result<(), Error> {
    let directory = tempfile::tempdir_in(&options.data_dir)?;
    let data = directory.path().join("data");
    let setup = Setup::new(
        &options.binary,
        &data,
        plc_directory::start().await?,
        upstream::start().await?,
    )?;
    if !options.large.is_empty() {
        return large_repos::run(options, &setup, directory.path()).await;
    }
    let mut bench = Bench {
        options,
        setup,
        table: Table::default(),
        figures: Vec::new(),
    };

    let server = bench.setup.start().await?;
    bench.figure("Start on an empty directory", in_millis(server.start_time));
    process::pause(REST).await;
    bench.figure("RSS idle", format!("{:.1} MiB", server.memory_mib()?));
    server.stop().await?;

    let accounts = bench.accounts().await?;
    let server = bench.setup.start().await?;
    Table::head();
    bench.loaded(&server, &accounts).await?;
    let (loaded, peak) = (server.memory_mib()?, server.peak_memory_mib()?);
    bench.figure("RSS after the load", format!("{loaded:.1} MiB, at most {peak:.1} MiB"));
    server.stop().await?;

    bench.cold(&accounts).await?;
    println!();
    for (name, value) in &bench.figures {
        println!("{name}: {value}");
    }
    Ok(())
}

impl Bench<'_> {
    fn figure(&mut self, name: &'static str, value: String) {
        self.figures.push((name, value));
    }

    /// Makes the accounts of all cases, and measures what they take of the disk.
    async fn accounts(&mut self) -> Result<Vec<Account>, Error> {
        let empty = self.setup.database_bytes();
        let server = self.setup.start().await?;
        let accounts = accounts::create(self.setup.address, WRITERS + 2).await?;
        server.stop().await?;
        if let Some((before, after)) = empty.zip(self.setup.database_bytes()) {
            let of_one = (after - before) / accounts.len() as u64;
            self.figure(
                "Disk for an empty account, its events included",
                format!("{of_one} bytes"),
            );
        }
        Ok(accounts)
    }

    async fn loaded(&mut self, server: &Server, accounts: &[Account]) -> Result<(), Error> {
        let [writers @ .., alone, large] = accounts else {
            return Err("no accounts".into());
        };
        let (writers, large): (Arc<[Account]>, Account) = (writers.into(), large.clone());

        self.case(
            server,
            "_health",
            READERS,
            NO_LIMIT,
            Arc::new(|_, _| requests::health()),
        )
        .await?;
        self.lone_writer(server, alone).await?;
        let accounts = Arc::clone(&writers);
        let create = Arc::new(move |writer: usize, number| requests::create_record(&accounts[writer], number));
        self.case(server, "createRecord, 50 writers", WRITERS, NO_LIMIT, create)
            .await?;

        let reader = large.clone();
        let ask = Arc::new(move |_, _| requests::proxied(&reader));
        self.case(server, "proxied GET of 30 KB", READERS, NO_LIMIT, ask)
            .await?;

        let rkeys = self.fill(server, &large).await?;
        let reader = large.clone();
        let get: Make = Arc::new(move |_, number| requests::get_record(&reader, at(&rkeys, number)));
        self.case(server, "getRecord", READERS, NO_LIMIT, Arc::clone(&get))
            .await?;
        self.beside_slow_answers(server, &writers, get).await?;
        let reader = large.clone();
        let list = Arc::new(move |_, _| requests::list_records(&reader, 50));
        self.case(server, "listRecords, limit 50", READERS, NO_LIMIT, list)
            .await?;
        let reader = large.clone();
        let export = Arc::new(move |_, _| requests::get_repo(&reader));
        self.case(server, "getRepo", EXPORTERS, NO_LIMIT, export).await?;
        let writer = large.clone();
        let create = Arc::new(move |_, number| requests::create_record(&writer, number));
        self.case(server, "createRecord, large repo", 1, NO_LIMIT, create)
            .await?;
        self.firehose(server, writers).await?;
        self.blobs(server, alone).await?;
        self.imports(server, &large).await
    }

    /// Writes one by one, beside what the disk needs for it at the same time.
    async fn lone_writer(&mut self, server: &Server, writer: &Account) -> Result<(), Error> {
        let name = "createRecord, 1 writer";
        if !self.options.wants(name) {
            return Ok(());
        }
        let writer = writer.clone();
        let create = Arc::new(move |_, number| requests::create_record(&writer, number));
        let before = disk::durable_write(&self.options.data_dir)?;
        let measured = self.load(server, 1, NO_LIMIT, create).await?;
        let fsync = millis((before + disk::durable_write(&self.options.data_dir)?) / 2);
        let (p50, target) = (millis(measured.median), fsync * 1.3 + 1.0);
        self.figure(
            "createRecord, 1 writer, p50",
            format!(
                "{p50:.2} ms; an append of 16 KiB with fsync takes {fsync:.2} ms, 1.3 × that + 1 ms is {target:.2} ms"
            ),
        );
        self.table.row(name, 1, &measured);
        Ok(())
    }

    /// Reads records while the AppView does not answer many others.
    async fn beside_slow_answers(&mut self, server: &Server, askers: &[Account], get: Make) -> Result<(), Error> {
        let name = format!("getRecord beside {SLOW_CALLS} slow answers");
        if !self.options.wants(&name) {
            return Ok(());
        }
        let mut waiting = JoinSet::new();
        for account in askers.iter().cycle().take(SLOW_CALLS) {
            let mut connection = Connection::open(self.setup.address).await?;
            let request = requests::proxied_slowly(account);
            waiting.spawn(async move { connection.exchange(request).await });
        }
        self.case(server, &name, READERS, NO_LIMIT, get).await?;
        // Whoever does not wait any more was refused.
        match waiting.try_join_next() {
            Some(ended) => Err(format!("a slow call ended early: {ended:?}").into()),
            None => Ok(()),
        }
    }

    /// Fills the repo that is read, whether or not that is a case to show, and returns some of its rkeys.
    async fn fill(&mut self, server: &Server, large: &Account) -> Result<Vec<String>, Error> {
        let (account, records) = (large.clone(), self.options.records as u64);
        let create = Arc::new(move |_, number: u64| {
            let first = number * BATCH as u64;
            requests::create_records(&account, first..records.min(first + BATCH as u64))
        });
        let batches = self.options.records.div_ceil(BATCH) as u64;
        // However long it takes: the cases after it need the whole repo.
        let load = Load {
            connections: 1,
            time: Duration::MAX / 1_000_000,
            operations: batches,
        };
        let measured = load::run(self.setup.address, server, load, create).await?;
        self.table.row("applyWrites of 200 creates", 1, &measured);
        let listed = Connection::open(self.setup.address)
            .await?
            .json(requests::list_records(large, RKEYS))
            .await?;
        let records = listed["records"].as_array().ok_or("listRecords gave no records")?;
        let rkey = |record: &serde_json::Value| record["uri"].as_str()?.rsplit('/').next().map(str::to_owned);
        Ok(records.iter().filter_map(rkey).collect())
    }

    pub(crate) async fn case(
        &mut self,
        server: &Server,
        name: &str,
        connections: usize,
        operations: u64,
        make: Make,
    ) -> Result<(), Error> {
        if !self.options.wants(name) {
            return Ok(());
        }
        let measured = self.load(server, connections, operations, make).await?;
        self.table.row(name, connections, &measured);
        Ok(())
    }

    /// Loads the server for the time that was asked for, and measures.
    pub(crate) async fn load(
        &self,
        server: &Server,
        connections: usize,
        operations: u64,
        make: Make,
    ) -> Result<Measured, Error> {
        let load = Load {
            connections,
            time: self.options.time,
            operations,
        };
        load::run(self.setup.address, server, load, make).await
    }

    /// Measures starts on existing data, and the first write to a repo whose tree is not in memory: medians.
    async fn cold(&mut self, accounts: &[Account]) -> Result<(), Error> {
        let large = accounts.last().ok_or("no accounts")?;
        let (mut starts, mut writes) = (Vec::new(), Vec::new());
        for number in 0..STARTS {
            let server = self.setup.start().await?;
            let mut connection = Connection::open(self.setup.address).await?;
            let began = Instant::now();
            connection
                .exchange(requests::create_record(large, u64::MAX - number as u64))
                .await?;
            writes.push(began.elapsed());
            starts.push(server.start_time);
            server.stop().await?;
        }
        self.figure("Start on the data of this run", in_millis(median(starts)));
        self.figure("First write to the large repo after a start", in_millis(median(writes)));
        Ok(())
    }
}

fn in_millis(time: Duration) -> String {
    format!("{:.1} ms", millis(time))
}

fn at(rkeys: &[String], number: u64) -> &str {
    let index = usize::try_from(number).unwrap_or_default() % rkeys.len().max(1);
    rkeys.get(index).map_or("none", String::as_str)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

//! The server under test as a process: starting, stopping, and what the kernel counts of it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Error;
use crate::connection::Connection;
use crate::{requests, upstream};

/// A server that is not up, or not gone, by then has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a starting server is asked.
const POLL: Duration = Duration::from_millis(2);
/// The kernel's clock tick for user space, in µs; fixed at 100 Hz on Linux.
const TICK_MICROS: u64 = 10_000;

/// How a server is started.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) binary: PathBuf,
    pub(crate) data_directory: PathBuf,
    pub(crate) plc_url: String,
    /// Where proxied calls go.
    pub(crate) appview_url: String,
    pub(crate) address: SocketAddr,
}

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// From the start of the process to the first good answer.
    pub(crate) start_time: Duration,
}

impl Setup {
    /// A server on a free port of loopback.
    pub(crate) fn new(
        binary: &Path,
        data_directory: &Path,
        plc_url: String,
        appview_url: String,
    ) -> Result<Setup, Error> {
        // The port is free again when the listener is dropped; a port of the system's choice is not given out again soon.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Ok(Setup {
            binary: binary.to_owned(),
            data_directory: data_directory.to_owned(),
            plc_url,
            appview_url,
            address,
        })
    }

    /// Starts the server and waits until it answers.
    pub(crate) async fn start(&self) -> Result<Server, Error> {
        let began = Instant::now();
        let child = self
            .command()?
            .spawn()
            .map_err(|error| format!("{}: {error}", self.binary.display()))?;
        let mut server = Server {
            child,
            start_time: Duration::ZERO,
        };
        loop {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended ({status}), see {}", self.log().display()).into());
            }
            if self.answers().await {
                server.start_time = began.elapsed();
                return Ok(server);
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("the server is not up after {} s", PATIENCE.as_secs()).into());
            }
            pause(POLL).await;
        }
    }

    /// The size of the database of a server that has ended, if it is in one file as ours is.
    pub(crate) fn database_bytes(&self) -> Option<u64> {
        let file = std::fs::metadata(self.data_directory.join("pds.sqlite"));
        file.ok().map(|file| file.len())
    }

    async fn answers(&self) -> bool {
        let Ok(mut connection) = Connection::open(self.address).await else {
            return false;
        };
        connection.exchange(requests::health()).await.is_ok()
    }

    fn log(&self) -> PathBuf {
        self.data_directory.with_extension("log")
    }

    fn command(&self) -> Result<Command, Error> {
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .env("PDS_BIND_ADDRESS", "127.0.0.1")
            .env("PDS_PORT", self.address.port().to_string())
            .env("PDS_HOSTNAME", "localhost")
            .env("PDS_DATA_DIRECTORY", &self.data_directory)
            .env("PDS_BLOBSTORE_DISK_LOCATION", self.data_directory.join("blobs"))
            .env("PDS_DID_PLC_URL", &self.plc_url)
            .env("PDS_BSKY_APP_VIEW_URL", &self.appview_url)
            .env("PDS_BSKY_APP_VIEW_DID", upstream::DID)
            // Slow answers outlast their case.
            .env("PDS_PROXY_HEADERS_TIMEOUT", "1200000")
            .env("PDS_SERVICE_HANDLE_DOMAINS", ".test")
            .env("PDS_DEV_MODE", "true")
            .env("PDS_INVITE_REQUIRED", "false")
            .env("PDS_RATE_LIMITS_ENABLED", "false")
            // Public: for loopback only.
            .env("PDS_ADMIN_PASSWORD", "admin-pass")
            .env("PDS_JWT_SECRET", "0123456789abcdef0123456789abcdef")
            .env("PDS_DPOP_SECRET", "ab".repeat(32))
            .env("PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX", "c5".repeat(32))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }
}

impl Server {
    /// Tells the server to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        Command::new("kill")
            .arg("-TERM")
            .arg(self.child.id().to_string())
            .status()?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                return Err("the server does not stop".into());
            }
            pause(POLL).await;
        }
        Ok(())
    }

    /// CPU time that the server has used, over all threads, in µs.
    pub(crate) fn cpu_micros(&self) -> Result<u64, Error> {
        cpu_micros(&self.child.id().to_string())
    }

    /// Bytes that the server has read from files, from the system's cache or the disk.
    pub(crate) fn read_bytes(&self) -> Result<u64, Error> {
        let counts = std::fs::read_to_string(format!("/proc/{}/io", self.child.id()))?;
        let line = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
        Ok(line.ok_or("no such field in /proc")?.parse()?)
    }

    /// Memory that the server has in use, in MiB.
    pub(crate) fn memory_mib(&self) -> Result<f64, Error> {
        self.status_mib("VmRSS:")
    }

    /// The most memory that the server had in use, in MiB.
    pub(crate) fn peak_memory_mib(&self) -> Result<f64, Error> {
        self.status_mib("VmHWM:")
    }

    fn status_mib(&self, field: &str) -> Result<f64, Error> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .ok_or("no such field in /proc")?;
        let kib: u32 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(f64::from(kib) / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time that this process has used, in µs.
pub(crate) fn own_cpu_micros() -> Result<u64, Error> {
    cpu_micros("self")
}

/// CPU time that the whole machine has used, in µs.
pub(crate) fn machine_cpu_micros() -> Result<u64, Error> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let total: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    // user, nice, system, (idle, iowait,) irq, softirq, steal
    let busy: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|&index| total.get(index)).sum();
    Ok(busy * TICK_MICROS)
}

/// User and system time of a process (proc(5): fields 14 and 15 of `stat`).
fn cpu_micros(process: &str) -> Result<u64, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold spaces.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .ok_or("short /proc/PID/stat")?
            .parse::<u64>()
            .map_err(Error::from)
    };
    Ok((ticks(11)? + ticks(12)?) * TICK_MICROS)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool that measures waits for another process"
)]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

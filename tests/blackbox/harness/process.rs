//! The binary as a process of its own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

/// How long a server may take to start or to end before the test gives up.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running server and what it has logged.
pub(crate) struct Process {
    child: Child,
    address: Option<oneshot::Receiver<String>>,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    may_complain: bool,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Everything it wrote, line by line.
    pub(crate) output: Vec<String>,
}

impl Process {
    /// Starts `pds serve` with these settings and no other environment, by another command if there is one: its words come first.
    pub(crate) fn start(launcher: &[&str], settings: &BTreeMap<String, String>) -> Process {
        let words = [launcher, &[env!("CARGO_BIN_EXE_pds"), "serve"]].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .env_clear()
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, address) = oneshot::channel();
        let stdout = collect(child.stdout.take().unwrap(), Arc::clone(&log), Some(sender));
        let stderr = collect(child.stderr.take().unwrap(), Arc::clone(&log), None);
        Process {
            child,
            address: Some(address),
            log,
            readers: vec![stdout, stderr],
            may_complain: false,
        }
    }

    /// The address (`127.0.0.1:port`) once the server says that it listens, or how it ended instead.
    pub(crate) async fn listening(&mut self) -> Result<String, Ended> {
        let address = self.address.take().expect("asked once");
        match tokio::time::timeout(PATIENCE, address)
            .await
            .expect("the server starts in time")
        {
            Ok(address) => Ok(address),
            Err(_) => Err(self.ended()),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The memory it has in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most memory that it has had in use, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    /// By how many bytes its peak has risen since it was so many. What the system says is inexact: a peak may seem lower than before.
    pub(crate) fn peak_growth(&self, before: u64) -> u64 {
        self.peak_memory().saturating_sub(before)
    }

    fn status_bytes(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        let kib: u64 = value.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn terminate(mut self) -> Ended {
        let kill = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -TERM {}", self.id()))
            .status()
            .unwrap();
        assert!(kill.success());
        let ended = tokio::task::spawn_blocking(move || self.ended());
        tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("the server ends in time")
            .unwrap()
    }

    /// Errors in its log are what the test wants to see.
    pub(crate) fn may_complain(&mut self) {
        self.may_complain = true;
    }

    pub(crate) fn may_have_complained(&self) -> bool {
        self.may_complain
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn ended(&mut self) -> Ended {
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended {
            status,
            output: self.log(),
        }
    }
}

impl Ended {
    /// The output as one text.
    pub(crate) fn text(&self) -> String {
        self.output.join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() && !self.may_complain {
            assert_no_complaint(&self.log());
        }
    }
}

/// A server may refuse and warn, but nothing a client or a disk does in these tests is an error of its own.
fn assert_no_complaint(log: &[String]) {
    let is_complaint = |line: &&String| line.contains("\"level\":\"ERROR\"") || line.contains("panicked at");
    let complaints: Vec<_> = log.iter().filter(is_complaint).collect();
    assert!(complaints.is_empty(), "the server complains: {complaints:#?}");
}

/// Collects lines until the end; sends the address when a line tells it.
fn collect(
    stream: impl Read + Send + 'static,
    log: Arc<Mutex<Vec<String>>>,
    mut address: Option<oneshot::Sender<String>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(found) = address_in(&line)
                && let Some(address) = address.take()
            {
                let _ = address.send(found);
            }
            log.lock().unwrap().push(line);
        }
    })
}

/// The address in `{"message": "listening", "url": "http://localhost:1234"}`.
fn address_in(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line["message"] != "listening" {
        return None;
    }
    let (_, port) = line["url"].as_str()?.rsplit_once(':')?;
    Some(format!("127.0.0.1:{port}"))
}

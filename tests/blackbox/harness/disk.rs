//! A disk that fails on demand and remembers what it was told: functions of the C library, replaced in the server's process (disk.c).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const SOURCE: &str = include_str!("disk.c");

/// What the disk can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// Every write fails with ENOSPC.
    Full,
    /// Every fsync fails with EIO.
    Broken,
    /// Every write fails with EIO.
    Unwritable,
    /// Whatever changes something fails with EROFS.
    ReadOnly,
    /// Whatever reads the database or a blob fails with EIO.
    Unreadable,
}

/// The disk of one test; it works until it is told otherwise.
pub(crate) struct FaultyDisk(TempDir);

impl FaultyDisk {
    /// None, said loudly, where it cannot be made; an error where `CI` is set.
    #[expect(clippy::disallowed_methods, reason = "a knob of the tests, not of the server")]
    pub(crate) fn new() -> Option<FaultyDisk> {
        let disk = FaultyDisk(tempfile::tempdir().unwrap());
        match disk.compile() {
            Ok(()) => Some(disk),
            Err(reason) => {
                assert!(std::env::var_os("CI").is_none(), "no disk that fails: {reason}");
                println!("NOT RUN: a disk that fails needs Linux and a C compiler: {reason}");
                None
            }
        }
    }

    fn compile(&self) -> Result<(), String> {
        if !cfg!(target_os = "linux") {
            return Err("this is not Linux".to_owned());
        }
        fs::write(self.file("disk.c"), SOURCE).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o", "disk.so", "disk.c", "-ldl"])
            .current_dir(self.0.path())
            .output()
            .map_err(|error| format!("cc: {error}"))?;
        if compiled.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&compiled.stderr).into_owned())
    }

    /// The command that starts a server on this disk.
    pub(crate) fn launcher(&self) -> Vec<String> {
        let set = |name: &str, path: &Path| format!("{name}={}", path.display());
        vec![
            "/usr/bin/env".to_owned(),
            set("LD_PRELOAD", &self.file("disk.so")),
            set("DISK_FAULTS", self.0.path()),
        ]
    }

    /// Where a server with this setting `DISK_JOURNAL` writes down what it tells the disk.
    pub(crate) fn journal(&self) -> PathBuf {
        self.file("journal")
    }

    /// From now on the disk fails.
    pub(crate) fn begins(&self, fault: DiskFault) {
        fs::write(self.file(fault.file()), "").unwrap();
    }

    /// From now on it works again.
    pub(crate) fn ends(&self, fault: DiskFault) {
        fs::remove_file(self.file(fault.file())).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl DiskFault {
    fn file(self) -> &'static str {
        match self {
            DiskFault::Full => "full",
            DiskFault::Broken => "broken",
            DiskFault::Unwritable => "unwritable",
            DiskFault::ReadOnly => "read_only",
            DiskFault::Unreadable => "unreadable",
        }
    }
}

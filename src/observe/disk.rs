//! How full a file system is.

use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statfs, statvfs};

/// Less than this left, or less than a fiftieth of a small file system, counts as full: SQLite needs room to end what it began.
const FULL_BELOW_BYTES: u64 = 64 << 20;
const FULL_BELOW_SHARE: u64 = 50;

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What this server may still write.
    pub free_bytes: u64,
    /// How large it is.
    pub size_bytes: u64,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// What kind of network file system it is, on which SQLite may lose data; none if it is on this machine.
    pub network: Option<&'static str>,
}

/// Network file systems by the magic numbers of `statfs(2)`. FUSE may be anything; what clouds mount by it are buckets.
const NETWORK_FILE_SYSTEMS: [(u64, &str); 7] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0102_1997, "9P"),
];

impl Disk {
    /// The file system of a directory.
    ///
    /// # Errors
    /// If the directory cannot be asked about.
    pub fn of(directory: &Path) -> io::Result<Disk> {
        let found = statvfs(directory)?;
        Ok(Disk {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            size_bytes: found.f_blocks.saturating_mul(found.f_frsize),
            read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
            network: network(statfs(directory)?.f_type.cast_unsigned()),
        })
    }

    /// Whether the file system of a directory takes no writes, by writing to a file without a name. What [`Disk::of`] tells is how it was
    /// mounted: one that the kernel has given up on is not told from others there.
    pub fn is_read_only(directory: &Path) -> bool {
        let written = tempfile::tempfile_in(directory).and_then(|mut file| file.write_all(b"x"));
        written.is_err_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
    }

    /// Whether it is full, or nearly.
    pub fn is_full(self) -> bool {
        self.free_bytes < FULL_BELOW_BYTES.min(self.size_bytes / FULL_BELOW_SHARE)
    }

    /// Refuses temporary files on a disk that is full, or nearly: what is left belongs to the database.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if it is.
    pub fn has_room(self) -> io::Result<()> {
        if self.is_full() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

fn network(magic: u64) -> Option<&'static str> {
    let found = NETWORK_FILE_SYSTEMS.iter().find(|(known, _)| *known == magic);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_directory_has_a_disk() {
        let disk = Disk::of(Path::new("/")).unwrap();
        assert!(disk.size_bytes > 0 && disk.free_bytes <= disk.size_bytes);
        assert_eq!(disk.network, None);
        assert!(Disk::of(Path::new("/nowhere/at/all")).is_err());
        assert!(!Disk::is_read_only(&std::env::temp_dir()) && !Disk::is_read_only(Path::new("/nowhere/at/all")));
        assert_eq!((network(0x6969), network(0xef53)), (Some("NFS"), None));
    }

    #[test]
    fn small_and_large_disks_are_full_at_different_points() {
        let disk = |free_bytes, size_bytes| Disk {
            free_bytes,
            size_bytes,
            read_only: false,
            network: None,
        };
        assert!(disk(63 << 20, 1 << 40).is_full() && !disk(65 << 20, 1 << 40).is_full());
        assert_eq!(
            disk(1, 1 << 40).has_room().unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        assert!(disk(0, 16 << 20).is_full() && !disk(1 << 20, 16 << 20).is_full());
    }
}

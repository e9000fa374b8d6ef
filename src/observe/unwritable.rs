//! Why nothing can be written, or read, at the moment: the cause of errors that are the disk's, not the server's or the caller's.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustix::io::Errno;

use crate::causes::causes;

/// What keeps a write from becoming durable. Whoever finds one among the causes of an error answers "try again later".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// There is no room left. It passes by itself.
    #[error("the disk is full")]
    Full,
    /// The file system is read-only. It may pass.
    #[error("the disk is read-only")]
    ReadOnly,
    /// Writing or an fsync failed.
    #[error("the disk does not work")]
    Broken,
    /// Reading failed: what is there may be lost, and nobody can go on from it.
    #[error("the disk does not give what is on it")]
    Unreadable,
    /// Another program, such as one that copies the database or an operator's `sqlite3`, holds it. It passes by itself.
    #[error("another program keeps the database locked")]
    Busy,
    /// The database file is not what was written to it.
    #[error("the database is damaged, or the disk does not give what is in it")]
    Damaged,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Closing,
}

impl Unwritable {
    /// The first of these among an error and its causes.
    pub fn among(error: &(dyn Error + 'static)) -> Option<Unwritable> {
        causes(error).find_map(|cause| {
            let named = cause.downcast_ref::<Unwritable>().copied();
            named.or_else(|| cause.downcast_ref::<io::Error>().and_then(Unwritable::of))
        })
    }

    /// Of an error while a file was read, where the same number of the system's says something else than while it was written.
    pub fn while_reading(error: io::Error) -> io::Error {
        match Unwritable::of(&error) {
            Some(Unwritable::Broken) => io::Error::other(Unwritable::Unreadable),
            _ => error,
        }
    }

    fn of(error: &io::Error) -> Option<Unwritable> {
        if let Some(named) = error.get_ref().and_then(|inner| inner.downcast_ref::<Unwritable>()) {
            return Some(*named);
        }
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Some(Unwritable::Full),
            ErrorKind::ReadOnlyFilesystem => Some(Unwritable::ReadOnly),
            // There is no kind for it.
            _ if Errno::from_io_error(error) == Some(Errno::IO) => Some(Unwritable::Broken),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer<E: Error + 'static>(#[source] E);

    #[test]
    fn the_disk_is_found_among_the_causes() {
        let system = |errno: Errno| Unwritable::among(&Outer(io::Error::from(errno)));
        assert_eq!(system(Errno::NOSPC), Some(Unwritable::Full));
        assert_eq!(system(Errno::ROFS), Some(Unwritable::ReadOnly));
        assert_eq!(system(Errno::IO), Some(Unwritable::Broken));
        assert_eq!(system(Errno::ACCESS), None);
        let reading = Unwritable::while_reading(io::Error::from(Errno::IO));
        assert_eq!(Unwritable::among(&Outer(reading)), Some(Unwritable::Unreadable));
        let absent = Unwritable::while_reading(io::Error::from(Errno::NOENT));
        assert_eq!(absent.kind(), ErrorKind::NotFound);
        assert_eq!(
            Unwritable::among(&Outer(Outer(Unwritable::Closing))),
            Some(Unwritable::Closing)
        );
        assert_eq!(Unwritable::among(&io::Error::other("something else")), None);
    }
}

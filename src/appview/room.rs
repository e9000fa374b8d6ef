//! Memory for answers that are read as a whole: so much for all of them together, however many there are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::server::XrpcError;

/// Bytes for all answers.
const MAX_BYTES: usize = 64 << 20;

/// Hands out memory. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<usize>>);

/// Memory that was handed out, until it is dropped.
pub(super) struct Room {
    memory: Memory,
    bytes: usize,
}

impl Memory {
    /// Room for nothing yet.
    pub(super) fn room(&self) -> Room {
        Room {
            memory: self.clone(),
            bytes: 0,
        }
    }

    fn taken(&self) -> MutexGuard<'_, usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Makes the room larger.
    ///
    /// # Errors
    /// 503 if there is no more memory.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), XrpcError> {
        let mut taken = self.memory.taken();
        if bytes > MAX_BYTES - *taken {
            let message = "Too many large answers are being read: try again in a moment";
            return Err(XrpcError::not_enough_resources(message));
        }
        *taken += bytes;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *self.memory.taken() -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_out_comes_back() {
        let memory = Memory::default();
        let (mut first, mut second) = (memory.room(), memory.room());
        assert!(first.grow(MAX_BYTES - 1).is_ok() && second.grow(1).is_ok());
        assert!(first.grow(1).is_err() && second.grow(usize::MAX).is_err());
        drop(first);
        assert!(second.grow(MAX_BYTES - 1).is_ok());
        drop(second);
        assert_eq!(*memory.taken(), 0);
    }
}

//! Randomness, injected: nothing but [`SystemRandom`] asks the operating system for it.

use rand::TryRng as _;
use rand::rngs::SysRng;

/// A source of unpredictable bytes for keys, tokens and ids.
pub trait Random: Send + Sync + 'static {
    /// Fills the buffer.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(
            clippy::expect_used,
            reason = "without randomness no key or token is safe, so nothing may go on"
        )]
        SysRng
            .try_fill_bytes(bytes)
            .expect("the operating system gives no randomness");
    }
}

/// An array of random bytes.
pub fn bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// Digits of base32 (RFC 4648) in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// So many random digits of base32 in lower case, each worth 5 bits.
pub fn base32<const N: usize>(random: &dyn Random) -> String {
    let digit = |byte: u8| char::from(BASE32[usize::from(byte) % BASE32.len()]);
    bytes::<N>(random).into_iter().map(digit).collect()
}

#[cfg(test)]
pub(crate) mod fake {
    use std::sync::atomic::{AtomicU64, Ordering};

    use sha2::{Digest as _, Sha256};

    use super::Random;

    /// The same bytes in every run, and no two fills alike.
    #[derive(Debug, Default)]
    pub(crate) struct FakeRandom(AtomicU64);

    impl Random for FakeRandom {
        fn fill(&self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(32) {
                let count = self.0.fetch_add(1, Ordering::SeqCst);
                chunk.copy_from_slice(&Sha256::digest(count.to_be_bytes())[..chunk.len()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_everything_and_never_twice_alike() {
        let (first, second) = (bytes::<64>(&SystemRandom), bytes::<64>(&SystemRandom));
        assert_ne!(first, second);
        assert_ne!(first[32..], [0; 32]);
    }

    #[test]
    fn base32_has_its_digits_only() {
        let text = base32::<1_000>(&fake::FakeRandom::default());
        assert_eq!(text.len(), 1_000);
        assert!(BASE32.iter().all(|digit| text.contains(char::from(*digit))));
        assert!(text.bytes().all(|byte| BASE32.contains(&byte)));
    }
}

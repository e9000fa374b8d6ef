//! Passwords: argon2id, and the reference server's scrypt hashes until their owners log in.

use std::fmt::Write as _;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::random::{self, Random};

/// Cost of a hash (OWASP's second choice for argon2id): 19 MiB, two passes, one lane; about 30 ms.
const ARGON2_MEMORY_KIB: u32 = 19 * 1_024;
const ARGON2_PASSES: u32 = 2;
const ARGON2_LANES: u32 = 1;
/// How hashes of that cost begin.
const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
const SALT_BYTES: usize = 16;

/// A hash of the current cost that no known password has: verified where there is no account, so that this takes as long.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdC4$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The reference's scrypt: N = 2^14, r = 8, p = 1, 64 bytes. The salt is the hex text, not the bytes it stands for.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;
const SCRYPT_BYTES: usize = 64;

/// How many may wait for their turn; beyond, callers are asked to come back.
const MAX_WAITING: usize = 256;

/// The longest password that can be chosen and the longest that is tried, in UTF-16 units as the reference counts.
const MAX_CHOSEN: usize = 256;
const MAX_TRIED: usize = 512;

/// Hashes passwords off the async threads, as many at a time as there are cores.
pub(super) struct Passwords {
    random: Arc<dyn Random>,
    cores: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// What trying a password gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is another one, or there is none.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash is not of the current kind.
    RightButOutdated,
}

/// Why a password could not be hashed or tried.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many are waiting.
    #[error("too many passwords are being checked; try again in a moment")]
    Busy,
    /// Hashing failed.
    #[error("hashing a password failed: {0}")]
    Failed(String),
}

/// Whether a password may be chosen, by its length.
pub(super) fn can_be_chosen(password: &str) -> bool {
    utf16_length(password) <= MAX_CHOSEN
}

/// Whether a password is worth trying, by its length.
pub(super) fn can_be_tried(password: &str) -> bool {
    utf16_length(password) <= MAX_TRIED
}

fn utf16_length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

impl Passwords {
    pub(super) fn new(random: Arc<dyn Random>) -> Passwords {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Passwords {
            random,
            cores: Arc::new(Semaphore::new(cores)),
            places: Arc::new(Semaphore::new(cores + MAX_WAITING)),
        }
    }

    /// Hashes a new password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let salt = random::bytes::<SALT_BYTES>(&*self.random);
        let password = Zeroizing::new(password.to_owned());
        let hashed = self.run(move || {
            let hash: PasswordHash = argon2()?
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map_err(failed)?;
            Ok(hash.to_string())
        });
        hashed.await?
    }

    /// Tries a password against a stored hash. Without one it takes as long and says [`Verdict::Wrong`].
    pub(super) async fn verify(&self, password: &str, stored: Option<String>) -> Result<Verdict, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        self.run(move || verify(password.as_bytes(), stored.as_deref())).await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy)?;
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(failed)?;
        // Both are held until the work is done, also if nobody waits for it any more.
        let task = tokio::task::spawn_blocking(move || {
            let _held = (place, core);
            work()
        });
        task.await.map_err(failed)
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn verify(password: &[u8], stored: Option<&str>) -> Result<Verdict, PasswordError> {
    let known = stored.unwrap_or(NOBODYS);
    if !known.starts_with('$') {
        return Ok(if verify_scrypt(password, known)? {
            Verdict::RightButOutdated
        } else {
            Verdict::Wrong
        });
    }
    let hash = PasswordHash::new(known).map_err(failed)?;
    let is_right = Argon2::default().verify_password(password, &hash).is_ok();
    Ok(match (is_right, stored) {
        (true, Some(hash)) if hash.starts_with(CURRENT) => Verdict::Right,
        (true, Some(_)) => Verdict::RightButOutdated,
        _ => Verdict::Wrong,
    })
}

/// `salt:hash`, both in hex.
fn verify_scrypt(password: &[u8], stored: &str) -> Result<bool, PasswordError> {
    let Some((salt, expected)) = stored.split_once(':') else {
        return Err(PasswordError::Failed("the stored hash is of no known kind".to_owned()));
    };
    let params = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).map_err(failed)?;
    let mut hash = [0; SCRYPT_BYTES];
    scrypt::scrypt(password, salt.as_bytes(), &params, &mut hash).map_err(failed)?;
    let hex = hash.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(hex.as_bytes().ct_eq(expected.as_bytes()).into())
}

fn failed(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::random::fake::FakeRandom;

    /// What Node's `crypto.scrypt('hunter2', '00112233445566778899aabbccddeeff', 64)` gives, behind the salt.
    const REFERENCE_HASH: &str = "00112233445566778899aabbccddeeff:67bf50310292c39d1895ee3bf25c3ac2535ab2d2645950e\
        4ade8ed0c9c8ec16802e3950e7be8c5dd813e97b2f90ff8f64637abb6898d92fd8a16d09be91ed861";

    fn passwords() -> Passwords {
        Passwords::new(Arc::new(FakeRandom::default()))
    }

    #[tokio::test]
    async fn a_hash_verifies_and_is_current() {
        let passwords = passwords();
        let hash = passwords.hash("pässword").await.unwrap();
        assert!(hash.starts_with(CURRENT), "{hash}");
        assert_eq!(
            passwords.verify("pässword", Some(hash.clone())).await.unwrap(),
            Verdict::Right
        );
        assert_eq!(
            passwords.verify("password", Some(hash.clone())).await.unwrap(),
            Verdict::Wrong
        );
        assert_ne!(passwords.hash("pässword").await.unwrap(), hash, "salted");
    }

    #[tokio::test]
    async fn hashes_of_the_reference_verify_and_are_outdated() {
        let passwords = passwords();
        let verdict = passwords
            .verify("hunter2", Some(REFERENCE_HASH.to_owned()))
            .await
            .unwrap();
        assert_eq!(verdict, Verdict::RightButOutdated);
        assert_eq!(
            passwords
                .verify("hunter3", Some(REFERENCE_HASH.to_owned()))
                .await
                .unwrap(),
            Verdict::Wrong
        );
        assert!(matches!(
            passwords.verify("x", Some("?".to_owned())).await,
            Err(PasswordError::Failed(_))
        ));
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        for password in ["", "password"] {
            assert_eq!(passwords().verify(password, None).await.unwrap(), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn too_many_are_asked_to_come_back() {
        let passwords = passwords();
        let all = u32::try_from(passwords.places.available_permits()).unwrap();
        let _taken = passwords.places.try_acquire_many(all).unwrap();
        assert!(matches!(passwords.hash("x").await, Err(PasswordError::Busy)));
    }

    #[test]
    fn lengths_are_counted_as_the_reference_does() {
        assert!(can_be_chosen(&"x".repeat(256)) && !can_be_chosen(&"x".repeat(257)));
        assert!(
            can_be_chosen(&"é".repeat(256)) && can_be_chosen(&"😀".repeat(128)) && !can_be_chosen(&"😀".repeat(129))
        );
        assert!(can_be_tried(&"x".repeat(512)) && !can_be_tried(&"x".repeat(513)));
    }
}

//! Signing keys at rest: sealed with XChaCha20-Poly1305 under a key that is not in the database.
//!
//! The sealing key is `PDS_KEY_ENCRYPTION_KEY` or else derived (HKDF-SHA256, RFC 5869) from the PLC rotation key, which must never be lost
//! anyway. What a key is for and whose it is are authenticated with it, so that no row can stand in for another.

use atproto_data::crypto::Curve;
use atproto_data::{Did, SigningKey};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use sqlx::Row as _;
use zeroize::Zeroizing;

use crate::random::{self, Random};
use crate::store::{Store, StoreError};

/// What HKDF is asked for: the key that seals, and its public name.
const SEALING_KEY_INFO: &[u8] = b"pds key encryption key v1";
const KEY_NAME_INFO: &[u8] = b"pds key encryption key name v1";
/// Purposes, authenticated with what is sealed.
const SIGNING_KEY_PURPOSE: &str = "pds signing key v1";
const CHECK_PURPOSE: &str = "pds key check v1";
/// What the check value says.
const CHECK_TEXT: &[u8] = b"the key that seals the signing keys";

const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
/// Bytes of the name of a sealing key; written in hex.
const KEY_NAME_BYTES: usize = 8;
/// The first byte of a sealed signing key's plain text.
const CURVES: [(Curve, u8); 2] = [(Curve::K256, 1), (Curve::P256, 2)];

/// Seals and opens signing keys.
pub struct KeySealer {
    cipher: XChaCha20Poly1305,
    name: String,
}

/// A signing key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKey {
    /// Name of the key it is sealed under.
    pub sealing_key_id: String,
    /// Nonce and cipher text.
    pub bytes: Vec<u8>,
}

/// Why sealed keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The configured key is not the one in use.
    #[error(
        "the accounts' signing keys are sealed under key {stored}, but the settings give key {configured}: put the former value of \
         PDS_KEY_ENCRYPTION_KEY back, or, if that was never set, of PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX"
    )]
    OtherKey {
        /// Name of the key in use.
        stored: String,
        /// Name of the key of the settings.
        configured: String,
    },
    /// What is stored is not what was sealed.
    #[error("a sealed key is damaged or belongs to somebody else")]
    Damaged,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeySealer {
    /// Seals under `PDS_KEY_ENCRYPTION_KEY`.
    pub fn from_encryption_key(key: &[u8; KEY_BYTES]) -> KeySealer {
        KeySealer::derive(key)
    }

    /// Seals under a key derived from the PLC rotation key.
    pub fn from_rotation_key(key: &SigningKey) -> KeySealer {
        KeySealer::derive(&key.to_bytes())
    }

    fn derive(secret: &[u8; KEY_BYTES]) -> KeySealer {
        let hkdf = Hkdf::<Sha256>::new(None, secret);
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let mut name = [0; KEY_NAME_BYTES];
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8,160 bytes")]
        {
            hkdf.expand(SEALING_KEY_INFO, &mut *key).expect("32 bytes");
            hkdf.expand(KEY_NAME_INFO, &mut name).expect("8 bytes");
        }
        let name = u64::from_be_bytes(name);
        KeySealer {
            cipher: XChaCha20Poly1305::new((&*key).into()),
            name: format!("{name:016x}"),
        }
    }

    /// The public name of the sealing key; says nothing about it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seals the signing key of an account.
    pub fn seal(&self, random: &dyn Random, did: &Did, key: &SigningKey) -> SealedKey {
        let mut plain = Zeroizing::new([0; KEY_BYTES + 1]);
        plain[0] = CURVES
            .iter()
            .find(|(curve, _)| *curve == key.curve())
            .map_or(0, |(_, tag)| *tag);
        plain[1..].copy_from_slice(&*key.to_bytes());
        let bytes = self.encrypt(random, &purpose(SIGNING_KEY_PURPOSE, did), &*plain);
        SealedKey {
            sealing_key_id: self.name.clone(),
            bytes,
        }
    }

    /// Opens the signing key of an account.
    ///
    /// # Errors
    /// [`SealError::OtherKey`] if it is sealed under another key, [`SealError::Damaged`] if it is not what was sealed for this account.
    pub fn open(&self, did: &Did, sealed: &SealedKey) -> Result<SigningKey, SealError> {
        self.check_name(sealed)?;
        let plain = self.decrypt(&purpose(SIGNING_KEY_PURPOSE, did), &sealed.bytes)?;
        let (tag, key) = plain.split_first().ok_or(SealError::Damaged)?;
        let (curve, _) = CURVES
            .iter()
            .find(|(_, known)| known == tag)
            .ok_or(SealError::Damaged)?;
        let key: &[u8; KEY_BYTES] = key.try_into().map_err(|_| SealError::Damaged)?;
        SigningKey::from_bytes(*curve, key).map_err(|_| SealError::Damaged)
    }

    /// Seals something else than a key. What it is for is authenticated with it.
    pub fn seal_bytes(&self, random: &dyn Random, purpose: &str, plain: &[u8]) -> SealedKey {
        SealedKey {
            sealing_key_id: self.name.clone(),
            bytes: self.encrypt(random, purpose, plain),
        }
    }

    /// Opens what [`KeySealer::seal_bytes`] sealed for the same purpose.
    ///
    /// # Errors
    /// As [`KeySealer::open`].
    pub fn open_bytes(&self, purpose: &str, sealed: &SealedKey) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.check_name(sealed)?;
        self.decrypt(purpose, &sealed.bytes)
    }

    fn check_name(&self, sealed: &SealedKey) -> Result<(), SealError> {
        if sealed.sealing_key_id == self.name {
            return Ok(());
        }
        Err(SealError::OtherKey {
            stored: sealed.sealing_key_id.clone(),
            configured: self.name.clone(),
        })
    }

    /// Proves that this is the key in use, or, in a new database, makes it the one. To be called before anything is sealed or opened.
    ///
    /// # Errors
    /// [`SealError::OtherKey`] if keys are sealed under another one; then the server must not start.
    pub async fn check(&self, store: &Store, random: &dyn Random) -> Result<(), SealError> {
        let rows = sqlx::query("SELECT sealing_key_id, check_value FROM sealing_key")
            .fetch_all(&mut *store.read().await?)
            .await
            .map_err(StoreError::from)?;
        if rows.is_empty() {
            return self.adopt(store, random).await;
        }
        for row in rows {
            let stored: String = row.try_get(0).map_err(StoreError::from)?;
            if stored != self.name {
                return Err(SealError::OtherKey {
                    stored,
                    configured: self.name.clone(),
                });
            }
            let check: &[u8] = row.try_get(1).map_err(StoreError::from)?;
            if *self.decrypt(CHECK_PURPOSE, check)? != *CHECK_TEXT {
                return Err(SealError::Damaged);
            }
        }
        Ok(())
    }

    async fn adopt(&self, store: &Store, random: &dyn Random) -> Result<(), SealError> {
        let (name, check) = (self.name.clone(), self.encrypt(random, CHECK_PURPOSE, CHECK_TEXT));
        store
            .change(move |tx| {
                Box::pin(async move {
                    sqlx::query("INSERT INTO sealing_key (sealing_key_id, check_value) VALUES ($1, $2)")
                        .bind(name)
                        .bind(check)
                        .execute(tx.connection())
                        .await
                        .map_err(StoreError::from)?;
                    Ok::<(), StoreError>(())
                })
            })
            .await?;
        Ok(())
    }

    fn encrypt(&self, random: &dyn Random, purpose: &str, plain: &[u8]) -> Vec<u8> {
        let nonce = random::bytes::<NONCE_BYTES>(random);
        let payload = Payload {
            msg: plain,
            aad: purpose.as_bytes(),
        };
        #[expect(clippy::expect_used, reason = "only messages of 256 GiB and more are too long")]
        let cipher_text = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a short message");
        [nonce.as_slice(), &cipher_text].concat()
    }

    fn decrypt(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Damaged)?;
        let payload = Payload {
            msg,
            aad: purpose.as_bytes(),
        };
        self.cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::Damaged)
    }
}

fn purpose(purpose: &str, did: &Did) -> String {
    format!("{purpose} {did}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::random::fake::FakeRandom;
    use crate::store::testing::TestStore;

    fn key(curve: Curve) -> SigningKey {
        SigningKey::from_bytes(curve, &[7; 32]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_owner_only() {
        let sealer = KeySealer::from_encryption_key(&[1; 32]);
        let random = FakeRandom::default();
        let alice: Did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        let bob: Did = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb".parse().unwrap();
        for curve in [Curve::K256, Curve::P256] {
            let sealed = sealer.seal(&random, &alice, &key(curve));
            let opened = sealer.open(&alice, &sealed).unwrap();
            assert_eq!(opened.public_key().to_did_key(), key(curve).public_key().to_did_key());
            assert!(!sealed.bytes.windows(8).any(|window| window == [7; 8]));
            assert!(matches!(sealer.open(&bob, &sealed), Err(SealError::Damaged)));

            let mut damaged = sealed.clone();
            *damaged.bytes.last_mut().unwrap() ^= 1;
            assert!(matches!(sealer.open(&alice, &damaged), Err(SealError::Damaged)));
            let cut = SealedKey {
                bytes: sealed.bytes[..20].to_vec(),
                ..sealed.clone()
            };
            assert!(matches!(sealer.open(&alice, &cut), Err(SealError::Damaged)));
            let other = KeySealer::from_encryption_key(&[2; 32]);
            assert!(matches!(other.open(&alice, &sealed), Err(SealError::OtherKey { .. })));
        }
    }

    #[test]
    fn no_two_sealings_are_alike() {
        let sealer = KeySealer::from_rotation_key(&key(Curve::K256));
        let random = FakeRandom::default();
        let did: Did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        let key = key(Curve::K256);
        assert_ne!(sealer.seal(&random, &did, &key), sealer.seal(&random, &did, &key));
    }

    #[tokio::test]
    async fn a_changed_key_is_refused_at_start() {
        let test = TestStore::open().await;
        let random = FakeRandom::default();
        let sealer = KeySealer::from_rotation_key(&key(Curve::K256));
        sealer.check(&test.store, &random).await.unwrap();
        sealer.check(&test.store, &random).await.unwrap();
        let changed = KeySealer::from_encryption_key(&[9; 32]);
        let error = changed.check(&test.store, &random).await.unwrap_err().to_string();
        assert!(
            error.contains(sealer.name()) && error.contains("PDS_KEY_ENCRYPTION_KEY"),
            "{error}"
        );
    }
}

//! K-256 by libsecp256k1: every commit is signed with it, and it takes two thirds of the time of an implementation in Rust.

use std::sync::LazyLock;

pub(super) use secp256k1::PublicKey;
use secp256k1::ecdsa::Signature;
use secp256k1::{All, Message, Secp256k1};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::public_key::HighS;
use super::{KeyError, SignatureError};

/// The library's state: nothing but what blinds multiplications.
static CONTEXT: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// A private key and its public half.
#[derive(Clone)]
pub(super) struct SecretKey {
    secret: secp256k1::SecretKey,
    public: PublicKey,
}

impl SecretKey {
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = secp256k1::SecretKey::from_byte_array(*bytes).map_err(|_| KeyError::PrivateKey)?;
        let public = secret.public_key(&CONTEXT);
        Ok(Self { secret, public })
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.secret_bytes())
    }

    pub(super) fn public_key(&self) -> PublicKey {
        self.public
    }

    /// The library signs deterministically (RFC 6979), and with the lower `s`.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        CONTEXT.sign_ecdsa(digest(message), &self.secret).serialize_compact()
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

/// Parses a point whose length and first byte are those of a compressed or an uncompressed one.
pub(super) fn parse_point(bytes: &[u8]) -> Result<PublicKey, KeyError> {
    PublicKey::from_slice(bytes).map_err(|_| KeyError::Point)
}

pub(super) fn verify(key: &PublicKey, message: &[u8], signature: &[u8], high_s: HighS) -> Result<(), SignatureError> {
    let mut signature = Signature::from_compact(signature).map_err(|_| SignatureError)?;
    if high_s == HighS::Accepted {
        // The library itself verifies only a low `s`.
        signature.normalize_s();
    }
    CONTEXT
        .verify_ecdsa(digest(message), &signature, key)
        .map_err(|_| SignatureError)
}

fn digest(message: &[u8]) -> Message {
    Message::from_digest(Sha256::digest(message).into())
}

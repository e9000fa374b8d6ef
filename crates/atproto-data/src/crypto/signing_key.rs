//! Private keys.

use std::fmt;

use p256::ecdsa::signature::Signer;
use zeroize::Zeroizing;

use super::{Curve, KeyError, PublicKey, libsecp256k1};

/// A private key, parsed and with its public key at hand; wiped from memory when dropped.
#[derive(Clone)]
pub struct SigningKey(Secret);

/// Both wipe themselves on drop.
#[derive(Clone)]
enum Secret {
    K256(libsecp256k1::SecretKey),
    P256(p256::ecdsa::SigningKey),
}

impl SigningKey {
    /// Parses a private key of 32 big-endian bytes. Costs one point multiplication: keep the key rather than the bytes.
    pub fn from_bytes(curve: Curve, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = match curve {
            Curve::K256 => libsecp256k1::SecretKey::from_bytes(bytes).map(Secret::K256),
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(bytes)
                .map(Secret::P256)
                .map_err(|_| KeyError::PrivateKey),
        };
        secret.map(Self)
    }

    /// The 32 big-endian bytes of the private key, wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        match &self.0 {
            Secret::K256(key) => key.to_bytes(),
            Secret::P256(key) => Zeroizing::new(key.to_bytes().into()),
        }
    }

    /// The key's curve.
    pub fn curve(&self) -> Curve {
        match self.0 {
            Secret::K256(_) => Curve::K256,
            Secret::P256(_) => Curve::P256,
        }
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Secret::K256(key) => PublicKey::from_k256(key.public_key()),
            Secret::P256(key) => PublicKey::from_p256(*key.verifying_key()),
        }
    }

    /// Signs SHA-256 of the message, deterministically (RFC 6979). The signature is `r` and `s`, 32 bytes each, with the
    /// lower of the two possible `s`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.0 {
            Secret::K256(key) => key.sign(message),
            // Unlike libsecp256k1, p256 leaves a high `s` as it comes.
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_bytes().into()
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({:?}, …)", self.curve())
    }
}

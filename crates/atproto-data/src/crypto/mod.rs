//! Keys and signatures: K-256 (secp256k1) and P-256 with SHA-256, low-S.
//!
//! Specification: <https://atproto.com/specs/cryptography>.

mod libsecp256k1;
mod public_key;
mod signing_key;

pub use public_key::{PublicKey, SignatureError};
pub use signing_key::SigningKey;

/// The two elliptic curves of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// secp256k1, JWT algorithm `ES256K`.
    K256,
    /// NIST P-256, JWT algorithm `ES256`.
    P256,
}

/// Why bytes or text are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A private key of zero or beyond the curve's order.
    #[error("the private key is not valid on its curve")]
    PrivateKey,
    /// Bytes that are no point of the curve, or neither 33 bytes compressed nor 65 uncompressed.
    #[error("the public key is not a point on its curve in compressed or uncompressed form")]
    Point,
    /// Text without the prefix `did:key:`.
    #[error("the key must start with \"did:key:\"")]
    NotDidKey,
    /// Text that is not multibase base58 (`z…`) of bounded length.
    #[error("the key must be multibase base58, which starts with \"z\"")]
    Multibase,
    /// A multicodec prefix of another kind of key.
    #[error("the key must be a K-256 or P-256 public key")]
    Multicodec,
    /// A verification method's type that holds no key of the protocol.
    #[error("the verification method's type is not a K-256 or P-256 key")]
    VerificationMethod,
}

#[cfg(test)]
mod tests;

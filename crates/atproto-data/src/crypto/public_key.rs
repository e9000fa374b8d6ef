//! Public keys, as `did:key`, as Multikey and as found in DID documents.

use std::fmt;

use p256::ecdsa::signature::Verifier;

use super::{Curve, KeyError, libsecp256k1};

/// Bytes of a compressed point: the parity of y, and x.
const COMPRESSED_BYTES: usize = 33;

/// Bytes of an uncompressed point: 0x04, x and y.
const UNCOMPRESSED_BYTES: usize = 65;

/// Longest multibase text that is decoded; a key takes at most 90 characters, and base58 takes quadratic time.
const MAX_MULTIBASE_BYTES: usize = 128;

/// The varint of multicodec 0xe7, `secp256k1-pub`.
const MULTICODEC_K256: [u8; 2] = [0xe7, 0x01];

/// The varint of multicodec 0x1200, `p256-pub`.
const MULTICODEC_P256: [u8; 2] = [0x80, 0x24];

/// A parsed public key. Parsing costs 4 µs on K-256 and 70 on P-256, so keep the key rather than its text where it is used again.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Point);

#[derive(Clone, PartialEq, Eq)]
enum Point {
    K256(libsecp256k1::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
}

/// A signature that does not hold: wrong length or form, high `s` where that is refused, or made by another key or over
/// another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid")]
pub struct SignatureError;

impl PublicKey {
    /// Parses `did:key:z…`.
    pub fn from_did_key(text: &str) -> Result<Self, KeyError> {
        Self::from_multikey(text.strip_prefix("did:key:").ok_or(KeyError::NotDidKey)?)
    }

    /// Parses a Multikey: `z`, and base58 of the multicodec prefix and the compressed point.
    pub fn from_multikey(text: &str) -> Result<Self, KeyError> {
        let bytes = decode_multibase(text)?;
        let (curve, point) = match bytes.split_first_chunk() {
            Some((&MULTICODEC_K256, point)) => (Curve::K256, point),
            Some((&MULTICODEC_P256, point)) => (Curve::P256, point),
            _ => return Err(KeyError::Multicodec),
        };
        if point.len() != COMPRESSED_BYTES {
            return Err(KeyError::Point);
        }
        Self::from_uncompressed_or_compressed(curve, point)
    }

    /// Parses the key of a DID document's verification method: its `type` and its `publicKeyMultibase`, which for the
    /// two types older than `Multikey` holds the bare point.
    pub fn from_verification_method(vm_type: &str, multibase: &str) -> Result<Self, KeyError> {
        let curve = match vm_type {
            "Multikey" => return Self::from_multikey(multibase),
            "EcdsaSecp256k1VerificationKey2019" => Curve::K256,
            "EcdsaSecp256r1VerificationKey2019" => Curve::P256,
            _ => return Err(KeyError::VerificationMethod),
        };
        Self::from_uncompressed_or_compressed(curve, &decode_multibase(multibase)?)
    }

    /// Parses a point of 33 bytes (0x02 or 0x03, x) or 65 bytes (0x04, x, y), as in SEC 1 section 2.3.3.
    pub fn from_uncompressed_or_compressed(curve: Curve, bytes: &[u8]) -> Result<Self, KeyError> {
        match (bytes.len(), bytes.first()) {
            (COMPRESSED_BYTES, Some(0x02 | 0x03)) | (UNCOMPRESSED_BYTES, Some(0x04)) => {}
            _ => return Err(KeyError::Point),
        }
        let point = match curve {
            Curve::K256 => libsecp256k1::parse_point(bytes).map(Point::K256),
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .map(Point::P256)
                .map_err(|_| KeyError::Point),
        };
        point.map(Self)
    }

    pub(super) fn from_k256(key: libsecp256k1::PublicKey) -> Self {
        Self(Point::K256(key))
    }

    pub(super) fn from_p256(key: p256::ecdsa::VerifyingKey) -> Self {
        Self(Point::P256(key))
    }

    /// The key as `did:key:z…`.
    pub fn to_did_key(&self) -> String {
        format!("did:key:{}", self.to_multikey())
    }

    /// The key as a Multikey, `z…`.
    pub fn to_multikey(&self) -> String {
        let (prefix, point) = match &self.0 {
            Point::K256(key) => (MULTICODEC_K256, key.serialize().to_vec()),
            Point::P256(key) => (MULTICODEC_P256, key.to_sec1_point(true).as_bytes().to_vec()),
        };
        format!("z{}", bs58::encode([&prefix[..], &point].concat()).into_string())
    }

    /// The key's curve.
    pub fn curve(&self) -> Curve {
        match self.0 {
            Point::K256(_) => Curve::K256,
            Point::P256(_) => Curve::P256,
        }
    }

    /// Checks a signature over SHA-256 of the message: exactly 64 bytes, `r` and `s`, with the lower of the two possible
    /// `s`, as repositories and PLC operations demand.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        self.verify_if(message, signature, HighS::Refused)
    }

    /// Checks a signature like [`verify`](Self::verify) but with either `s`, as JWTs may have it (RFC 7518 section 3.4
    /// sets no rule).
    pub fn verify_malleable(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        self.verify_if(message, signature, HighS::Accepted)
    }

    fn verify_if(&self, message: &[u8], signature: &[u8], high_s: HighS) -> Result<(), SignatureError> {
        match &self.0 {
            Point::K256(key) => libsecp256k1::verify(key, message, signature, high_s),
            Point::P256(key) => {
                let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| SignatureError)?;
                let low = signature.normalize_s();
                if high_s == HighS::Refused && low != signature {
                    return Err(SignatureError);
                }
                key.verify(message, &low).map_err(|_| SignatureError)
            }
        }
    }
}

/// What becomes of a signature with the higher of the two possible `s`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HighS {
    Accepted,
    Refused,
}

fn decode_multibase(text: &str) -> Result<Vec<u8>, KeyError> {
    let base58 = text
        .strip_prefix('z')
        .filter(|text| text.len() < MAX_MULTIBASE_BYTES)
        .ok_or(KeyError::Multibase)?;
    bs58::decode(base58).into_vec().map_err(|_| KeyError::Multibase)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.to_did_key())
    }
}

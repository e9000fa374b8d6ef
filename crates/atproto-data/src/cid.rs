//! Content identifiers, restricted to the two forms the protocol blesses: CIDv1, SHA-256, DAG-CBOR or raw.
//!
//! Specification: <https://atproto.com/specs/data-model#link-and-cid-formats>.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// Bytes of a binary CID: version, codec, hash function, hash length and 32 bytes of SHA-256.
pub const CID_BYTES: usize = 36;

/// Characters of a CID's text: the multibase prefix `b` and 58 of base32.
pub const CID_TEXT_BYTES: usize = 59;

const VERSION: u8 = 0x01;
const CODEC_RAW: u8 = 0x55;
const CODEC_DAG_CBOR: u8 = 0x71;
const SHA2_256: u8 = 0x12;
const SHA2_256_BYTES: u8 = 32;
const HEADER_BYTES: usize = 4;
const BASE32_LOWER: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A CIDv1 with a SHA-256 digest of either DAG-CBOR or raw bytes, as its 36 binary bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid([u8; CID_BYTES]);

/// What the bytes behind a CID are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// A block of DAG-CBOR: records, commits, MST nodes.
    DagCbor,
    /// Opaque bytes: blobs.
    Raw,
}

/// Why bytes or text are not a CID of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidError {
    /// The binary form is not 36 bytes, or the text not 59 characters.
    #[error("a CID must be {CID_BYTES} bytes, or {CID_TEXT_BYTES} characters of text")]
    Length,
    /// The text is not canonical lower-case base32 with the prefix `b`.
    #[error("a CID's text must be lower-case base32 with the prefix \"b\"")]
    Base32,
    /// The version, codec or hash function is not one the protocol uses.
    #[error("a CID must be version 1, DAG-CBOR or raw, with a 32-byte SHA-256 digest")]
    Unsupported,
}

impl Cid {
    /// The CID of a DAG-CBOR block.
    pub fn of_dag_cbor(bytes: &[u8]) -> Self {
        Self::from_sha256(Codec::DagCbor, Sha256::digest(bytes).into())
    }

    /// The CID of a blob.
    pub fn of_raw(bytes: &[u8]) -> Self {
        Self::from_sha256(Codec::Raw, Sha256::digest(bytes).into())
    }

    /// The CID for a digest that was computed elsewhere, as when a blob is streamed.
    pub fn from_sha256(codec: Codec, digest: [u8; 32]) -> Self {
        let codec = match codec {
            Codec::DagCbor => CODEC_DAG_CBOR,
            Codec::Raw => CODEC_RAW,
        };
        let mut bytes = [0; CID_BYTES];
        bytes[..HEADER_BYTES].copy_from_slice(&[VERSION, codec, SHA2_256, SHA2_256_BYTES]);
        bytes[HEADER_BYTES..].copy_from_slice(&digest);
        Self(bytes)
    }

    /// Reads exactly one binary CID (without the 0x00 prefix that DAG-CBOR puts before it).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        let bytes: [u8; CID_BYTES] = bytes.try_into().map_err(|_| CidError::Length)?;
        match bytes {
            [VERSION, CODEC_DAG_CBOR | CODEC_RAW, SHA2_256, SHA2_256_BYTES, ..] => Ok(Self(bytes)),
            _ => Err(CidError::Unsupported),
        }
    }

    /// The binary form.
    pub fn as_bytes(&self) -> &[u8; CID_BYTES] {
        &self.0
    }

    /// What the bytes behind this CID are.
    pub fn codec(&self) -> Codec {
        if self.0[1] == CODEC_RAW {
            Codec::Raw
        } else {
            Codec::DagCbor
        }
    }

    /// The 32 bytes of the SHA-256 digest.
    pub fn digest(&self) -> &[u8] {
        &self.0[HEADER_BYTES..]
    }

    /// The text, `b` and base32, in a buffer on the stack: CIDs are printed far too often to allocate for each.
    pub fn to_text(&self) -> [u8; CID_TEXT_BYTES] {
        let mut text = [b'b'; CID_TEXT_BYTES];
        for (group, chars) in self.0.chunks(5).zip(text[1..].chunks_mut(8)) {
            let mut padded = [0; 8];
            padded[3..3 + group.len()].copy_from_slice(group);
            let bits = u64::from_be_bytes(padded);
            for (i, char) in chars.iter_mut().enumerate() {
                *char = BASE32_LOWER[(bits >> (35 - 5 * i) & 0x1f) as usize];
            }
        }
        text
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        let text: &[u8; CID_TEXT_BYTES] = text.as_bytes().try_into().map_err(|_| CidError::Length)?;
        if text[0] != b'b' {
            return Err(CidError::Base32);
        }
        let mut bytes = [0; CID_BYTES];
        for (chars, group) in text[1..].chunks(8).zip(bytes.chunks_mut(5)) {
            let mut bits = 0;
            for (i, char) in chars.iter().enumerate() {
                bits |= base32_value(*char)? << (35 - 5 * i);
            }
            let padded = bits.to_be_bytes();
            group.copy_from_slice(&padded[3..3 + group.len()]);
            // The two bits that the last character has too many must be zero, or one CID would have several texts.
            if padded[3 + group.len()..].iter().any(|byte| *byte != 0) {
                return Err(CidError::Base32);
            }
        }
        Self::from_bytes(&bytes)
    }
}

fn base32_value(char: u8) -> Result<u64, CidError> {
    match char {
        b'a'..=b'z' => Ok(u64::from(char - b'a')),
        b'2'..=b'7' => Ok(u64::from(char - b'2') + 26),
        _ => Err(CidError::Base32),
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_text();
        formatter.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Cid({self})")
    }
}

impl Serialize for Cid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CidVisitor;

        impl de::Visitor<'_> for CidVisitor {
            type Value = Cid;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a CID string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cid, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(CidVisitor)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const EMPTY_RAW: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    const EMPTY_MAP: &str = "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua";

    #[test]
    fn hashes_and_prints() {
        assert_eq!(Cid::of_raw(b"").to_string(), EMPTY_RAW);
        assert_eq!(Cid::of_dag_cbor(&[0xa0]).to_string(), EMPTY_MAP);
        assert_eq!(format!("{:?}", Cid::of_raw(b"")), format!("Cid({EMPTY_RAW})"));
    }

    #[test]
    fn reads_back_text_bytes_and_json() {
        for cid in [Cid::of_raw(b"a"), Cid::of_dag_cbor(b"b")] {
            assert_eq!(cid.to_string().parse(), Ok(cid));
            assert_eq!(Cid::from_bytes(cid.as_bytes()), Ok(cid));
            assert_eq!(Cid::from_sha256(cid.codec(), cid.digest().try_into().unwrap()), cid);
            let json = serde_json::to_string(&cid).unwrap();
            assert_eq!(json, format!("\"{cid}\""));
            assert_eq!(serde_json::from_str::<Cid>(&json).unwrap(), cid);
        }
    }

    #[test]
    fn refuses_other_texts_and_kinds() {
        let refused = [
            ("", CidError::Length),
            (&EMPTY_RAW[..58], CidError::Length),
            (&EMPTY_RAW.to_uppercase(), CidError::Base32),
            (&EMPTY_RAW.replacen('b', "z", 1), CidError::Base32),
            (&EMPTY_RAW.replace("kreih", "kre1h"), CidError::Base32),
            // The last character has two bits more than the CID: "v" is "u" with one of them set.
            (&EMPTY_RAW.replace("vyku", "vykv"), CidError::Base32),
            // dag-pb
            (
                "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
                CidError::Unsupported,
            ),
        ];
        for (text, error) in refused {
            assert_eq!(text.parse::<Cid>(), Err(error), "{text}");
        }
        let mut sha512 = *Cid::of_raw(b"").as_bytes();
        sha512[2] = 0x13;
        assert_eq!(Cid::from_bytes(&sha512), Err(CidError::Unsupported));
        assert_eq!(Cid::from_bytes(&sha512[1..]), Err(CidError::Length));
    }
}

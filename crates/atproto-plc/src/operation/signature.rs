//! The `sig` field: 64 bytes r‖s in base64url.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

/// Bytes of a signature on either curve.
const SIGNATURE_BYTES: usize = 64;

/// A signature as an operation carries it: r and s of 32 bytes each. That s is low is checked with the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_BYTES]);

/// The text of a signature is not its one canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid signature: it must be 64 bytes in base64url without padding")]
pub struct SignatureEncodingError;

impl Signature {
    /// The signature r‖s.
    pub fn from_bytes(bytes: [u8; SIGNATURE_BYTES]) -> Signature {
        Signature(bytes)
    }

    /// r‖s.
    pub fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = SignatureEncodingError;

    /// Only the canonical text is read: another spelling of the same bytes would change the operation's CID without
    /// invalidating its signature (specification, "When verifying signatures").
    fn from_str(text: &str) -> Result<Signature, SignatureEncodingError> {
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| SignatureEncodingError)?;
        bytes.try_into().map(Signature).map_err(|_| SignatureEncodingError)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn one_spelling_only() {
        let text = Signature([0xfb; 64]).to_string();
        assert_eq!(text.len(), 86);
        assert_eq!(text.parse::<Signature>().unwrap(), Signature([0xfb; 64]));
        let with_padding_bits = format!("{}-", &text[..85]);
        for other in [
            format!("{text}=="),
            format!("{text}\n"),
            format!(" {text}"),
            text.replace('-', "+"),
            text[..84].to_owned(),
            format!("{text}AA"),
            with_padding_bits,
            String::new(),
        ] {
            assert_ne!(other, text);
            assert_eq!(other.parse::<Signature>(), Err(SignatureEncodingError), "{other}");
        }
    }
}

//! Keys: their shape, their order and the layer their hash puts them on.

use sha2::{Digest, Sha256};

/// The longest key, in bytes (repository spec, "MST Structure").
pub const MAX_KEY_BYTES: usize = 1_024;

/// The highest layer a key may be on. An honest repository of 10 million records goes beyond with probability 10⁻⁸; a higher
/// one was mined to make the tree deep.
pub const MAX_LAYER: u8 = 24;

/// Why bytes are not a repository key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is longer than [`MAX_KEY_BYTES`].
    #[error("is longer than {MAX_KEY_BYTES} bytes")]
    TooLong,
    /// The key is not two parts with one slash between them.
    #[error("must be `collection/rkey` with exactly one slash")]
    NotTwoParts,
    /// One of the two parts is empty.
    #[error("has an empty collection or rkey")]
    EmptyPart,
    /// The key has a byte outside `a-zA-Z0-9_~-:.`.
    #[error("has a character outside a-z A-Z 0-9 _ ~ - : .")]
    BadCharacter,
}

/// Checks that a key is `collection/rkey`: one slash, two non-empty parts of allowed characters, at most [`MAX_KEY_BYTES`].
/// Whether the parts are a valid NSID and record key is the caller's question.
pub(crate) fn check_key(key: &[u8]) -> Result<(), KeyError> {
    if key.len() > MAX_KEY_BYTES {
        return Err(KeyError::TooLong);
    }
    let mut parts = key.split(|byte| *byte == b'/');
    let (Some(collection), Some(rkey), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::NotTwoParts);
    };
    if collection.is_empty() || rkey.is_empty() {
        return Err(KeyError::EmptyPart);
    }
    if !collection.iter().chain(rkey).all(|byte| ALLOWED[usize::from(*byte)]) {
        return Err(KeyError::BadCharacter);
    }
    Ok(())
}

/// Which bytes a part of a key may have.
const ALLOWED: [bool; 256] = {
    let mut allowed = [false; 256];
    let characters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_~-:.";
    let mut at = 0;
    while at < characters.len() {
        allowed[characters[at] as usize] = true;
        at += 1;
    }
    allowed
};

/// The layer of a key: the leading zero bits of its SHA-256, two to a layer (repository spec, "MST Structure").
pub fn layer_of(key: &[u8]) -> u8 {
    let mut zero_bits = 0;
    for byte in Sha256::digest(key) {
        zero_bits += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    u8::try_from(zero_bits / 2).unwrap_or(u8::MAX)
}

/// How many leading bytes two keys share.
pub fn common_prefix_length(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_keys_of_the_right_shape() {
        for key in [
            "a/b",
            "app.bsky.feed.post/3jqfcqzm3fo2j",
            "A0/374913",
            "com.example.x/_~-:.",
        ] {
            assert_eq!(check_key(key.as_bytes()), Ok(()), "{key}");
        }
        assert_eq!(
            check_key(format!("a/{}", "b".repeat(MAX_KEY_BYTES - 2)).as_bytes()),
            Ok(())
        );
    }

    #[test]
    fn refuses_other_keys_with_the_reason() {
        let long = format!("a/{}", "b".repeat(MAX_KEY_BYTES - 1));
        for (key, reason) in [
            ("", KeyError::NotTwoParts),
            ("ab", KeyError::NotTwoParts),
            ("a/b/c", KeyError::NotTwoParts),
            ("/b", KeyError::EmptyPart),
            ("a/", KeyError::EmptyPart),
            ("a/b c", KeyError::BadCharacter),
            ("a/bé", KeyError::BadCharacter),
            ("a\0/b", KeyError::BadCharacter),
            (long.as_str(), KeyError::TooLong),
        ] {
            assert_eq!(check_key(key.as_bytes()), Err(reason), "{key}");
        }
    }

    #[test]
    fn layers_count_pairs_of_zero_bits() {
        for (key, layer) in [("2653ae71", 0), ("blue", 1), ("app.bsky.feed.post/9adeb165882c", 8)] {
            assert_eq!(layer_of(key.as_bytes()), layer, "{key}");
        }
    }
}

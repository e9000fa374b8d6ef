//! Canonical DAG-CBOR, and nothing but it.
//!
//! Specifications: <https://atproto.com/specs/data-model>, <https://ipld.io/specs/codecs/dag-cbor/spec/> and RFC 8949.
//! What [`decode`] accepts has exactly one encoding, so a block's CID can be recomputed from its value.

mod decoder;
mod encoder;

pub use decoder::Decoder;
pub(crate) use decoder::Item;
pub use encoder::Encoder;

use crate::value::{MAX_DEPTH, Map, Value};

/// Containers start with room for at most so many entries; more are allocated only as they are actually read.
const INITIAL_CAPACITY: usize = 16;

/// Most records fit this many bytes.
const RECORD_BYTES: usize = 512;

/// Why bytes are not DAG-CBOR of the data model, or not of the expected shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// The bytes end inside an item, or a length claims more than there is.
    #[error("the CBOR ends inside an item")]
    Truncated,
    /// There are bytes after the item.
    #[error("there are bytes after the CBOR item")]
    TrailingBytes,
    /// A number or length is not in its shortest form.
    #[error("a CBOR number or length must be in its shortest form")]
    NotMinimal,
    /// An item of indefinite length, or with a reserved length code.
    #[error("CBOR items of indefinite or reserved length are not allowed")]
    Length,
    /// A floating point number.
    #[error("floating point numbers are not allowed")]
    Float,
    /// A simple value other than `false`, `true` and `null`.
    #[error("of CBOR's simple values only false, true and null are allowed")]
    Simple,
    /// A tag other than 42.
    #[error("of CBOR's tags only 42, a CID, is allowed")]
    Tag,
    /// Tag 42 without a CID of the protocol behind a 0x00 byte.
    #[error("a CBOR link must be a byte string of 0x00 and a CIDv1 with SHA-256, DAG-CBOR or raw")]
    Link,
    /// Text that is not UTF-8.
    #[error("CBOR text must be UTF-8")]
    Utf8,
    /// Map keys that are not strictly ascending by length and bytes, which includes duplicates.
    #[error("CBOR map keys must be unique and sorted, shorter ones first")]
    KeyOrder,
    /// A key longer than [`MAX_KEY_BYTES`](crate::value::MAX_KEY_BYTES).
    #[error("a CBOR map key is too long")]
    KeyLength,
    /// An integer outside ±[`MAX_INTEGER`](crate::value::MAX_INTEGER).
    #[error("integers must be within ±(2^53 - 1)")]
    IntegerRange,
    /// More entries than [`MAX_CONTAINER`](crate::value::MAX_CONTAINER).
    #[error("a CBOR map or array has too many entries")]
    ContainerSize,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("CBOR maps and arrays must not be nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// An item of another type than the shape demands.
    #[error("expected {0} in the CBOR")]
    Expected(&'static str),
}

/// Encodes a value. The result is canonical, because a [`Map`] is always in order; it can be decoded again if the value
/// keeps the limits of the data model, as every value read from outside does.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(RECORD_BYTES);
    encode_value(&mut encoder, value);
    encoder.into_bytes()
}

fn encode_value(encoder: &mut Encoder, value: &Value) {
    match value {
        Value::Null => encoder.null(),
        Value::Bool(truth) => encoder.boolean(*truth),
        Value::Integer(number) => encoder.integer(*number),
        Value::String(text) => encoder.string(text),
        Value::Bytes(bytes) => encoder.bytes(bytes),
        Value::Link(cid) => encoder.link(cid),
        Value::Array(items) => {
            encoder.array(items.len());
            for item in items {
                encode_value(encoder, item);
            }
            encoder
        }
        Value::Map(map) => {
            encoder.map(map.len());
            for (key, value) in map {
                encode_value(encoder.string(key), value);
            }
            encoder
        }
    };
}

/// Decodes exactly one value.
///
/// # Errors
/// Whatever is not canonical DAG-CBOR of the data model is refused: floats, indefinite lengths, numbers not in shortest
/// form, unsorted or duplicate keys, tags but 42, other CIDs than the protocol's, integers beyond ±(2^53 − 1), nesting
/// beyond [`MAX_DEPTH`], trailing bytes.
pub fn decode(bytes: &[u8]) -> Result<Value, CborError> {
    let mut decoder = Decoder::new(bytes);
    let value = decode_value(&mut decoder, MAX_DEPTH)?;
    decoder.finish()?;
    Ok(value)
}

/// Reads one value with at most `depth` levels of nesting.
fn decode_value(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, CborError> {
    Ok(match decoder.item()? {
        Item::Null => Value::Null,
        Item::Bool(truth) => Value::Bool(truth),
        Item::Integer(number) => Value::Integer(number),
        Item::String(text) => Value::String(text.to_owned()),
        Item::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Item::Link(cid) => Value::Link(cid),
        Item::Array(len) => {
            let depth = depth.checked_sub(1).ok_or(CborError::Depth)?;
            let mut items = Vec::with_capacity(len.min(INITIAL_CAPACITY));
            for _ in 0..len {
                items.push(decode_value(decoder, depth)?);
            }
            Value::Array(items)
        }
        Item::Map(len) => {
            let depth = depth.checked_sub(1).ok_or(CborError::Depth)?;
            let mut entries = Vec::with_capacity(len.min(INITIAL_CAPACITY));
            let mut previous = None;
            for _ in 0..len {
                let key = decoder.key(previous)?;
                entries.push((key.to_owned(), decode_value(decoder, depth)?));
                previous = Some(key);
            }
            Value::Map(Map::from_ordered(entries))
        }
    })
}

#[cfg(test)]
mod tests;

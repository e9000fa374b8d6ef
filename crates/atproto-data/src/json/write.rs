//! [`Value`], and DAG-CBOR without a [`Value`] in between, to JSON.

use data_encoding::BASE64_NOPAD;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::cbor::{CborError, Decoder, Item};
use crate::value::MAX_DEPTH;
use crate::{Cid, Value};

/// Most records fit this many bytes.
const RECORD_BYTES: usize = 512;

/// JSON without white space, members in DAG-CBOR's key order.
pub fn to_vec(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(RECORD_BYTES);
    write_value(value, &mut out);
    out
}

/// Appends a DAG-CBOR block, such as a stored record, as JSON: byte for byte what [`to_vec`] makes of the decoded
/// value, but in one pass.
///
/// # Errors
/// The same as [`cbor::decode`](crate::cbor::decode); `out` is then as it was.
pub fn write_cbor_as_json(cbor: &[u8], out: &mut Vec<u8>) -> Result<(), CborError> {
    let start = out.len();
    let mut decoder = Decoder::new(cbor);
    let written = write_item(&mut decoder, MAX_DEPTH, out).and_then(|()| decoder.finish());
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Writes one value with at most `depth` levels of nesting.
fn write_item(decoder: &mut Decoder<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), CborError> {
    match decoder.item()? {
        Item::Null => out.extend_from_slice(b"null"),
        Item::Bool(truth) => write_bool(truth, out),
        Item::Integer(number) => write_integer(number, out),
        Item::String(text) => write_string(text, out),
        Item::Bytes(bytes) => write_bytes(bytes, out),
        Item::Link(cid) => write_link(&cid, out),
        Item::Array(len) => {
            let depth = depth.checked_sub(1).ok_or(CborError::Depth)?;
            out.push(b'[');
            for index in 0..len {
                write_comma(index, out);
                write_item(decoder, depth, out)?;
            }
            out.push(b']');
        }
        Item::Map(len) => {
            let depth = depth.checked_sub(1).ok_or(CborError::Depth)?;
            out.push(b'{');
            let mut previous = None;
            for index in 0..len {
                write_comma(index, out);
                let key = decoder.key(previous)?;
                previous = Some(key);
                write_string(key, out);
                out.push(b':');
                write_item(decoder, depth, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(truth) => write_bool(*truth, out),
        Value::Integer(number) => write_integer(*number, out),
        Value::String(text) => write_string(text, out),
        Value::Bytes(bytes) => write_bytes(bytes, out),
        Value::Link(cid) => write_link(cid, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                write_comma(index, out);
                write_value(item, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (index, (key, value)) in map.iter().enumerate() {
                write_comma(index, out);
                write_string(key, out);
                out.push(b':');
                write_value(value, out);
            }
            out.push(b'}');
        }
    }
}

fn write_comma(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn write_bool(truth: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if truth { b"true" } else { b"false" });
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_link(cid: &Cid, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"$link\":\"");
    out.extend_from_slice(&cid.to_text());
    out.extend_from_slice(b"\"}");
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"$bytes\":\"");
    let start = out.len();
    out.resize(start + BASE64_NOPAD.encode_len(bytes.len()), 0);
    BASE64_NOPAD.encode_mut(bytes, &mut out[start..]);
    out.extend_from_slice(b"\"}");
}

/// Quotes text, escaping only what must be (RFC 8259 section 7): quotes, backslashes and control characters.
fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..index]);
        copied = index + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
            }
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// The same form as [`to_vec`], for values inside other answers.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::String(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => {
                let mut object = serializer.serialize_map(Some(1))?;
                object.serialize_entry("$bytes", &BASE64_NOPAD.encode(bytes))?;
                object.end()
            }
            Self::Link(cid) => {
                let mut object = serializer.serialize_map(Some(1))?;
                object.serialize_entry("$link", cid)?;
                object.end()
            }
            Self::Array(items) => serializer.collect_seq(items),
            Self::Map(map) => serializer.collect_map(map),
        }
    }
}

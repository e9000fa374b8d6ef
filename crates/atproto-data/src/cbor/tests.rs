#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::Cid;
use crate::value::{MAX_CONTAINER, MAX_INTEGER, MAX_KEY_BYTES};

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
    )
}

#[test]
fn encodes_each_type_in_its_shortest_form() {
    let cid = Cid::of_raw(b"");
    let link = [&[0xd8, 42, 0x58, 37, 0][..], cid.as_bytes()].concat();
    let cases: [(Value, &[u8]); 18] = [
        (Value::Null, &[0xf6]),
        (Value::Bool(false), &[0xf4]),
        (Value::Bool(true), &[0xf5]),
        (Value::Integer(0), &[0x00]),
        (Value::Integer(23), &[0x17]),
        (Value::Integer(24), &[0x18, 24]),
        (Value::Integer(255), &[0x18, 255]),
        (Value::Integer(256), &[0x19, 1, 0]),
        (Value::Integer(65_536), &[0x1a, 0, 1, 0, 0]),
        (Value::Integer(1 << 32), &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
        (
            Value::Integer(MAX_INTEGER),
            &[0x1b, 0, 0x1f, 255, 255, 255, 255, 255, 255],
        ),
        (Value::Integer(-1), &[0x20]),
        (Value::Integer(-25), &[0x38, 24]),
        (
            Value::Integer(-MAX_INTEGER),
            &[0x3b, 0, 0x1f, 255, 255, 255, 255, 255, 254],
        ),
        (Value::String("ü".to_owned()), &[0x62, 0xc3, 0xbc]),
        (Value::Bytes(vec![1, 2]), &[0x42, 1, 2]),
        (Value::Link(cid), &link),
        (
            map(&[("b", Value::Null), ("aa", Value::Array(vec![Value::Null]))]),
            &[0xa2, 0x61, b'b', 0xf6, 0x62, b'a', b'a', 0x81, 0xf6],
        ),
    ];
    for (value, bytes) in cases {
        assert_eq!(encode(&value), bytes, "{value:?}");
        assert_eq!(decode(bytes), Ok(value));
    }
}

#[test]
fn refuses_what_is_not_canonical() {
    let cases: &[(&[u8], CborError)] = &[
        (&[], CborError::Truncated),
        (&[0x18], CborError::Truncated),
        (&[0x62, b'a'], CborError::Truncated),
        (&[0x7b, 255, 255, 255, 255, 255, 255, 255, 255], CborError::Truncated),
        (&[0x9a, 0, 1, 0, 0], CborError::Truncated),
        (&[0xa1, 0x61, b'a'], CborError::Truncated),
        (&[0x00, 0x00], CborError::TrailingBytes),
        (&[0x18, 23], CborError::NotMinimal),
        (&[0x19, 0, 255], CborError::NotMinimal),
        (&[0x1a, 0, 0, 255, 255], CborError::NotMinimal),
        (&[0x1b, 0, 0, 0, 0, 255, 255, 255, 255], CborError::NotMinimal),
        (&[0x78, 1, b'a'], CborError::NotMinimal),
        (&[0x9f, 0xff], CborError::Length),
        (&[0x5f, 0xff], CborError::Length),
        (&[0x1c], CborError::Length),
        (&[0xf9, 0, 0], CborError::Float),
        (&[0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], CborError::Float),
        (&[0xf7], CborError::Simple),
        (&[0xf8, 20], CborError::Simple),
        (&[0xff], CborError::Simple),
        (&[0xc0, 0x60], CborError::Tag),
        (&[0xd8, 42, 0x60], CborError::Link),
        (&[0xd8, 42, 0x41, 0], CborError::Link),
        (&[0x61, 0xff], CborError::Utf8),
        (&[0xa2, 0x61, b'b', 0, 0x61, b'a', 0], CborError::KeyOrder),
        (&[0xa2, 0x61, b'a', 0, 0x61, b'a', 0], CborError::KeyOrder),
        (&[0xa2, 0x62, b'a', b'a', 0, 0x61, b'b', 0], CborError::KeyOrder),
        (&[0xa1, 0x01, 0], CborError::Expected("a text key")),
        (&[0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0], CborError::IntegerRange),
        (&[0x3b, 0, 0x1f, 255, 255, 255, 255, 255, 255], CborError::IntegerRange),
        (&[0x3b, 255, 255, 255, 255, 255, 255, 255, 255], CborError::IntegerRange),
        (
            &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
            CborError::ContainerSize,
        ),
        (&[0xba, 0, 2, 0, 1], CborError::ContainerSize),
    ];
    for (bytes, error) in cases {
        assert_eq!(decode(bytes), Err(*error), "{bytes:02x?}");
    }
}

#[test]
fn keeps_the_limits_of_depth_and_size() {
    let nested = |depth: usize| [vec![0x81; depth - 1], vec![0x80]].concat();
    assert_eq!(decode(&nested(MAX_DEPTH)).unwrap().depth(), MAX_DEPTH);
    for depth in [MAX_DEPTH + 1, 1_000_000] {
        assert_eq!(decode(&nested(depth)), Err(CborError::Depth));
        assert_eq!(Decoder::new(&nested(depth)).skip_value(), Err(CborError::Depth));
    }
    let keyed = |len: usize| encode(&map(&[(&"k".repeat(len), Value::Null)]));
    assert!(decode(&keyed(MAX_KEY_BYTES)).is_ok());
    assert_eq!(decode(&keyed(MAX_KEY_BYTES + 1)), Err(CborError::KeyLength));
    let array = |len: usize| encode(&Value::Array(vec![Value::Null; len]));
    assert!(decode(&array(MAX_CONTAINER)).is_ok());
    assert_eq!(decode(&array(MAX_CONTAINER + 1)), Err(CborError::ContainerSize));
}

#[test]
fn decoder_reads_what_encoder_writes() {
    let cid = Cid::of_dag_cbor(b"");
    let mut encoder = Encoder::new();
    encoder
        .map(1)
        .string("k")
        .array(9)
        .null()
        .link(&cid)
        .boolean(true)
        .integer(-5)
        .unsigned(u64::MAX);
    encoder.bytes(b"xy").bytes_header(1).raw(b"z").null().string("rest");
    let bytes = encoder.clone().into_bytes();
    assert_eq!(encoder.as_slice(), bytes);

    let mut decoder = Decoder::new(&bytes);
    assert_eq!(
        (decoder.map(), decoder.string(), decoder.array()),
        (Ok(1), Ok("k"), Ok(9))
    );
    assert_eq!(
        (decoder.null_or(Decoder::link), decoder.null_or(Decoder::link)),
        (Ok(None), Ok(Some(cid)))
    );
    assert_eq!(
        (decoder.boolean(), decoder.integer(), decoder.unsigned()),
        (Ok(true), Ok(-5), Ok(u64::MAX))
    );
    assert_eq!((decoder.bytes(), decoder.bytes()), (Ok(&b"xy"[..]), Ok(&b"z"[..])));
    assert!(decoder.peek_null());
    assert_eq!((decoder.null(), decoder.is_at_end()), (Ok(()), false));
    assert_eq!(
        (decoder.rest(), decoder.position()),
        (&b"\x64rest"[..], bytes.len() - 5)
    );
    assert_eq!(decoder.finish(), Err(CborError::TrailingBytes));
    assert_eq!(
        (decoder.skip_value(), decoder.is_at_end(), decoder.rest()),
        (Ok(()), true, &b""[..])
    );
    assert_eq!(
        (decoder.finish(), decoder.skip_value()),
        (Ok(()), Err(CborError::Truncated))
    );
}

#[test]
fn decoder_refuses_other_types() {
    assert_eq!(Decoder::new(&[0x80]).map(), Err(CborError::Expected("a map")));
    assert_eq!(Decoder::new(&[0xa0]).array(), Err(CborError::Expected("an array")));
    assert_eq!(Decoder::new(&[0x40]).string(), Err(CborError::Expected("text")));
    assert_eq!(Decoder::new(&[0x60]).bytes(), Err(CborError::Expected("bytes")));
    assert_eq!(Decoder::new(&[0x60]).integer(), Err(CborError::Expected("an integer")));
    assert_eq!(
        Decoder::new(&[0x20]).unsigned(),
        Err(CborError::Expected("an unsigned integer"))
    );
    assert_eq!(Decoder::new(&[0xf6]).link(), Err(CborError::Expected("a link")));
    assert_eq!(Decoder::new(&[0xf6]).boolean(), Err(CborError::Expected("a boolean")));
    assert_eq!(Decoder::new(&[0xf5]).null(), Err(CborError::Expected("null")));
    assert_eq!(Decoder::new(&[0x85, 0]).array(), Err(CborError::Truncated));
}

//! JSON to [`Value`].

use std::fmt;

use data_encoding::BASE64_NOPAD;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::MAX_JSON_DEPTH;
use super::path::{Path, Quoted};
use crate::value::{MAX_CONTAINER, MAX_INTEGER, MAX_KEY_BYTES};
use crate::{Codec, Map, Value};

/// What the reference implementation answers to a float.
const EXPECTED: &str = "Expected one of null, boolean, integer, string, cid, bytes, array or object value type";

/// Reads the value at `path` with at most `depth` levels of nesting.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'a> {
    path: &'a Path<'a>,
    depth: usize,
}

impl<'a> ValueSeed<'a> {
    pub(super) fn new(path: &'a Path<'a>, depth: usize) -> Self {
        Self { path, depth }
    }

    /// An error with the path at its end.
    fn error<E: de::Error>(&self, message: impl fmt::Display) -> E {
        E::custom(format_args!("{message} at {}", self.path))
    }

    /// The depth that is left inside a container.
    fn inner_depth<E: de::Error>(&self) -> Result<usize, E> {
        let inner = self.depth.checked_sub(1);
        inner.ok_or_else(|| self.error(format_args!("Nested deeper than {MAX_JSON_DEPTH} levels")))
    }

    fn check_room<E: de::Error>(&self, len: usize) -> Result<(), E> {
        if len < MAX_CONTAINER {
            return Ok(());
        }
        Err(self.error(format_args!("More than {MAX_CONTAINER} entries")))
    }

    fn integer<E: de::Error>(&self, number: Option<i64>, got: impl fmt::Debug) -> Result<Value, E> {
        match number.filter(|number| (-MAX_INTEGER..=MAX_INTEGER).contains(number)) {
            Some(number) => Ok(Value::Integer(number)),
            None => Err(self.error(format_args!("Integers must be within ±{MAX_INTEGER} (got {got:?})"))),
        }
    }

    /// Makes a value of an object's members, which are unordered yet.
    fn object<E: de::Error>(&self, members: Vec<(String, Value)>) -> Result<Value, E> {
        if members.iter().any(|(key, _)| key == "$link") {
            return link(&members).ok_or_else(|| self.error("Invalid $link object"));
        }
        if members.iter().any(|(key, _)| key == "$bytes") {
            return bytes(&members).ok_or_else(|| self.error("Invalid $bytes object"));
        }
        // Clients and consumers in JavaScript fail on it, as the reference does, and with it on all that they read together with it.
        if members.iter().any(|(key, _)| key == "__proto__") {
            return Err(self.error("Invalid key: __proto__"));
        }
        let map = Map::from_unordered(members)
            .map_err(|key| self.error::<E>(format_args!("Duplicate key {}", Quoted(&key))))?;
        match map.get("$type") {
            None => {}
            Some(Value::String(kind)) if kind == "blob" && !is_blob(&map) => {
                return Err(self.error("Invalid blob object"));
            }
            Some(Value::String(kind)) if !kind.is_empty() => {}
            Some(_) => return Err(self.error("$type must be a string that is not empty")),
        }
        Ok(Value::Map(map))
    }
}

fn link(members: &[(String, Value)]) -> Option<Value> {
    let [(_, Value::String(text))] = members else {
        return None;
    };
    text.parse().ok().map(Value::Link)
}

/// Base64 of RFC 4648 section 4; padding may be there or not.
fn bytes(members: &[(String, Value)]) -> Option<Value> {
    let [(_, Value::String(text))] = members else {
        return None;
    };
    let unpadded = match text.len() % 4 {
        0 => text
            .strip_suffix("==")
            .or_else(|| text.strip_suffix('='))
            .unwrap_or(text),
        _ => text,
    };
    BASE64_NOPAD.decode(unpadded.as_bytes()).ok().map(Value::Bytes)
}

/// Whether a map of `$type` `blob` has exactly the members of a blob.
fn is_blob(map: &Map) -> bool {
    map.len() == 4
        && map
            .get("ref")
            .and_then(Value::as_link)
            .is_some_and(|cid| cid.codec() == Codec::Raw)
        && map
            .get("mimeType")
            .and_then(Value::as_str)
            .is_some_and(|mime_type| mime_type.contains('/'))
        && map
            .get("size")
            .and_then(Value::as_integer)
            .is_some_and(|size| size >= 0)
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of the AT Protocol data model")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        self.integer(Some(number), number)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        self.integer(i64::try_from(number).ok(), number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        if number.fract() != 0.0 {
            return Err(self.error(format_args!("{EXPECTED} (got {number:?})")));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole, and what is beyond i64 saturates and is refused"
        )]
        self.integer(Some(number as i64), number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.inner_depth()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(ValueSeed::new(&Path::Index(self.path, items.len()), depth))? {
            self.check_room(items.len())?;
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.inner_depth()?;
        let mut members = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            self.check_room(members.len())?;
            if key.len() > MAX_KEY_BYTES {
                return Err(self.error(format_args!("A key is longer than {MAX_KEY_BYTES} bytes")));
            }
            let value = access.next_value_seed(ValueSeed::new(&Path::Key(self.path, &key), depth))?;
            members.push((key, value));
        }
        self.object(members)
    }
}

/// Reads like [`from_slice`](super::from_slice), with the path starting at this value. For formats that describe
/// themselves, such as JSON.
impl<'de> de::Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ValueSeed::new(&Path::Root, MAX_JSON_DEPTH).deserialize(deserializer)
    }
}

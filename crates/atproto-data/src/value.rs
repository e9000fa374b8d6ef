//! The data model: what a record, in JSON or in DAG-CBOR, is made of.
//!
//! Specification: <https://atproto.com/specs/data-model>.

use std::cmp::Ordering;
use std::{slice, vec};

use crate::Cid;

/// Deepest nesting of maps and arrays in a record; a map of scalars has depth 1.
pub const MAX_DEPTH: usize = 32;

/// Largest integer, and negated the smallest: what JavaScript represents exactly, 2^53 − 1.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// Most entries in one map or array.
pub const MAX_CONTAINER: usize = 131_072;

/// Longest map key in bytes.
pub const MAX_KEY_BYTES: usize = 8_192;

/// Any value of the data model. There are no floats.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer; those read from outside are within ±[`MAX_INTEGER`].
    Integer(i64),
    /// UTF-8 text.
    String(String),
    /// Bytes, `{"$bytes": …}` in JSON.
    Bytes(Vec<u8>),
    /// A link, `{"$link": …}` in JSON and tag 42 in DAG-CBOR.
    Link(Cid),
    /// A list.
    Array(Vec<Value>),
    /// A map with string keys.
    Map(Map),
}

impl Value {
    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The map, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The items, if this is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(items) = self {
            Some(items)
        } else {
            None
        }
    }

    /// The number, if this is an integer.
    pub fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self {
            Some(*number)
        } else {
            None
        }
    }

    /// The CID, if this is a link.
    pub fn as_link(&self) -> Option<Cid> {
        if let Self::Link(cid) = self { Some(*cid) } else { None }
    }

    /// The bytes, if this is a byte string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self {
            Some(bytes)
        } else {
            None
        }
    }

    /// The truth value, if this is a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self {
            Some(*truth)
        } else {
            None
        }
    }

    /// How deep maps and arrays are nested: 0 for a scalar, 1 for an empty map or one of scalars. A record's must not
    /// exceed [`MAX_DEPTH`].
    pub fn depth(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(map) => 1 + map.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }
}

/// A map whose entries are always in DAG-CBOR's key order (shorter keys first, then byte order), so that encoding
/// never sorts. Lookups are binary searches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(Vec<(String, Value)>);

impl Map {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find(key).ok().map(|index| &self.0[index].1)
    }

    /// The value under a key, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.find(key).ok().map(|index| &mut self.0[index].1)
    }

    /// Puts a value under a key and returns the one that was there. Takes time linear in the size of the map; collect
    /// from an iterator to build a large one.
    pub fn insert(&mut self, key: String, value: Value) -> Option<Value> {
        match self.find(&key) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index].1, value)),
            Err(index) => {
                self.0.insert(index, (key, value));
                None
            }
        }
    }

    /// Takes a key and its value out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.find(key).ok().map(|index| self.0.remove(index).1)
    }

    /// Whether there is a value under the key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_ok()
    }

    /// The entries in key order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes entries that are in key order already, each key once.
    pub(crate) fn from_ordered(entries: Vec<(String, Value)>) -> Self {
        Self(entries)
    }

    /// Sorts entries; the error is a key that occurs twice. Sorting once keeps a hostile order from costing
    /// quadratic time.
    pub(crate) fn from_unordered(mut entries: Vec<(String, Value)>) -> Result<Self, String> {
        entries.sort_by(|(a, _), (b, _)| key_order(a, b));
        match entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Self(entries)),
        }
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| key_order(other, key))
    }
}

/// The order of map keys in canonical DAG-CBOR: by length, then by bytes.
pub(crate) fn key_order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The last of several values under one key wins.
impl FromIterator<(String, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        // Reversed and sorted stably, the last of equal keys is the first of its run, which is the one dedup keeps.
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| key_order(a, b));
        entries.dedup_by(|(a, _), (b, _)| a == b);
        Self(entries)
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a str, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The entries of a [`Map`] in key order.
#[derive(Clone, Debug)]
pub struct Iter<'a>(slice::Iter<'a, (String, Value)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(map: &Map) -> Vec<&str> {
        map.iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn keeps_keys_in_order() {
        let mut map = Map::new();
        for (number, key) in (0..).zip(["bb", "a", "aaa", "b", "aa", ""]) {
            assert_eq!(map.insert(key.to_owned(), Value::Integer(number)), None);
        }
        assert_eq!(keys(&map), ["", "a", "b", "aa", "bb", "aaa"]);
        assert_eq!(map.insert("b".to_owned(), Value::Null), Some(Value::Integer(3)));
        assert_eq!(map.get("b"), Some(&Value::Null));
        assert_eq!(map.remove("aa"), Some(Value::Integer(4)));
        assert_eq!(
            (map.remove("aa"), map.contains_key("aa"), map.len(), map.is_empty()),
            (None, false, 5, false)
        );
        if let Some(value) = map.get_mut("a") {
            *value = Value::Bool(true);
        }
        assert_eq!(map.get("a").and_then(Value::as_bool), Some(true));
    }

    #[test]
    fn collects_entries_the_last_of_a_key_winning() {
        let entries = [("b", 1), ("a", 2), ("b", 3)].map(|(key, number)| (key.to_owned(), Value::Integer(number)));
        let map: Map = entries.clone().into_iter().collect();
        let expected = [("a", 2), ("b", 3)].map(|(key, number)| (key.to_owned(), Value::Integer(number)));
        assert_eq!(map.into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(Map::from_unordered(entries.to_vec()), Err("b".to_owned()));
    }

    #[test]
    fn measures_depth() {
        let empty = Value::Array(Vec::new());
        assert_eq!((Value::Null.depth(), empty.depth()), (0, 1));
        let map: Map = [
            ("a".to_owned(), Value::Null),
            ("b".to_owned(), Value::Array(vec![empty])),
        ]
        .into_iter()
        .collect();
        assert_eq!(Value::Map(map).depth(), 3);
    }
}

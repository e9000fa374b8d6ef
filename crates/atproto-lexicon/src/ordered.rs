//! JSON objects whose members keep their order.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// The members of a JSON object in the order they were written, which is the order problems are reported in. No name
/// may be empty or there twice.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<T>(pub(crate) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrderedVisitor(PhantomData))
    }
}

struct OrderedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrderedVisitor<T> {
    type Value = Ordered<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of types")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Ordered<T>, A::Error> {
        let mut names = BTreeSet::new();
        let mut members = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            if name.is_empty() || !names.insert(name.clone()) {
                return Err(de::Error::custom(format_args!(
                    "the name {name:?} is empty or there twice"
                )));
            }
            members.push((name, access.next_value()?));
        }
        Ok(Ordered(members))
    }
}

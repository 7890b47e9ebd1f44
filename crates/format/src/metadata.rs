//! Free-form metadata, `a{sv}`: of commits, detached, of summaries.

use std::collections::HashMap;

use crate::dirmeta::check_size;
use crate::error::{InObject as _, ObjectError};
use crate::variant::{Type, Value, glib_order};

const OBJECT: &str = "metadata";

/// An ordered list of keys and values; keeps the order and the duplicates that it was read with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, Value)>);

impl Metadata {
    /// No keys.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Parses an `a{sv}` in normal form, which is also the whole of a commitmeta object.
    ///
    /// # Errors
    /// Broken bytes, a size over [`crate::MAX_METADATA_SIZE`], an empty key.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        check_size(OBJECT, bytes.len())?;
        Self::from_value(Value::parse(&Type::vardict(), bytes).within(OBJECT)?)
    }

    /// Takes an `a{sv}` apart.
    ///
    /// # Errors
    /// A value of another type, an empty key.
    pub fn from_value(value: Value) -> Result<Self, ObjectError> {
        let Value::Array(_, items) = value else {
            return Err(field("it is no dict"));
        };
        let entry = |item| match item {
            Value::DictEntry(key, value) => match (*key, *value) {
                (Value::Str(key), _) if key.is_empty() => Err(field("an empty key")),
                (Value::Str(key), Value::Variant(value)) => Ok((key, *value)),
                _ => Err(field("its entries are not {sv}")),
            },
            _ => Err(field("its entries are not {sv}")),
        };
        Ok(Self(
            items.into_iter().map(entry).collect::<Result<_, _>>()?,
        ))
    }

    /// The `a{sv}` as a value.
    pub fn to_value(&self) -> Value {
        Value::vardict(self.0.iter().cloned())
    }

    /// The `a{sv}`.
    ///
    /// # Errors
    /// A value that can't be serialized, an empty key, a size over [`crate::MAX_METADATA_SIZE`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        if self.0.iter().any(|(key, _)| key.is_empty()) {
            return Err(field("an empty key"));
        }
        let bytes = self.to_value().to_bytes().within(OBJECT)?;
        check_size(OBJECT, bytes.len())?;
        Ok(bytes)
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many entries there are, duplicates counted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Keys and values in stored order. Values are out of their `v`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The first value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// The first value under `key`, if it is text.
    pub fn get_str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// Gives the first entry under `key` this value, or adds one at the end.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some(entry) => entry.1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// Adds an entry at the end even if the key is there.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.0.push((key.into(), value.into()));
    }

    /// Removes every entry under `key` and returns the first one's value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.0.iter().position(|(k, _)| k == key)?;
        let (_, value) = self.0.remove(index);
        self.0.retain(|(k, _)| k != key);
        Some(value)
    }

    /// Puts the entries into the order in which libostree writes those dicts that it builds through a hash table.
    ///
    /// The entries must be in the order in which libostree adds them. Of a key that occurs twice the last value stays,
    /// as in such a table. These dicts are the facts of a summary and of the refs in it, its list of static deltas, a
    /// delta index, and the metadata of a commit made with `--bootable`.
    ///
    /// To a summary libostree adds the caller's keys, `ostree.static-deltas`, and of `ostree.summary.` `last-modified`,
    /// `mode`, `tombstone-commits`, `indexed-deltas`, `collection-id`, `collection-map`. To a bootable commit: the
    /// caller's keys, `ostree.ref-binding`, `ostree.collection-binding`, `ostree.bootable`, `ostree.linux`;
    /// `ostree.sizes` follows behind, not by the table.
    pub fn into_hash_order(self) -> Self {
        let mut places = HashMap::new();
        let mut entries: Vec<(String, Value)> = Vec::with_capacity(self.0.len());
        for (key, value) in self.0 {
            match places.get(&key) {
                Some(&place) => {
                    let entry: &mut (String, Value) = &mut entries[place];
                    entry.1 = value;
                }
                None => {
                    places.insert(key.clone(), entries.len());
                    entries.push((key, value));
                }
            }
        }
        let order = glib_order(entries.iter().map(|(key, _)| key.as_str()));
        let mut entries: Vec<Option<(String, Value)>> = entries.into_iter().map(Some).collect();
        Self(
            order
                .into_iter()
                .filter_map(|index| entries[index].take())
                .collect(),
        )
    }
}

fn field(problem: &'static str) -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem,
    }
}

impl FromIterator<(String, Value)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl IntoIterator for Metadata {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

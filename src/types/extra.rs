//! The fields of a response that this version of the crate does not know.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// The fields of a response that this version of the crate does not know, by name.
///
/// Up to 16 fields keep the order in which they were received; more are sorted by name. Equality
/// ignores the order, as in JSON.
///
/// ```
/// use bimpeai::types::Extra;
/// use serde_json::{Map, Value, json};
///
/// let extra = Extra::from_iter([
///     ("region", json!("eu-west-1")),
///     ("seats", json!(42)),
/// ]);
/// assert_eq!(extra["seats"], 42);
/// assert_eq!(extra.get("colour"), None);
/// let map: Map<String, Value> = extra.into();
/// ```
// A list instead of `serde_json::Map`: most responses have few unknown fields or none, and the
// smallest node of that map takes 632 bytes. With the map, `list` in `cargo bench --bench figures`
// falls from 0.95 to 0.90 of decoding by hand; its limit is 0.95.
#[derive(Clone, Default)]
pub struct Extra {
    fields: Vec<(String, Value)>,
}

impl Extra {
    /// Creates an empty set of fields.
    pub fn new() -> Self {
        Extra::default()
    }

    /// Returns the value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.iter()
            .find(|field| field.0 == name)
            .map(|field| field.1)
    }

    /// Returns whether there is a field of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Iterates over all fields.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.into_iter()
    }

    /// Sets a field and returns its previous value.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (name, value) = (name.into(), value.into());
        match self.fields.iter_mut().find(|field| field.0 == name) {
            Some(field) => Some(std::mem::replace(&mut field.1, value)),
            None => {
                self.fields.push((name, value));
                None
            }
        }
    }

    /// Removes a field and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.fields.iter().position(|field| field.0 == name)?;
        Some(self.fields.remove(at).1)
    }

    /// Appends a field while decoding. [`dedup`](Extra::dedup) must follow the last one.
    pub(crate) fn push(&mut self, name: String, value: Value) {
        self.fields.push((name, value));
    }

    /// Keeps the last of several fields with the same name.
    #[inline]
    pub(crate) fn dedup(&mut self) {
        if self.fields.len() > 1 {
            self.drop_duplicates();
        }
    }

    fn drop_duplicates(&mut self) {
        // The server decides how many fields there are, so a quadratic search is limited to a few.
        const FEW: usize = 16;
        let earlier = |at: usize| &self.fields[..at];
        let mut fields = self.fields.iter().enumerate();
        let duplicates = |(at, (name, _)): (usize, &(String, Value))| {
            earlier(at).iter().any(|field| field.0 == *name)
        };
        if self.fields.len() > FEW || fields.any(duplicates) {
            let mut by_name = Map::new();
            for (name, value) in self.fields.drain(..) {
                by_name.insert(name, value);
            }
            self.fields.extend(by_name);
        }
    }
}

/// Returns `null` if there is no field of this name.
impl Index<&str> for Extra {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

impl PartialEq for Extra {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.iter().collect::<BTreeMap<_, _>>() == other.iter().collect()
    }
}

impl fmt::Debug for Extra {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Extra {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let fields = fields.into_iter();
        let mut extra = Extra {
            fields: fields
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        };
        extra.dedup();
        extra
    }
}

impl IntoIterator for Extra {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

impl<'a> IntoIterator for &'a Extra {
    type Item = (&'a str, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.fields.iter().map(|(name, value)| (name, value))
    }
}

type Iter<'a> =
    std::iter::Map<std::slice::Iter<'a, (String, Value)>, fn(&(String, Value)) -> (&str, &Value)>;

impl From<Map<String, Value>> for Extra {
    #[inline]
    fn from(map: Map<String, Value>) -> Self {
        Extra {
            fields: map.into_iter().collect(),
        }
    }
}

impl From<Extra> for Map<String, Value> {
    #[inline]
    fn from(extra: Extra) -> Self {
        extra.into_iter().collect()
    }
}

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Extra {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExtraVisitor;

        impl<'de> Visitor<'de> for ExtraVisitor {
            type Value = Extra;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extra, A::Error> {
                let mut extra = Extra::new();
                while let Some((name, value)) = map.next_entry()? {
                    extra.push(name, value);
                }
                extra.dedup();
                Ok(extra)
            }
        }

        deserializer.deserialize_map(ExtraVisitor)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> Extra {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn fields_keep_their_order_and_equality_ignores_it() {
        let extra = read(r#"{"b":1,"a":{"z":null}}"#);
        let names: Vec<&str> = extra.iter().map(|field| field.0).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(
            serde_json::to_string(&extra).unwrap(),
            r#"{"b":1,"a":{"z":null}}"#
        );
        assert_eq!(extra, read(r#"{"a":{"z":null},"b":1}"#));
        assert_ne!(extra, read(r#"{"a":{"z":null},"b":2}"#));
        assert_ne!(extra, read(r#"{"a":{"z":null}}"#));
        assert_eq!(
            format!("{extra:?}"),
            r#"{"b": Number(1), "a": Object {"z": Null}}"#
        );
    }

    #[test]
    fn the_last_of_several_fields_with_one_name_is_kept() {
        assert_eq!(read(r#"{"a":1,"b":2,"a":3}"#), read(r#"{"a":3,"b":2}"#));
        assert_eq!(Extra::from_iter([("a", 1), ("a", 2)])["a"], 2);
        let many = |last: usize| {
            let names = (0..1000).chain([last]);
            let fields: Vec<String> = names.map(|name| format!(r#""{name}":{name}"#)).collect();
            read(&format!("{{{}}}", fields.join(",")))
        };
        assert_eq!(many(1000).len(), 1001);
        assert_eq!(many(500).len(), 1000);
    }

    #[test]
    fn a_missing_field_reads_as_null() {
        let mut extra = Extra::new();
        assert_eq!(extra["a"], Value::Null);
        assert_eq!(extra.insert("a", 1), None);
        assert_eq!(extra.insert("a", 2), Some(json!(1)));
        assert!(extra.contains_key("a") && !extra.contains_key("b"));
        assert_eq!(extra.remove("a"), Some(json!(2)));
        assert_eq!(extra.remove("a"), None);
        assert!(extra.is_empty());
    }
}

//! How the fields of a response object are decoded, tolerant of what servers send.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{Secret, Timestamp};

/// A type that can be a field of a response object.
pub(crate) trait FieldValue {
    /// The type that a value other than null is decoded as.
    type Wire: DeserializeOwned;

    fn fill(&mut self, value: Self::Wire);

    /// Returns whether the field has the value that it has if it was absent.
    fn is_unset(&self) -> bool;
}

/// Decodes a field. Returns whether it was null.
#[inline]
pub(crate) fn read<'de, A, S>(map: &mut A, field: &mut S) -> Result<bool, A::Error>
where
    A: MapAccess<'de>,
    S: FieldValue,
{
    match map.next_value::<Option<S::Wire>>()? {
        Some(value) => field.fill(value),
        None => return Ok(true),
    }
    Ok(false)
}

/// Decodes a required field.
#[inline]
pub(crate) fn read_required<'de, A>(map: &mut A, field: &mut String) -> Result<bool, A::Error>
where
    A: MapAccess<'de>,
{
    field.fill(map.next_value::<Id>()?.0);
    Ok(false)
}

/// Decodes a list without its malformed items. Returns whether it was null.
#[inline]
pub(crate) fn read_valid_items<'de, A, S, T>(map: &mut A, field: &mut S) -> Result<bool, A::Error>
where
    A: MapAccess<'de>,
    S: FieldValue<Wire = Vec<T>>,
    T: DeserializeOwned,
{
    match map.next_value::<Option<SkipInvalid<T>>>()? {
        Some(value) => field.fill(value.0),
        None => return Ok(true),
    }
    Ok(false)
}

/// Implements [`FieldValue`] for types that are decoded as themselves.
macro_rules! field_value {
    ($($type:ty),*) => { $(
        impl $crate::types::FieldValue for $type {
            type Wire = $type;

            #[inline]
            fn fill(&mut self, value: $type) {
                *self = value;
            }

            #[inline]
            fn is_unset(&self) -> bool {
                *self == <$type>::default()
            }
        }
    )* };
}
pub(crate) use field_value;

field_value!(
    String,
    bool,
    f64,
    Value,
    Map<String, Value>,
    Secret,
    Timestamp
);

impl FieldValue for u64 {
    type Wire = Count;

    #[inline]
    fn fill(&mut self, value: Count) {
        *self = value.0;
    }

    #[inline]
    fn is_unset(&self) -> bool {
        *self == 0
    }
}

impl<T: FieldValue + Default> FieldValue for Option<T> {
    type Wire = T::Wire;

    #[inline]
    fn fill(&mut self, value: T::Wire) {
        self.insert(T::default()).fill(value);
    }

    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

impl<T: DeserializeOwned> FieldValue for Vec<T> {
    type Wire = Vec<T>;

    #[inline]
    fn fill(&mut self, value: Vec<T>) {
        *self = value;
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

/// An identifier: a string, or a number that becomes its decimal text.
pub(crate) struct Id(pub(crate) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;

        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an identifier")
            }

            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Id, E> {
                Ok(Id(text))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
        }

        deserializer.deserialize_any(IdVisitor)
    }
}

/// A count. The API declares all numbers as fractional, so `12` may be received as `12.0`.
pub(crate) struct Count(pub(crate) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;

        impl Visitor<'_> for CountVisitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            #[inline]
            fn visit_u64<E>(self, number: u64) -> Result<Count, E> {
                Ok(Count(number))
            }

            // A cast from a float saturates, so that no number fails a whole response.
            fn visit_f64<E>(self, number: f64) -> Result<Count, E> {
                Ok(Count(number as u64))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Count, E> {
                Ok(Count(u64::try_from(number).unwrap_or(0)))
            }
        }

        deserializer.deserialize_f64(CountVisitor)
    }
}

/// A list without its malformed items.
pub(crate) struct SkipInvalid<T>(pub(crate) Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for SkipInvalid<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(SkipInvalid(match Value::deserialize(deserializer)? {
            Value::Array(items) => items
                .into_iter()
                .filter_map(|item| serde_json::from_value(item).ok())
                .collect(),
            _ => Vec::new(),
        }))
    }
}

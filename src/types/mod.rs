//! Types that requests and responses are made of: [`Timestamp`], [`Secret`], [`Patch`], [`Extra`].
//!
//! * Unknown fields of a response are kept in `extra`. Serializing a response type restores the
//!   received JSON: what was `null` stays `null`, and what was absent stays absent.
//! * A field that every response of the current API carries has a plain type. If a server omits it
//!   or sends `null`, it holds its empty value (`""`, `0`, `false`, an empty list). A field that
//!   may be null is an [`Option`]. Decoding fails only if `id` is missing.
//! * Enums are open: a value this version does not know is `Other(text)`.
//! * In request bodies, an optional field is an [`Option`], or a [`Patch`] if it can also be set to
//!   `null`.
//! * A time is a [`Timestamp`]. It keeps the received text and converts to
//!   [`SystemTime`](std::time::SystemTime).
//! * A value that must not be printed is a [`Secret`].
//!
//! ```
//! use bimpeai::agents::{Agent, AgentPersona, UpdateKnowledgeBase};
//!
//! # fn main() -> Result<(), serde_json::Error> {
//! let json = r#"{ "id": "agt_1", "persona": "formal",
//!     "created_at": "2026-11-25T09:00:00Z", "mood": 7 }"#;
//! let agent: Agent = serde_json::from_str(json)?;
//! assert_eq!(agent.extra["mood"], 7); // a field of a newer API
//! if let Some(AgentPersona::Other(text)) = &agent.persona {
//!     println!("a persona of a newer API: {text}");
//! }
//! println!("{:?}", agent.created_at.to_system_time());
//!
//! let changes = UpdateKnowledgeBase::new()
//!     .name("Menu") // sets the field
//!     .clear_description(); // sends null; other fields stay
//! # Ok(())
//! # }
//! ```

mod body;
mod extra;
mod object;
mod open_enum;
mod read;
pub(crate) mod time;
mod timestamp;

use std::fmt;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

pub(crate) use body::body;
pub use extra::Extra;
pub(crate) use object::{FieldPresence, KeySeed, ObjectFields, UNKNOWN, Written, object};
pub use open_enum::UnknownValue;
pub(crate) use open_enum::{FromText, open_enum};
pub(crate) use read::{FieldValue, field_value, read, read_required, read_valid_items};
pub use timestamp::Timestamp;

/// A field of a request body that is left unchanged, cleared or set. Unchanged: the field is not
/// sent. Cleared: `null` is sent. Set: the value is sent.
///
/// ```
/// use bimpeai::types::Patch;
///
/// assert_eq!(Patch::from("Menu"), Patch::Set("Menu".to_owned()));
/// assert_eq!(Patch::<String>::default(), Patch::Absent);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Not sent. The server keeps or chooses the value.
    #[default]
    Absent,
    /// Sent as `null`.
    Null,
    /// Sent with this value.
    Set(T),
}

impl<T> Patch<T> {
    /// Returns whether the field is not sent.
    pub fn is_absent(&self) -> bool {
        matches!(self, Patch::Absent)
    }

    /// Returns the value if one is set.
    pub fn as_set(&self) -> Option<&T> {
        match self {
            Patch::Set(value) => Some(value),
            Patch::Absent | Patch::Null => None,
        }
    }
}

impl<T> From<T> for Patch<T> {
    fn from(value: T) -> Self {
        Patch::Set(value)
    }
}

impl From<&str> for Patch<String> {
    fn from(value: &str) -> Self {
        Patch::Set(value.to_owned())
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Patch::Set(value) => value.serialize(serializer),
            Patch::Absent | Patch::Null => serializer.serialize_none(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            Some(value) => Patch::Set(value),
            None => Patch::Null,
        })
    }
}

/// A string that `Debug` does not print, such as a ticket, a token or an integration's key.
///
/// ```
/// use bimpeai::types::Secret;
///
/// let token = Secret::from("whsec_1");
/// assert_eq!(format!("{token:?}"), "[redacted]");
/// assert_eq!(token.expose(), "whsec_1");
/// ```
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Returns the string itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(text.to_owned())
    }
}

/// A JSON value that `Debug` does not print, because it may hold a secret at any depth.
///
/// ```
/// use bimpeai::types::SecretValue;
/// use serde_json::json;
///
/// let headers = SecretValue::from(json!({"X-Api-Key": "k_1"}));
/// assert_eq!(format!("{headers:?}"), "[redacted]");
/// assert_eq!(headers.expose()["X-Api-Key"], "k_1");
/// ```
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretValue(Value);

impl SecretValue {
    /// Returns the value itself.
    pub fn expose(&self) -> &Value {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<Value> for SecretValue {
    fn from(value: Value) -> Self {
        SecretValue(value)
    }
}

impl From<Map<String, Value>> for SecretValue {
    fn from(object: Map<String, Value>) -> Self {
        SecretValue(Value::Object(object))
    }
}

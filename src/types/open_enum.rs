//! Open enums: the known values of a string on the wire, with all others kept as they are.

use std::fmt;
use std::marker::PhantomData;

use serde::de::Visitor;

/// Error of [`FromStr`](std::str::FromStr) of the enums: the string is not a known value. The
/// message lists the known values. Decoding a response never returns it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a {what}; known values: {}", known.join(", "))]
pub struct UnknownValue {
    pub(crate) what: &'static str,
    pub(crate) value: String,
    pub(crate) known: &'static [&'static str],
}

impl UnknownValue {
    /// Returns the known values, as they are written on the wire.
    pub fn known(&self) -> &'static [&'static str] {
        self.known
    }
}

/// Defines an open enum.
///
/// ```text
/// open_enum! {
///     /// Channel of a conversation.
///     pub enum Channel ("channel") {
///         /// WhatsApp.
///         Whatsapp = "whatsapp",
///     }
/// }
/// ```
///
/// expands to
///
/// ```text
/// #[non_exhaustive]
/// pub enum Channel { Whatsapp, Other(String) }
///
/// impl Channel { pub fn as_str(&self) -> &str }         // the value on the wire
/// impl From<&str>, From<String> for Channel             // unknown values become `Other`
/// impl FromStr for Channel { type Err = UnknownValue }  // unknown values are errors
/// impl Default, Display, Serialize, Deserialize, FieldValue for Channel
/// ```
///
/// The quoted words in parentheses name the type in the message of [`UnknownValue`]. Most methods are
/// `inline`, here and in the other macros: the caller's crate compiles them only if it uses them,
/// which takes a sixth off the build of this crate.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident ($what:literal) {
            $( $(#[$variant_meta:meta])* $variant:ident = $wire:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )*
            /// A value that this version of the crate does not know. It is sent unchanged.
            Other(String),
        }

        impl $name {
            const KNOWN: &'static [&'static str] = &[$($wire),*];

            /// Returns the value as it is written on the wire.
            #[inline]
            pub fn as_str(&self) -> &str {
                match self {
                    $( $name::$variant => $wire, )*
                    $name::Other(text) => text,
                }
            }

            #[inline]
            fn known(text: &str) -> Option<Self> {
                match text {
                    $( $wire => Some($name::$variant), )*
                    _ => None,
                }
            }
        }

        impl Default for $name {
            #[inline]
            fn default() -> Self {
                $name::Other(String::new())
            }
        }

        impl std::fmt::Display for $name {
            #[inline]
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl From<&str> for $name {
            #[inline]
            fn from(text: &str) -> Self {
                Self::known(text).unwrap_or_else(|| $name::Other(text.to_owned()))
            }
        }

        impl From<String> for $name {
            #[inline]
            fn from(text: String) -> Self {
                Self::known(&text).unwrap_or($name::Other(text))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::types::UnknownValue;

            /// Rejects values that this version does not know; `From` keeps them as `Other`.
            #[inline]
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::known(text).ok_or_else(|| $crate::types::UnknownValue {
                    what: $what,
                    value: text.to_owned(),
                    known: Self::KNOWN,
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::types::FromText::new())
            }
        }

        $crate::types::field_value!($name);
    };
}
pub(crate) use open_enum;

/// Deserializes a type that is built from a string.
pub(crate) struct FromText<T>(PhantomData<T>);

impl<T> FromText<T> {
    pub(crate) fn new() -> Self {
        FromText(PhantomData)
    }
}

impl<T: From<String> + for<'a> From<&'a str>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<T, E> {
        Ok(T::from(text))
    }
}

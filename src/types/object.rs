//! Response objects: typed fields, unknown fields, and a record of which fields were null or absent.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserializer, Visitor};

/// Defines the type of a response object.
///
/// A field reads `name: Type`, `name = "wireName": Type`, `[required] id: String` (must be there;
/// a number becomes its decimal text) or `[lenient] rules: Vec<Rule>` (malformed items are skipped).
///
/// ```text
/// object! {
///     /// A tag.
///     pub struct Tag {
///         /// Identifier.
///         [required] id: String,
///         /// Display name.
///         name: Option<String>,
///     }
/// }
/// ```
///
/// expands to
///
/// ```text
/// #[derive(Clone, Default, PartialEq)]
/// #[non_exhaustive]
/// pub struct Tag { pub id: String, pub name: Option<String>, pub extra: Extra, presence: FieldPresence }
///
/// impl Deserialize for Tag   // one pass over the JSON object; unknown fields go to `extra`
/// impl Serialize for Tag     // null and absent fields are written as they were received
/// impl Debug, ObjectFields, FieldValue for Tag
/// ```
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $([$kind:ident])? $field:ident $(= $wire:literal)? : $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
            /// Fields that this version of the crate does not know. They are kept, and serialized
            /// again.
            pub extra: $crate::types::Extra,
            presence: $crate::types::FieldPresence,
        }

        const _: () = {
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Field { $( $field, )* }

            const NAMES: &[&str] = &[ $( $crate::types::object!(@wire $field $($wire)?) ),* ];

            // Fills the object in place: a large struct returned by value would be moved at each step.
            struct ObjectVisitor<'a> {
                object: &'a mut $name,
                /// Name of an unknown field, until it is stored in `extra`.
                unknown: &'a mut String,
            }

            impl $crate::types::ObjectFields for $name {
                #[inline]
                fn index(name: &str) -> usize {
                    match name {
                        $( $crate::types::object!(@wire $field $($wire)?) => {
                            Field::$field as usize
                        } )*
                        _ => $crate::types::UNKNOWN,
                    }
                }

                #[inline]
                fn fill<'de, D: serde::Deserializer<'de>>(
                    &mut self,
                    deserializer: D,
                ) -> Result<(), D::Error> {
                    deserializer.deserialize_map(ObjectVisitor {
                        object: self,
                        unknown: &mut String::new(),
                    })
                }
            }

            impl<'de> serde::de::Visitor<'de> for ObjectVisitor<'_> {
                type Value = ();

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(concat!("an object (", stringify!($name), ")"))
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<(), A::Error> {
                    let ObjectVisitor { object, unknown } = self;
                    while let Some(index) = map.next_key_seed($crate::types::KeySeed {
                        fields: std::marker::PhantomData::<$name>,
                        unknown,
                    })? {
                        $( if index == Field::$field as usize {
                            let null = $crate::types::object!(
                                @read $($kind)?; &mut map, &mut object.$field
                            )?;
                            object.presence.read(index, null);
                        } else )* {
                            let value = map.next_value()?;
                            object.extra.push(std::mem::take(unknown), value);
                        }
                    }
                    object.extra.dedup();
                    $( $crate::types::object!(
                        @check $($kind)?; object, Field::$field as usize, NAMES
                    ); )*
                    Ok(())
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                #[inline]
                fn deserialize<D: serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> Result<Self, D::Error> {
                    let mut object = $name::default();
                    $crate::types::ObjectFields::fill(&mut object, deserializer)?;
                    Ok(object)
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> Result<S::Ok, S::Error> {
                    use serde::ser::SerializeMap as _;
                    use $crate::types::{FieldValue as _, Written};
                    let mut map = serializer.serialize_map(None)?;
                    $(
                        let index = Field::$field as usize;
                        match self.presence.written(index, self.$field.is_unset()) {
                            Written::Value => map.serialize_entry(NAMES[index], &self.$field)?,
                            Written::Null => map.serialize_entry(NAMES[index], &())?,
                            Written::Nothing => {}
                        }
                    )*
                    for (key, value) in self.extra.iter() {
                        map.serialize_entry(key, value)?;
                    }
                    map.end()
                }
            }

            impl std::fmt::Debug for $name {
                #[inline]
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    let mut debug = f.debug_struct(stringify!($name));
                    $( debug.field(stringify!($field), &self.$field); )*
                    if !self.extra.is_empty() {
                        debug.field("extra", &self.extra);
                    }
                    debug.finish()
                }
            }
        };

        $crate::types::field_value!($name);
    };

    (@wire $field:ident) => { stringify!($field) };
    (@wire $field:ident $wire:literal) => { $wire };

    (@read ; $($read:tt)*) => { $crate::types::read($($read)*) };
    (@read required; $($read:tt)*) => { $crate::types::read_required($($read)*) };
    (@read lenient; $($read:tt)*) => { $crate::types::read_valid_items($($read)*) };

    (@check required; $object:ident, $index:expr, $names:ident) => {
        if $object.presence.is_absent($index) {
            return Err(serde::de::Error::missing_field($names[$index]));
        }
    };
    (@check $($kind:ident)?; $object:ident, $index:expr, $names:ident) => {};
}
pub(crate) use object;

/// Which fields of a response were absent and which were null, one bit per field.
#[derive(Clone, Copy)]
pub(crate) struct FieldPresence {
    absent: u64,
    null: u64,
}

pub(crate) enum Written {
    Value,
    Null,
    Nothing,
}

impl FieldPresence {
    /// For a value that was not decoded: all fields are written, empty ones too.
    pub(crate) const BUILT: FieldPresence = FieldPresence { absent: 0, null: 0 };

    #[inline]
    pub(crate) fn read(&mut self, index: usize, null: bool) {
        self.absent &= !(1 << index);
        self.null |= u64::from(null) << index;
    }

    pub(crate) fn is_absent(self, index: usize) -> bool {
        self.absent >> index & 1 == 1
    }

    pub(crate) fn written(self, index: usize, unset: bool) -> Written {
        if unset && self.is_absent(index) {
            Written::Nothing
        } else if unset && self.null >> index & 1 == 1 {
            Written::Null
        } else {
            Written::Value
        }
    }
}

impl Default for FieldPresence {
    fn default() -> Self {
        FieldPresence {
            absent: !0,
            null: 0,
        }
    }
}

// Not part of the value: two objects are equal if their fields are.
impl PartialEq for FieldPresence {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A type with named fields.
pub(crate) trait ObjectFields {
    /// Returns the index of a field name, or [`UNKNOWN`].
    fn index(name: &str) -> usize;

    /// Deserializes into a new value.
    fn fill<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error>;
}

pub(crate) const UNKNOWN: usize = usize::MAX;

/// Deserializes a key as the index of its field. An unknown key is stored in `unknown`.
pub(crate) struct KeySeed<'a, F> {
    pub(crate) fields: PhantomData<F>,
    pub(crate) unknown: &'a mut String,
}

impl<'de, F: ObjectFields> de::DeserializeSeed<'de> for KeySeed<'_, F> {
    type Value = usize;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<F: ObjectFields> Visitor<'_> for KeySeed<'_, F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    #[inline]
    fn visit_str<E>(self, key: &str) -> Result<usize, E> {
        let index = F::index(key);
        if index == UNKNOWN {
            *self.unknown = key.to_owned();
        }
        Ok(index)
    }
}

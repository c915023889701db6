//! What every answer and every body is made of.
//!
//! * Answers are structs that keep what they do not know: unknown fields stay in `extra`, a field
//!   that was null or missing is written back as it came.
//! * A field that every answer of the current API carries is plain; where a server leaves it out
//!   or sends null it holds its empty value (`""`, `0`, `false`, no items). A field that may be
//!   null is an [`Option`]. Only an `id` must be there.
//! * Enums are open: a value this version does not know is `Other(text)`.
//! * Bodies hold plain values. A field that may be set to null is a [`Patch`].
//! * What must not be printed is a [`Secret`].

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

mod extra;

pub use extra::Extra;

/// A field of a body that is left as it is, cleared, or set: the three differ on the wire.
///
/// ```
/// use bimpeai::types::Patch;
///
/// assert_eq!(Patch::from("Menu"), Patch::Set("Menu".to_owned()));
/// assert_eq!(Patch::<String>::default(), Patch::Absent);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Not sent: the server keeps or chooses the value.
    #[default]
    Absent,
    /// Sent as an explicit `null`.
    Null,
    /// Sent with this value.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the field is not sent at all.
    pub fn is_absent(&self) -> bool {
        matches!(self, Patch::Absent)
    }

    /// The value, where one is set.
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

/// A text that `Debug` does not print: a ticket, a token, a connector's key.
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
    /// The text itself.
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

/// A JSON value that `Debug` does not print: what may hold a secret at any depth.
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
    /// The value itself.
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

/// A text that is none of the values an enum knows; its message lists those that are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is no {what}; known values: {}", known.join(", "))]
pub struct UnknownValue {
    pub(crate) what: &'static str,
    pub(crate) value: String,
    pub(crate) known: &'static [&'static str],
}

impl UnknownValue {
    /// The values that are known, as the wire writes them.
    pub fn known(&self) -> &'static [&'static str] {
        self.known
    }
}

// What these macros define is marked `inline` wherever a program may do without it: it is compiled
// by who uses it, and not by everybody who builds this crate. That is a sixth of the build.

/// Defines an open enum: known values by their text on the wire, all others kept in `Other`.
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
            /// A value that this version of the crate does not know, sent as it is.
            Other(String),
        }

        impl $name {
            const KNOWN: &'static [&'static str] = &[$($wire),*];

            /// The value as the wire writes it.
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

            /// Refuses what this version does not know; `From` keeps it as `Other`.
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

        $crate::types::slot!($name);
    };
}
pub(crate) use open_enum;

/// Defines the type of an answer: typed fields, `extra`, and the memory of what was null or absent.
///
/// A field reads `name: Type`, `name = "wireName": Type`, `[required] id: String` (must be there;
/// a number is taken as its text) or `[lenient] rules: Vec<Rule>` (malformed items are skipped).
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
            /// Fields that this version of the crate does not know, kept and written back.
            pub extra: $crate::types::Extra,
            presence: $crate::types::Presence,
        }

        const _: () = {
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Field { $( $field, )* }

            const NAMES: &[&str] = &[ $( $crate::types::object!(@wire $field $($wire)?) ),* ];

            // It fills the object in its place: by value, each step out of here would move it.
            struct ObjectVisitor<'a> {
                object: &'a mut $name,
                /// The name of an unknown field, on its way to `extra`.
                unknown: &'a mut String,
            }

            impl $crate::types::Fields for $name {
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
                    object.extra.settle();
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
                    $crate::types::Fields::fill(&mut object, deserializer)?;
                    Ok(object)
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> Result<S::Ok, S::Error> {
                    use serde::ser::SerializeMap as _;
                    use $crate::types::{Slot as _, Written};
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

        $crate::types::slot!($name);
    };

    (@wire $field:ident) => { stringify!($field) };
    (@wire $field:ident $wire:literal) => { $wire };

    (@read ; $($read:tt)*) => { $crate::types::read($($read)*) };
    (@read required; $($read:tt)*) => { $crate::types::read_required($($read)*) };
    (@read lenient; $($read:tt)*) => { $crate::types::read_lenient($($read)*) };

    (@check required; $object:ident, $index:expr, $names:ident) => {
        if $object.presence.is_absent($index) {
            return Err(serde::de::Error::missing_field($names[$index]));
        }
    };
    (@check $($kind:ident)?; $object:ident, $index:expr, $names:ident) => {};
}
pub(crate) use object;

/// Defines a body: its required fields are the arguments of `new`, the others are setters.
///
/// The sections come in the order of the macro's pattern, each of them optional. Numbers have
/// sections of their own, for an integer literal finds no type through `Into`; a `plain` field has
/// no setter; `extra` takes fields of any name (and only it does: all others are refused when a
/// body is read). A field reads `name: Type` or `name = "wireName": Type`; a nullable one names the
/// method that sends null: `name / clear_name: Type`.
macro_rules! body {
    ($(#[$meta:meta])* pub struct $name:ident { extra $($sections:tt)* }) => {
        $crate::types::body!(@build $(#[$meta])* pub struct $name { extra $($sections)* });
    };
    ($(#[$meta:meta])* pub struct $name:ident { $($sections:tt)* }) => {
        $crate::types::body!(
            @build $(#[$meta])* #[serde(deny_unknown_fields)] pub struct $name { $($sections)* }
        );
    };

    (@build
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( extra { $(#[doc = $extra_doc:literal])* $extra:ident } )?
            $( required { $( $(#[doc = $req_doc:literal])* $req:ident $(= $req_wire:literal)? : $req_type:ty, )* } )?
            $( required_number { $( $(#[doc = $rnum_doc:literal])* $rnum:ident : $rnum_type:ty, )* } )?
            $( required_list { $( $(#[doc = $rlist_doc:literal])* $rlist:ident : $rlist_type:ty, )* } )?
            $( plain { $( $(#[doc = $plain_doc:literal])* $plain:ident : $plain_type:ty, )* } )?
            $( optional { $( $(#[doc = $opt_doc:literal])* $opt:ident $(= $opt_wire:literal)? : $opt_type:ty, )* } )?
            $( number { $( $(#[doc = $num_doc:literal])* $num:ident : $num_type:ty, )* } )?
            $( list { $( $(#[doc = $list_doc:literal])* $list:ident : $list_type:ty, )* } )?
            $( nullable { $( $(#[doc = $null_doc:literal])* $null:ident / $clear:ident : $null_type:ty, )* } )?
            $( nullable_list { $( $(#[doc = $nlist_doc:literal])* $nlist:ident / $nclear:ident : $nlist_type:ty, )* } )?
        }
    ) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        $(#[$meta])*
        #[non_exhaustive]
        pub struct $name {
            $( $( $(#[doc = $req_doc])* $( #[serde(rename = $req_wire)] )? pub $req: $req_type, )* )?
            $( $( $(#[doc = $rnum_doc])* pub $rnum: $rnum_type, )* )?
            $( $( $(#[doc = $rlist_doc])* pub $rlist: Vec<$rlist_type>, )* )?
            $( $( $(#[doc = $plain_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $plain: Option<$plain_type>, )* )?
            $( $( $(#[doc = $opt_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none" $(, rename = $opt_wire)?)]
                pub $opt: Option<$opt_type>, )* )?
            $( $( $(#[doc = $num_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $num: Option<$num_type>, )* )?
            $( $( $(#[doc = $list_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $list: Option<Vec<$list_type>>, )* )?
            $( $( $(#[doc = $null_doc])*
                #[serde(default, skip_serializing_if = "crate::types::Patch::is_absent")]
                pub $null: $crate::types::Patch<$null_type>, )* )?
            $( $( $(#[doc = $nlist_doc])*
                #[serde(default, skip_serializing_if = "crate::types::Patch::is_absent")]
                pub $nlist: $crate::types::Patch<Vec<$nlist_type>>, )* )?
            $( $(#[doc = $extra_doc])* #[serde(flatten)] pub $extra: $crate::types::Extra, )?
        }

        impl $name {
            /// Starts the body with what the API requires; everything else is a setter.
            #[allow(clippy::new_without_default, clippy::too_many_arguments)]
            #[must_use]
            pub fn new(
                $( $( $req: impl Into<$req_type>, )* )?
                $( $( $rnum: $rnum_type, )* )?
                $( $( $rlist: impl IntoIterator<Item = impl Into<$rlist_type>>, )* )?
            ) -> Self {
                $name {
                    $( $( $req: $req.into(), )* )?
                    $( $( $rnum, )* )?
                    $( $( $rlist: $rlist.into_iter().map(Into::into).collect(), )* )?
                    $( $( $plain: None, )* )?
                    $( $( $opt: None, )* )?
                    $( $( $num: None, )* )?
                    $( $( $list: None, )* )?
                    $( $( $null: $crate::types::Patch::Absent, )* )?
                    $( $( $nlist: $crate::types::Patch::Absent, )* )?
                    $( $extra: $crate::types::Extra::new(), )?
                }
            }

            $( $( $(#[doc = $opt_doc])*
            #[must_use]
            pub fn $opt(mut self, $opt: impl Into<$opt_type>) -> Self {
                self.$opt = Some($opt.into());
                self
            } )* )?

            $( $( $(#[doc = $num_doc])*
            #[must_use]
            pub fn $num(mut self, $num: $num_type) -> Self {
                self.$num = Some($num);
                self
            } )* )?

            $( $( $(#[doc = $list_doc])*
            #[must_use]
            pub fn $list(mut self, $list: impl IntoIterator<Item = impl Into<$list_type>>) -> Self {
                self.$list = Some($list.into_iter().map(Into::into).collect());
                self
            } )* )?

            $( $( $(#[doc = $null_doc])*
            #[must_use]
            pub fn $null(mut self, $null: impl Into<$null_type>) -> Self {
                self.$null = $crate::types::Patch::Set($null.into());
                self
            }

            #[doc = concat!("Sends an explicit null as `", stringify!($null), "`.")]
            #[must_use]
            pub fn $clear(mut self) -> Self {
                self.$null = $crate::types::Patch::Null;
                self
            } )* )?

            $( $( $(#[doc = $nlist_doc])*
            #[must_use]
            pub fn $nlist(mut self, $nlist: impl IntoIterator<Item = impl Into<$nlist_type>>) -> Self {
                self.$nlist = $crate::types::Patch::Set($nlist.into_iter().map(Into::into).collect());
                self
            }

            #[doc = concat!("Sends an explicit null as `", stringify!($nlist), "`.")]
            #[must_use]
            pub fn $nclear(mut self) -> Self {
                self.$nlist = $crate::types::Patch::Null;
                self
            } )* )?

            $( $(#[doc = $extra_doc])*
            #[must_use]
            pub fn $extra(
                mut self,
                name: impl Into<String>,
                value: impl Into<serde_json::Value>,
            ) -> Self {
                self.$extra.insert(name, value);
                self
            } )?
        }
    };
}
pub(crate) use body;

/// How a field takes what the wire holds for it.
pub(crate) trait Slot {
    /// What is read from the wire where the value is not null.
    type Wire: DeserializeOwned;

    fn fill(&mut self, value: Self::Wire);

    /// Whether the field holds what it holds when nothing came.
    fn is_unset(&self) -> bool;
}

/// Reads a field; says whether it was null.
#[inline]
pub(crate) fn read<'de, A, S>(map: &mut A, field: &mut S) -> Result<bool, A::Error>
where
    A: MapAccess<'de>,
    S: Slot,
{
    match map.next_value::<Option<S::Wire>>()? {
        Some(value) => field.fill(value),
        None => return Ok(true),
    }
    Ok(false)
}

/// Reads a field that must be there.
#[inline]
pub(crate) fn read_required<'de, A>(map: &mut A, field: &mut String) -> Result<bool, A::Error>
where
    A: MapAccess<'de>,
{
    field.fill(map.next_value::<Id>()?.0);
    Ok(false)
}

/// Reads a field whose malformed items are skipped; says whether it was null.
#[inline]
pub(crate) fn read_lenient<'de, A, S, T>(map: &mut A, field: &mut S) -> Result<bool, A::Error>
where
    A: MapAccess<'de>,
    S: Slot<Wire = Vec<T>>,
    T: DeserializeOwned,
{
    match map.next_value::<Option<Lenient<T>>>()? {
        Some(value) => field.fill(value.0),
        None => return Ok(true),
    }
    Ok(false)
}

/// Makes types that read themselves usable as fields.
macro_rules! slot {
    ($($type:ty),*) => { $(
        impl $crate::types::Slot for $type {
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
pub(crate) use slot;

slot!(String, bool, f64, Value, Map<String, Value>, Secret);

impl Slot for u64 {
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

impl<T: Slot + Default> Slot for Option<T> {
    type Wire = T::Wire;

    #[inline]
    fn fill(&mut self, value: T::Wire) {
        self.insert(T::default()).fill(value);
    }

    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

impl<T: DeserializeOwned> Slot for Vec<T> {
    type Wire = Vec<T>;

    #[inline]
    fn fill(&mut self, value: Vec<T>) {
        *self = value;
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

/// Which fields of an answer were absent and which were null, a bit each.
#[derive(Clone, Copy)]
pub(crate) struct Presence {
    absent: u64,
    null: u64,
}

pub(crate) enum Written {
    Value,
    Null,
    Nothing,
}

impl Presence {
    /// Of a value that was built here: all its fields are written, empty ones too.
    pub(crate) const BUILT: Presence = Presence { absent: 0, null: 0 };

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

impl Default for Presence {
    fn default() -> Self {
        Presence {
            absent: !0,
            null: 0,
        }
    }
}

// How a value came is no part of what it is: two answers are equal when their fields are.
impl PartialEq for Presence {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A type with fields.
pub(crate) trait Fields {
    /// Where a name stands among them, or [`UNKNOWN`].
    fn index(name: &str) -> usize;

    /// Reads into a value that is new.
    fn fill<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error>;
}

pub(crate) const UNKNOWN: usize = usize::MAX;

/// Reads the key of a field as its index; one that is not known is kept in `unknown`.
pub(crate) struct KeySeed<'a, F> {
    pub(crate) fields: PhantomData<F>,
    pub(crate) unknown: &'a mut String,
}

impl<'de, F: Fields> de::DeserializeSeed<'de> for KeySeed<'_, F> {
    type Value = usize;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<F: Fields> Visitor<'_> for KeySeed<'_, F> {
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

/// An identifier: text, or a number taken as its text.
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

/// A count: the wire declares all its numbers fractional, so `12` may come as `12.0`.
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

            // A cast from a float saturates: no number of the wire can fail an answer here.
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

/// The items of a list that can be read; the others are skipped.
pub(crate) struct Lenient<T>(pub(crate) Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Lenient(match Value::deserialize(deserializer)? {
            Value::Array(items) => items
                .into_iter()
                .filter_map(|item| serde_json::from_value(item).ok())
                .collect(),
            _ => Vec::new(),
        }))
    }
}

/// Reads a type that is made from a text.
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

//! Request bodies: required fields are arguments of `new`, all others have setters.

/// Defines a request body.
///
/// All sections are optional and come in the order of the macro's pattern. Numbers have sections of
/// their own because the type of an integer literal cannot be inferred through `Into`. A `plain`
/// field has no setter. Only a body with an `extra` section accepts unknown fields when it is
/// deserialized. A field reads `name: Type` or `name = "wireName": Type`. A nullable field also names
/// the setter that sends null: `name / clear_name: Type`.
///
/// ```text
/// body! {
///     /// A new tag.
///     pub struct CreateTag {
///         required { /// Display name.
///                    name: String, }
///         number   { /// Priority. Range: 1–10.
///                    priority: u64, }
///         nullable { /// Color.
///                    color / clear_color: String, }
///     }
/// }
/// ```
///
/// expands to
///
/// ```text
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// #[non_exhaustive]
/// pub struct CreateTag { pub name: String, pub priority: Option<u64>, pub color: Patch<String> }
///
/// impl CreateTag {
///     pub fn new(name: impl Into<String>) -> Self
///     pub fn priority(self, priority: u64) -> Self
///     pub fn color(self, color: impl Into<String>) -> Self
///     pub fn clear_color(self) -> Self      // sends null
/// }
/// ```
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
            /// Creates the body with the fields that every API generation requires. Other fields have
            /// setters.
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

            $( $( $(#[doc = $opt_doc])*
            #[must_use]
            pub fn $opt(mut self, $opt: impl Into<$opt_type>) -> Self {
                self.$opt = Some($opt.into());
                self
            } )* )?

            $( $( $(#[doc = $null_doc])*
            #[must_use]
            pub fn $null(mut self, $null: impl Into<$null_type>) -> Self {
                self.$null = $crate::types::Patch::Set($null.into());
                self
            }

            #[doc = concat!("Sends `null` as `", stringify!($null), "`, which clears it. See the type for where the API accepts `null`.")]
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

            #[doc = concat!("Sends `null` as `", stringify!($nlist), "`, which clears it. See the type for where the API accepts `null`.")]
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

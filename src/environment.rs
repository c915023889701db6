//! Environment variables, read as text.

use std::ffi::OsString;

use crate::error::Error;

/// Returns the value of a variable, or `None` if it is unset or empty.
///
/// One that is not UTF-8 is refused: taken as unset, a proxy would be bypassed, or the API key sent
/// to another server than the variable names.
pub(crate) fn text(
    name: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<String>, Error> {
    match variable(name).map(OsString::into_string).transpose() {
        Ok(value) => Ok(value.filter(|value| !value.is_empty())),
        Err(_) => Err(Error::user(format!(
            "{name} in the environment is not valid UTF-8; correct or unset it"
        ))),
    }
}

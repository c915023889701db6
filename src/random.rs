//! Random numbers, each drawn from the operating system.
//!
//! A generator with a state of its own, such as `rand`'s of each thread, is copied by `fork`: both
//! processes then draw the same ids, and the server takes the second write for a retry of the first.

use uuid::Uuid;

use crate::error::Error;

/// Returns random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    match getrandom::getrandom(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Error::user(format!(
            "the operating system has no random numbers for an id: {error}"
        ))),
    }
}

/// Returns a random UUID (version 4).
pub(crate) fn uuid() -> Result<Uuid, Error> {
    bytes().map(|bytes| uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// Returns a random number from 0 up to 1; the middle if there are no random numbers.
pub(crate) fn fraction() -> f64 {
    let number = bytes().map_or(1 << 31, u32::from_ne_bytes);
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

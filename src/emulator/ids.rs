//! Ids, tickets and codes in the form of the live API.

use super::clock::Millis;
use crate::random;

const BASE36: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
// Without 0, O, 1 and I, because people type these codes.
const CODE: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Creates ids in the form of a cuid: `c`, the time, a counter and random characters.
#[derive(Default)]
pub(super) struct Ids {
    made: u64,
}

impl Ids {
    pub(super) fn next(&mut self, now: Millis) -> String {
        self.made += 1;
        let time = base36(u64::try_from(now).unwrap_or_default(), 8);
        format!("c{time}{}{}", base36(self.made, 4), noise(BASE36, 12))
    }
}

pub(super) fn ticket() -> String {
    noise(BASE64URL, 43)
}

pub(super) fn api_key() -> String {
    format!("sk_test_{}", noise(BASE36, 24))
}

pub(super) fn test_code() -> String {
    noise(CODE, 8)
}

/// Returns a random phone number (E.164 without the plus).
pub(super) fn phone_number() -> String {
    format!("234801{}", noise(b"0123456789", 7))
}

/// Returns a random UUID (version 4).
pub(super) fn uuid() -> String {
    random::uuid().unwrap_or_default().to_string()
}

pub(super) fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

fn base36(mut n: u64, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = BASE36[(n % 36) as usize];
        n /= 36;
    }
    digits.into_iter().map(char::from).collect()
}

/// Returns up to 64 random characters of an alphabet.
fn noise(alphabet: &[u8], length: usize) -> String {
    let bytes: [u8; 64] = random::bytes().unwrap_or([0; 64]);
    let letter = |byte: &u8| char::from(alphabet[usize::from(*byte) % alphabet.len()]);
    bytes.iter().take(length).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let id = Ids::default().next(1_717_564_800_000);
        assert_eq!((id.len(), &id[..1]), (25, "c"));
        let uuid = uuid();
        assert!(is_uuid(&uuid), "{uuid}");
        assert_eq!(&uuid[14..15], "4");
        assert!(!is_uuid("3fa85f64-5717-4562-b3fc-2c963f66afa"));
        assert_eq!(ticket().len(), 43);
    }
}

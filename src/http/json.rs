//! JSON as servers write it: what strict JSON does not allow is repaired, and errors get a path.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, Error as _};

use crate::error::Excerpt;

/// Decodes JSON. Mistakes that leave its structure intact are repaired: see [`repair_json`]. A byte
/// order mark before it is ignored.
pub(crate) fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    let json = without_bom(json);
    // One check of the whole costs a third of what serde_json's check of each string would.
    let first = match std::str::from_utf8(json) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => Err(serde_json::Error::custom("invalid UTF-8")),
    };
    first.or_else(|error| match repair_json(json) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    })
}

/// Returns the path to a line and column of a JSON text, such as `data[3].rules`.
///
/// By hand, because decoding again with `serde_path_to_error` compiles the decoding of every type
/// twice: 20 % more build time of this crate, which takes `benches/build_cost.sh compare` over its
/// limit of 1.25, and a binary of ten operations that is 15 % larger.
pub(super) fn path_at(json: &[u8], line: usize, column: usize) -> String {
    /// Keys are the server's, and may have any length.
    const SHOWN: usize = 200;
    enum Step {
        Key(String),
        Index(usize),
    }
    let before: usize = json
        .split_inclusive(|b| *b == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let end = (before + column.saturating_sub(1)).min(json.len());
    // serde_json's own limit.
    const DEEPEST: usize = 128;
    let mut path: Vec<Step> = Vec::new();
    let mut deeper = 0_usize;
    let mut at = 0;
    while at < end {
        match json[at] {
            b'{' | b'[' if path.len() == DEEPEST => deeper += 1,
            b'}' | b']' if deeper > 0 => deeper -= 1,
            b'{' => path.push(Step::Key(String::new())),
            b'[' => path.push(Step::Index(0)),
            b'}' | b']' => {
                path.pop();
            }
            b',' => {
                if let Some(Step::Index(index)) = path.last_mut() {
                    *index += 1;
                }
            }
            b'"' => {
                let start = at + 1;
                at = start;
                while at < json.len() && json[at] != b'"' {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                let text = &json[start..at.min(json.len())];
                let after = json.get(at + 1..).unwrap_or_default();
                let is_key = after.trim_ascii_start().first() == Some(&b':');
                if let (true, Some(Step::Key(key))) = (is_key, path.last_mut()) {
                    *key = String::from_utf8_lossy(text).chars().take(80).collect();
                }
            }
            _ => {}
        }
        at += 1;
    }
    let mut text = String::new();
    for step in &path {
        match step {
            Step::Key(key) if key.is_empty() => {}
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    if text.is_empty() {
        text.push_str("the top");
    }
    Excerpt(&text, SHOWN).to_string()
}

/// Returns a copy that strict JSON allows, or `None` if there is nothing to repair.
///
/// In strings, raw control characters are escaped, and invalid UTF-8 and half surrogate pairs
/// (`\ud83d` alone, as JavaScript servers write a truncated emoji) are replaced by U+FFFD.
pub(super) fn repair_json(json: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(json);
    let mut is_repaired = matches!(text, Cow::Owned(_));
    let mut output = String::with_capacity(text.len() + 16);
    let mut in_string = false;
    let mut rest = &*text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        let mut replacement = None;
        match c {
            '"' => in_string = !in_string,
            '\0'..' ' if in_string => replacement = Some(format!("\\u{:04x}", u32::from(c))),
            '\\' if in_string => match escaped_unit(rest) {
                Some(0xd800..=0xdbff) if is_low_surrogate(&rest[6..]) => length = 12,
                Some(0xd800..=0xdfff) => {
                    length = 6;
                    replacement = Some("\\ufffd".to_owned());
                }
                _ => match rest[1..].chars().next() {
                    // The control character is escaped in the next round.
                    Some('\0'..' ') => replacement = Some(String::new()),
                    Some(escaped) => length += escaped.len_utf8(),
                    None => {}
                },
            },
            _ => {}
        }
        is_repaired |= replacement.is_some();
        output.push_str(replacement.as_deref().unwrap_or(&rest[..length]));
        rest = &rest[length..];
    }
    is_repaired.then_some(output)
}

/// Returns the UTF-16 code unit of an escape such as `\ud83d` at the start of a text.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let are_digits = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

fn is_low_surrogate(text: &str) -> bool {
    matches!(escaped_unit(text), Some(0xdc00..=0xdfff))
}

/// Returns a body without the byte order mark that some servers write before it.
pub(super) fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

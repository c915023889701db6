//! The head of an HTTP/1 response as bytes: where it ends, and what it says.

use memchr::memchr_iter;

/// Returns the length of the head that these bytes start with, its empty line included.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let start = bytes.len() - without_empty_lines(bytes).len();
    let ends = memchr_iter(b'\n', &bytes[start..]).map(|at| start + at + 1);
    ends.into_iter().find_map(|next| match bytes.get(next..)? {
        [b'\r', b'\n', ..] => Some(next + 2),
        [b'\n', ..] => Some(next + 1),
        _ => None,
    })
}

/// Returns whether these bytes are HTTP/1, or may become it.
pub(crate) fn may_be_http(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let bytes = without_empty_lines(bytes);
    START.starts_with(&bytes[..bytes.len().min(START.len())])
}

/// Returns the status and the reason phrase of a head; `None` where its first line is no status
/// line.
pub(crate) fn status_line(head: &[u8]) -> Option<(u16, String)> {
    let line = without_empty_lines(head)
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = [line, b"\n\r\n"].concat();
    let mut response = httparse::Response::new(&mut []);
    match response.parse(&line) {
        Ok(httparse::Status::Complete(_)) => {}
        _ => return None,
    }
    Some((response.code?, response.reason.unwrap_or("").to_owned()))
}

/// Parsers pass over empty lines before a status line.
fn without_empty_lines(bytes: &[u8]) -> &[u8] {
    let empty = bytes
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'));
    &bytes[empty.count()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_its_empty_line() {
        for (bytes, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nbody", Some(19)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", Some(25)),
            ("HTTP/1.1 200 OK\n\nbody", Some(17)),
            ("HTTP/1.1 200 OK\n\r\nbody", Some(18)),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", Some(21)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", None),
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r", None),
            ("\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(length(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn http_is_known_by_its_first_bytes() {
        for bytes in ["", "H", "HTTP/1", "HTTP/1.1 200 OK", "\r\nHTTP/1.0"] {
            assert!(may_be_http(bytes.as_bytes()), "{bytes}");
        }
        for bytes in ["h", "HTTP/2", "SSH-2.0", "<html>", "\u{15}\u{3}\u{1}"] {
            assert!(!may_be_http(bytes.as_bytes()), "{bytes}");
        }
    }

    #[test]
    fn a_status_line_has_a_status_and_perhaps_a_reason() {
        let is = |line: &str| status_line(line.as_bytes());
        let found = |status, reason: &str| Some((status, reason.to_owned()));
        assert_eq!(
            is("HTTP/1.1 403 Not allowed\r\nA : b\r\n\r\n"),
            found(403, "Not allowed")
        );
        assert_eq!(is("HTTP/1.0 200\r\n\r\n"), found(200, ""));
        assert_eq!(is("HTTP/1.1 200 OK\n\n"), found(200, "OK"));
        for line in ["HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "", "x"] {
            assert_eq!(is(line), None, "{line}");
        }
    }
}

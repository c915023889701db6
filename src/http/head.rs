//! The head of an HTTP/1 response as bytes: where it ends, and what it says.

use memchr::{memchr, memchr_iter};
use ureq::http::{HeaderName, HeaderValue};

use crate::error::Excerpt;

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

/// Returns the length of the interim responses (1xx) that these bytes start with.
///
/// 101, which switches protocols, is not an interim response.
pub(crate) fn interim(bytes: &[u8]) -> usize {
    let mut done = 0;
    // Nearly all responses end here.
    while let Some(b'1') = bytes.get(done + "HTTP/1.1 ".len()) {
        let Some(length) = length(&bytes[done..]) else {
            break;
        };
        match status_line(&bytes[done..done + length]) {
            Some((100..=199, _)) if bytes[done..].get(9..12) != Some(b"101") => done += length,
            _ => break,
        }
    }
    done
}

/// Returns the status and the reason phrase of a head; `None` if its first line is not a status
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

/// Says what is wrong with a head that starts as HTTP/1 and that the parser refuses.
///
/// Names the line and, of a header, its name; never its value, which may be a secret. `verdict` is
/// the parser's, for a head each line of which is valid.
pub(crate) fn defect(head: &[u8], verdict: &str) -> String {
    let head = without_empty_lines(head);
    if !matches!(status_line(head), Some((100.., _))) {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or(head);
        let line = String::from_utf8_lossy(without_carriage_return(line));
        return format!("its status line \"{}\" is invalid", Excerpt(&line, 60));
    }
    let lines = head.split_inclusive(|byte| *byte == b'\n').skip(1);
    for (number, line) in (1..).zip(lines) {
        let defect = match line.strip_suffix(b"\n").map(without_carriage_return) {
            Some(b"") => break,
            Some(line) => header_defect(line),
            // The parser refused it before all of it arrived: what is there may be no name.
            None => header_defect(&[line, b":"].concat()).map(|(_, defect)| (None, defect)),
        };
        let Some((name, defect)) = defect else {
            continue;
        };
        let name = match name {
            Some(name) => format!(" \"{}\"", Excerpt(&name, 40)),
            None => String::new(),
        };
        return format!("its header {number}{name} {defect}");
    }
    match verdict {
        "content-length header not a number" => "its Content-Length is not a number".to_owned(),
        "conflicting content-length headers" => "it has more than one Content-Length".to_owned(),
        _ => "its head is malformed".to_owned(),
    }
}

/// Returns what is wrong with a header line, with the name where it has one.
fn header_defect(line: &[u8]) -> Option<(Option<String>, &'static str)> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Some((None, "continues the line before it, which is obsolete"));
    }
    let Some(colon) = memchr(b':', line) else {
        return Some((None, "has no colon"));
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let defect = match name {
        [] => return Some((None, "has no name")),
        [.., b' ' | b'\t'] => "has a space before its colon",
        _ if HeaderName::from_bytes(name).is_err() => {
            "has a character in its name that is not allowed"
        }
        _ if HeaderValue::from_bytes(value).is_err() => "has a control character in its value",
        _ => return None,
    };
    Some((Some(String::from_utf8_lossy(name).into_owned()), defect))
}

fn without_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
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
    fn a_line_that_has_not_arrived_whole_is_counted_and_not_shown() {
        let start = "HTTP/1.1 200 OK\r\nA: b\r\n";
        for (line, expected) in [
            ("X-Odd ", "its header 2 has a space before its colon"),
            (
                "X(",
                "its header 2 has a character in its name that is not allowed",
            ),
            (
                " folded",
                "its header 2 continues the line before it, which is obsolete",
            ),
            (
                "X: a\u{1}",
                "its header 2 has a control character in its value",
            ),
            ("X", "its head is malformed"),
        ] {
            assert_eq!(defect(format!("{start}{line}").as_bytes(), ""), expected);
        }
    }

    #[test]
    fn interim_responses_are_told_from_the_one_that_counts() {
        for (bytes, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", 0),
            (
                "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n",
                31,
            ),
            (
                "HTTP/1.1 100 \r\nX : y\r\n\r\nHTTP/1.1 102 \r\n\r\nHTTP",
                41,
            ),
            ("HTTP/1.1 100 Continue\r\nX: y\r\n", 0),
            ("HTTP/1.1 101 Switching\r\n\r\n", 0),
            ("HTTP/1.1 1000 x\r\n\r\n", 0),
            ("", 0),
        ] {
            assert_eq!(interim(bytes.as_bytes()), expected, "{bytes:?}");
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

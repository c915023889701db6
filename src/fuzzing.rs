//! What the targets in `fuzz/` reach in here: what a server, or a caller, may pass as any bytes at
//! all. In no build but theirs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::agents::AgentDetail;
use crate::conversations::Message;
use crate::error::{CallInfo, CallTraits, Error};
use crate::headers::Headers;
use crate::http::headers::{CallerHeader, caller_header, visible};
use crate::http::path::{BaseUrl, Path};
use crate::http::{Response, envelope, error_body};
use crate::workflows::Workflow;

const KEY: &str = "sk_secret";

fn response(status: u16, headers: HeaderMap, body: &[u8]) -> Response {
    Response {
        call: CallInfo {
            operation: "GET /fuzz".to_owned(),
            attempts: 1,
            request_id: None,
            sent: true,
            traits: CallTraits {
                is_write: true,
                has_id: false,
                has_key: true,
                resumes: false,
            },
            page: None,
        },
        status,
        headers: Headers::new(headers, KEY),
        body: body.to_vec(),
    }
}

/// An error is one line of bounded length.
fn check(error: &Error) {
    let line = error.to_string();
    assert_eq!(format!("{error:?}"), line);
    assert!(line.chars().count() < 20_000, "{line}");
    assert!(!line.contains(char::is_control), "{line:?}");
}

/// A body of a success: it decodes, or is an error that keeps it.
pub fn envelope(body: &[u8]) {
    fn decode<T: serde::de::DeserializeOwned + serde::Serialize>(body: &[u8]) {
        match envelope::data::<T>(&response(200, HeaderMap::new(), body)) {
            Ok(value) => drop(serde_json::to_vec(&value)),
            Err(Error::Decode(error)) => {
                assert_eq!(error.body(), body);
                check(&Error::Decode(error));
            }
            Err(other) => panic!("{other}"),
        }
    }
    decode::<AgentDetail>(body);
    decode::<Vec<Workflow>>(body);
    decode::<Vec<Message>>(body);
    decode::<serde_json::Value>(body);
    let _ = envelope::discard(&response(204, HeaderMap::new(), body));
}

/// A body of an error: its line shows no key, however the body quotes it.
pub fn error(status: u16, body: &[u8]) {
    let error = error_body::api_error(response(status, HeaderMap::new(), body), KEY);
    check(&error);
    assert!(!error.to_string().contains(KEY), "{error}");
    let Error::Api(error) = error else {
        panic!("{error}");
    };
    assert_eq!((error.status(), error.body()), (status, body));
    assert!(!format!("{:?}", error.kind()).contains(KEY));
}

/// Reads response headers, a line each. The wait that they ask for can be added to any time.
pub fn headers(lines: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(64) {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (&b"retry-after"[..], line),
        };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    let headers = Headers::new(headers, KEY);
    if let Some(wait) = headers.retry_after() {
        assert!(wait > Duration::ZERO && Instant::now().checked_add(wait).is_some());
    }
    let _ = (
        headers.rate_limit(),
        headers.date(),
        headers.request_id(),
        headers.media_type(),
    );
    drop(format!("{headers:?}"));
}

/// Uses a text of the caller as an id, as a header, and as an idempotency key.
pub fn caller(text: &str) {
    let base = BaseUrl::parse("http://127.0.0.1", &[]).unwrap();
    if let Ok(url) = base.join(&Path::new("agents").id("id", text).then("x"), "") {
        let mut segments = url.path().split('/').skip(5);
        let decoded = percent_encoding::percent_decode_str(segments.next().unwrap());
        assert_eq!(decoded.decode_utf8().unwrap(), text);
        assert_eq!((segments.next(), segments.next()), (Some("x"), None));
        assert_eq!((url.host(), url.query()), (Some("127.0.0.1"), None));
    }
    let _ = base.join(&Path::written(text), "").map(|url| {
        assert!(
            url.path().starts_with("/api/v1/console/") && !url.path().contains("/../"),
            "{url}"
        );
    });
    let _ = BaseUrl::parse(text, &[]);
    let _ = visible("key", text).map(|value| assert!(value.len() <= 255));
    let (name, value) = text.split_once(':').unwrap_or(("x", text));
    match caller_header(name, value) {
        Ok(CallerHeader::Plain(name, value)) => {
            assert_ne!(name, "authorization");
            assert!(!value.as_bytes().contains(&b'\n'));
        }
        Ok(_) => {}
        Err(error) => check(&error),
    }
}

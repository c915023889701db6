//! The record of the requests that came.

use std::collections::VecDeque;
use std::fmt;

use serde_json::Value;

use super::http;

/// More than any test looks at; a long-running emulator must not grow without end.
const KEPT: usize = 20_000;

/// A request that the emulator received, as it stood on the wire.
///
/// Its `Debug` shows neither key nor ticket nor body.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The path as sent, still escaped, with the API's prefix.
    pub path: String,
    /// The query as sent, still escaped, without the question mark.
    pub raw_query: String,
    /// The headers in their order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body, with chunks joined.
    pub body: Vec<u8>,
    /// Which connection it came on: 1 is the first that was accepted.
    pub connection: u64,
}

impl RecordedRequest {
    /// The pairs of the query, decoded, in their order.
    pub fn query(&self) -> Vec<(String, String)> {
        http::query_pairs(&self.raw_query)
    }

    /// The first value of a query parameter, decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        self.query()
            .into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The first value of a header; case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.headers, name)
    }

    /// The body as JSON; `None` when it is empty or is none.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name, shown(name, value)))
            .collect();
        let query = self.query().into_iter().map(|(name, value)| {
            let value = shown(&name, &value).to_owned();
            (name, value)
        });
        let query: Vec<_> = query.collect();
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &query)
            .field("headers", &headers)
            .field("body_length", &self.body.len())
            .field("connection", &self.connection)
            .finish()
    }
}

fn shown<'a>(name: &str, value: &'a str) -> &'a str {
    let secret = ["authorization", "x-api-key", "ticket"];
    if secret.iter().any(|s| name.eq_ignore_ascii_case(s)) {
        "[redacted]"
    } else {
        value
    }
}

/// The requests in the order in which they came.
#[derive(Default)]
pub(super) struct Requests {
    requests: VecDeque<RecordedRequest>,
}

impl Requests {
    pub(super) fn add(&mut self, request: &http::Request, connection: u64) {
        if self.requests.len() == KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back(RecordedRequest {
            method: request.method.clone(),
            path: request.path.clone(),
            raw_query: request.query.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            connection,
        });
    }

    pub(super) fn all(&self) -> Vec<RecordedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.requests.clear();
    }
}

//! The log of received requests.

use std::collections::VecDeque;
use std::fmt;
use std::mem::size_of;

use serde_json::Value;

use super::http;
use super::pattern::Pattern;

/// Default size of the log: more than any test looks at.
pub(super) const DEFAULT_LIMIT: usize = 32 * 1024 * 1024;

/// A request that the emulator received.
///
/// Its `Debug` output shows neither the API key nor a ticket nor the request body.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = bimpeai::emulator::Emulator::start()?;
/// # let client = emulator.client_builder().build()?;
/// client.agents().list().search("Ada").send()?;
///
/// let requests = emulator.requests_to("GET", "/agents");
/// assert_eq!(requests[0].query_value("search").as_deref(), Some("Ada"));
/// assert_eq!(requests[0].full_path(), "/api/v1/console/agents");
/// assert!(requests[0].header("x-request-id").is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// Method, such as `GET`.
    pub method: String,
    /// Path below the API's prefix, as sent and still escaped: `/agents/a%20b`.
    ///
    /// It has the form that [`Fault::on`](super::Fault::on) compares.
    /// [`full_path`](RecordedRequest::full_path) returns it with the prefix. A path outside of
    /// the API is kept whole.
    pub path: String,
    /// Query as sent, still escaped, without the question mark.
    pub raw_query: String,
    /// Headers in the order received, names as sent.
    pub headers: Vec<(String, String)>,
    /// Request body, its chunks joined.
    pub body: Vec<u8>,
    /// Number of the connection. The first accepted connection is 1.
    pub connection: u64,
    /// What stood before `path`.
    prefix: String,
}

impl RecordedRequest {
    /// Returns the path as sent, still escaped, with the API's prefix.
    pub fn full_path(&self) -> String {
        format!("{}{}", self.prefix, self.path)
    }

    /// Returns the decoded pairs of the query, in order.
    pub fn query(&self) -> Vec<(String, String)> {
        http::query_pairs(&self.raw_query)
    }

    /// Returns the first value of a query parameter, decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        self.query()
            .into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// Returns the first value of a header. The name's case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.headers, name)
    }

    /// Returns the request body as JSON, or `None` if it is empty or not JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The memory that it takes, with a share for each header's allocations.
    fn size(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.len() + value.len() + size_of::<(String, String)>())
            .sum();
        let texts = self.method.len() + self.prefix.len() + self.path.len() + self.raw_query.len();
        size_of::<Self>() + texts + headers + self.body.len()
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

/// The most recent requests, in the order received.
pub(super) struct RequestLog {
    requests: VecDeque<RecordedRequest>,
    /// The memory that `requests` takes; at most `limit`.
    bytes: usize,
    limit: usize,
    dropped: u64,
}

impl RequestLog {
    pub(super) fn new(limit: usize) -> Self {
        RequestLog {
            requests: VecDeque::new(),
            bytes: 0,
            limit,
            dropped: 0,
        }
    }

    /// Adds a request. The oldest ones make room for it; one that is larger than the whole log
    /// is dropped itself.
    pub(super) fn add(&mut self, request: &http::Request, connection: u64) {
        let path = request.short_path();
        let prefix = &request.path[..request.path.len() - path.len()];
        let request = RecordedRequest {
            method: request.method.clone(),
            path: path.to_owned(),
            prefix: prefix.to_owned(),
            raw_query: request.query.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            connection,
        };
        self.bytes += request.size();
        self.requests.push_back(request);
        while self.bytes > self.limit {
            let Some(oldest) = self.requests.pop_front() else {
                break;
            };
            self.bytes -= oldest.size();
            self.dropped += 1;
        }
    }

    pub(super) fn all(&self) -> Vec<RecordedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(super) fn matching(&self, pattern: &Pattern) -> Vec<RecordedRequest> {
        let requests = self.requests.iter();
        let matching = requests.filter(|request| pattern.matches(&request.method, &request.path));
        matching.cloned().collect()
    }

    /// How many requests the limit has pushed out since the log was cleared.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn clear(&mut self) {
        *self = RequestLog::new(self.limit);
    }
}

//! The options of a stream, as its request collects them and its reader follows them.

use std::time::Duration;

use ureq::http::HeaderMap;

#[derive(Clone)]
pub(super) struct StreamOptions {
    pub(super) after: Option<String>,
    pub(super) reconnect: bool,
    pub(super) max_retries: Option<u32>,
    pub(super) max_outage: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) headers: HeaderMap,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions {
            after: None,
            reconnect: true,
            max_retries: None,
            max_outage: Duration::from_secs(5 * 60),
            idle_timeout: Duration::from_secs(60),
            timeout: None,
            headers: HeaderMap::new(),
        }
    }
}

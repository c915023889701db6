//! What [`ClientBuilder::on_attempt`](crate::ClientBuilder::on_attempt) reports.

use std::fmt;
use std::time::Duration;

use crate::error::Error;

/// One HTTP attempt of an API request, passed to
/// [`ClientBuilder::on_attempt`](crate::ClientBuilder::on_attempt) when it has ended.
///
/// ```
/// use bimpeai::{Attempt, Client};
///
/// fn report(attempt: &Attempt<'_>) {
///     if let Some(error) = attempt.error() {
///         eprintln!("attempt {}: {error}", attempt.number());
///     }
/// }
/// let builder = Client::builder("sk_1").on_attempt(report);
/// ```
pub struct Attempt<'a> {
    pub(crate) operation: &'a str,
    pub(crate) number: u32,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<&'a Error>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) elapsed: Duration,
    pub(crate) next_wait: Option<Duration>,
}

impl<'a> Attempt<'a> {
    /// Returns the HTTP method and path, such as `POST /agents`.
    pub fn operation(&self) -> &'a str {
        self.operation
    }

    /// Returns the number of the attempt within its call, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the HTTP status, or `None` if there was no response.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns the error, or `None` if the attempt succeeded.
    pub fn error(&self) -> Option<&'a Error> {
        self.error
    }

    /// Returns the request id: the server's if it sent one, else the one that was sent.
    pub fn request_id(&self) -> Option<&'a str> {
        self.request_id
    }

    /// Returns the duration of the attempt, without waits before it.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the wait before the next attempt, or `None` if this was the last one.
    pub fn next_wait(&self) -> Option<Duration> {
        self.next_wait
    }
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("operation", &self.operation)
            .field("number", &self.number)
            .field("status", &self.status)
            .field("error", &self.error)
            .field("elapsed", &self.elapsed)
            .field("next_wait", &self.next_wait)
            .finish_non_exhaustive()
    }
}

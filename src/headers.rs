//! Response headers, and what the API says in them.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memchr::memmem;
use ureq::http::{HeaderMap, HeaderName};

pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers of a response. Names are compared without regard to case.
#[derive(Clone, Default)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Marks the values that quote `secret`, so that they are not printed.
    pub(crate) fn new(mut headers: HeaderMap, secret: &str) -> Self {
        let secret = secret.as_bytes();
        for value in headers.values_mut() {
            // Most values are shorter than a key: this costs a call next to nothing.
            let may_quote = !secret.is_empty() && value.len() >= secret.len();
            if may_quote && memmem::find(value.as_bytes(), secret).is_some() {
                value.set_sensitive(true);
            }
        }
        Headers(headers)
    }

    /// Returns the first value of a header, or `None` if there is none or it is not text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    /// Returns all headers whose value is text. Names are in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// The figures of the rate limit.
    pub(crate) fn rate_limit(&self) -> RateLimit {
        let reset_at = self.number("x-ratelimit-reset");
        let until_reset = reset_at.and_then(|reset_at| {
            let server_now = self.date().unwrap_or_else(SystemTime::now);
            let server_now = server_now.duration_since(UNIX_EPOCH).ok()?;
            Some(Duration::from_secs(reset_at).saturating_sub(server_now))
        });
        RateLimit {
            limit: self.number("x-ratelimit-limit"),
            remaining: self.number("x-ratelimit-remaining"),
            reset_at,
            retry_after: self.retry_after(),
            resets: until_reset.and_then(|wait| Instant::now().checked_add(wait)),
        }
    }

    /// A number, rounded up, so that a time in it is never early.
    fn number(&self, name: &str) -> Option<u64> {
        let number = decimal(self.get(name)?.trim())?;
        let part = u64::from(number.subsec_nanos() > 0);
        Some(number.as_secs().saturating_add(part))
    }

    /// The delay that the server asks for: seconds, also fractions, or a date, which is compared with
    /// the `Date` of the response. `None` for zero and for a date in the past.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        // A caller may add it to an `Instant`, which not every `Duration` can be added to.
        const MOST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        let text = self.get("retry-after")?.trim();
        let wait = if let Some(seconds) = decimal(text) {
            seconds
        } else {
            let until = httpdate::parse_http_date(text).ok()?;
            let now = self.date().unwrap_or_else(SystemTime::now);
            until.duration_since(now).ok()?
        };
        let wait = wait.min(MOST);
        (!wait.is_zero()).then_some(wait)
    }

    /// The time of the response by the server's clock.
    pub(crate) fn date(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(self.get("date")?).ok()
    }

    /// Returns whether the server says that this is the response to an earlier request with the same
    /// idempotency key.
    pub(crate) fn is_replay(&self) -> bool {
        ["idempotency-replayed", "idempotent-replayed"]
            .iter()
            .filter_map(|name| self.get(name))
            .any(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The request id, unless it quotes the secret of the request: errors print it.
    pub(crate) fn request_id(&self) -> Option<&str> {
        let value = self.0.get(&REQUEST_ID).filter(|id| !id.is_sensitive())?;
        value.to_str().ok().filter(|id| !id.is_empty())
    }

    /// The media type, in lower case and without its parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        let text = self.get("content-type")?;
        let media_type = text.split(';').next().unwrap_or(text);
        Some(media_type.trim().to_ascii_lowercase())
    }
}

/// Seconds as the API writes them: digits, and digits after a point. By hand, for std's reading of
/// floats would be the one use of it in most scripts, and takes 16 KiB of each.
fn decimal(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() + part.len() == 0 {
        return None;
    }
    let digits = |text: &str, places: usize| {
        let padded = text.bytes().chain(std::iter::repeat(b'0'));
        padded.take(places).try_fold(0_u64, |number, digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            Some(number.saturating_mul(10).saturating_add(digit))
        })
    };
    // What lies beyond the nanoseconds is only checked.
    digits(part, part.len())?;
    let nanos = u32::try_from(digits(part, 9)?).ok()?;
    Some(Duration::new(digits(whole, whole.len())?, nanos))
}

/// The headers whose values `Debug` prints. Others, such as cookies, may hold secrets.
const SHOWN: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "retry-after",
    "server",
    "transfer-encoding",
    "vary",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
];

/// Prints all names, and the values of the request id, the rate limit and HTTP's own headers. A value
/// that quotes the API key or a ticket is not printed.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.0.iter().filter_map(|(name, value)| {
            let text = value.to_str().ok()?;
            let is_shown = SHOWN.contains(&name.as_str()) && !value.is_sensitive();
            Some((name.as_str(), if is_shown { text } else { "[redacted]" }))
        });
        f.debug_map().entries(values).finish()
    }
}

/// The state of the rate limit. A field is `None` if the response does not have it.
#[doc(alias = "rate limit")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RateLimit {
    /// Maximum number of requests in the window (`X-RateLimit-Limit`).
    pub limit: Option<u64>,
    /// Number of requests left in the window (`X-RateLimit-Remaining`).
    pub remaining: Option<u64>,
    /// Time at which the window resets, in seconds of Unix time, rounded up (`X-RateLimit-Reset`).
    pub reset_at: Option<u64>,
    /// Delay that the server asks for (`Retry-After`).
    pub retry_after: Option<Duration>,
    pub(crate) resets: Option<Instant>,
}

impl RateLimit {
    /// Returns the time until the window resets, from now. Zero if it has.
    ///
    /// The time is counted from the `Date` of the response, because the server's clock may differ.
    /// `None` if the response has no `X-RateLimit-Reset`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let response = client.agents().list().limit(1).send()?;
    /// if let Some(limit) = client.rate_limit() {
    ///     let (left, reset) = (limit.remaining, limit.resets_in());
    ///     println!("{left:?} requests are left for {reset:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn resets_in(&self) -> Option<Duration> {
        let resets = self.resets?;
        Some(resets.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_as_the_api_writes_them_and_nothing_else_is() {
        for (text, number) in [
            ("0", Some(Duration::ZERO)),
            ("12", Some(Duration::from_secs(12))),
            ("3.5", Some(Duration::from_millis(3500))),
            ("3.", Some(Duration::from_secs(3))),
            (".25", Some(Duration::from_millis(250))),
            ("1.0000000019", Some(Duration::new(1, 1))),
            ("99999999999999999999", Some(Duration::from_secs(u64::MAX))),
            ("", None),
            (".", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1.2.3", None),
            ("1.000000000x", None),
            ("1,5", None),
            ("inf", None),
        ] {
            assert_eq!(decimal(text), number, "{text:?}");
        }
    }
}

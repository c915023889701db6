//! Decides what follows when an attempt ends: another attempt after a delay, or the end of the
//! stream.
//!
//! An attempt is a ticket call, the request that opens the stream, and the connection until its end.
//! The first rule that applies decides:
//!
//! | how the attempt ended | what follows |
//! |---|---|
//! | the code `too_many_streams`, whatever the status | end |
//! | ticket call: 401, 403, 404 | end |
//! | opening: 401, because a ticket may expire on the way | failure |
//! | opening: 429 without `Retry-After`, before a connection was established once | end |
//! | any other response that is not retryable: 400, 403, 404, 501, HTML, … | end |
//! | a permanent connection failure (unknown host, untrusted certificate, …), before a connection was established once | end |
//! | a delay requested by the server that exceeds `max_retry_wait` | end |
//! | 429 or 503 with `Retry-After` | retry after that delay |
//! | the connection was established for [`LONG`] or longer | retry; the delays start anew |
//! | the connection received a new message or a heartbeat | retry |
//! | anything else | failure |
//!
//! A failure counts. The stream ends when there are more in a row than `max_retries`, or when the
//! outage is longer than `max_outage`. Otherwise a retry follows. The retries that the table names
//! are not failures. All but those with `Retry-After` end the outage.
//!
//! The delays grow exponentially from 0.25–0.5 s to 4–8 s. They start anew only after a connection
//! that was established for a while, so that a server that accepts and closes is not hit several
//! times a second. A server that sends `retry:` chooses the first delay itself. Then a new message or
//! a heartbeat is enough.
//!
//! Nothing here knows a socket or a clock.

use std::time::{Duration, Instant};

use super::options::StreamOptions;
use crate::error::{Error, ErrorCode};
use crate::http::retry::Backoff;

/// The longest delay, and how long a connection must be established to count as working.
const LONG: Duration = Duration::from_secs(8);

/// The shortest delay, unless the server chooses it.
const SHORTEST: Duration = Duration::from_millis(250);

/// The longest delay that a server may choose with `retry:`.
const LONGEST_CHOSEN: Duration = Duration::from_secs(60);

/// The maximum number of failures in a row until a connection was established once.
const OPENING_RETRIES: u32 = 5;

/// The stage at which an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stage {
    /// The ticket call failed.
    Ticket,
    /// The stream was not opened.
    Opening,
    /// The connection was established.
    Established {
        /// From then to its end. To the last byte, if it ended because nothing more was received.
        lived: Duration,
        /// Whether it received a new message or a heartbeat.
        progress: bool,
    },
}

/// How an attempt ended.
pub(super) struct Ended<'a> {
    pub(super) stage: Stage,
    pub(super) error: &'a Error,
    /// When it began.
    pub(super) began: Instant,
    pub(super) now: Instant,
    /// The last `retry:` of the server.
    pub(super) retry: Option<Duration>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    Retry(Duration),
    End,
}

/// The budget of a stream, and how much of it is used.
pub(super) struct Policy {
    max_retries: Option<u32>,
    max_outage: Duration,
    max_retry_wait: Duration,
    was_connected: bool,
    failures: u32,
    /// Start of the outage, if there is one.
    outage_began: Instant,
    retry: Option<Duration>,
    backoff: Backoff,
}

impl Policy {
    pub(super) fn new(options: &StreamOptions, max_retry_wait: Duration, now: Instant) -> Self {
        Policy {
            max_retries: options.max_retries,
            max_outage: options.max_outage,
            max_retry_wait,
            was_connected: false,
            failures: 0,
            outage_began: now,
            retry: None,
            backoff: Backoff::new(),
        }
    }

    pub(super) fn decide(&mut self, ended: &Ended<'_>) -> Decision {
        let asked = ended.error.retry_after();
        if self.is_final(ended) || asked.is_some_and(|delay| delay > self.max_retry_wait) {
            return Decision::End;
        }
        if self.retry != ended.retry {
            self.retry = ended.retry;
            self.backoff = self.first_backoff();
        }
        match ended.stage {
            Stage::Established { lived, progress } if lived >= LONG || progress => {
                self.failures = 0;
                self.outage_began = ended.now;
                if lived >= LONG || self.retry.is_some() {
                    self.backoff = self.first_backoff();
                }
            }
            _ => {
                let names_a_wait =
                    ended.error.is_rate_limited() || ended.error.status() == Some(503);
                let is_polite = names_a_wait && asked.is_some();
                self.failures += u32::from(!is_polite);
                if self.is_used_up(ended) {
                    return Decision::End;
                }
            }
        }
        self.was_connected |= matches!(ended.stage, Stage::Established { .. });
        let shortest = match self.retry {
            Some(_) => Duration::ZERO,
            None => SHORTEST,
        };
        let delay = asked.unwrap_or_else(|| self.backoff.next_wait());
        Decision::Retry(delay.max(shortest))
    }

    /// Whether no other attempt can succeed.
    fn is_final(&self, ended: &Ended<'_>) -> bool {
        let error = ended.error;
        match (ended.stage, error.status()) {
            (Stage::Established { .. }, _) => false,
            _ if is_too_many_streams(error) => true,
            (Stage::Opening, Some(401)) => false,
            // Later, the server may still hold the connection that broke.
            (Stage::Opening, Some(429)) => !self.was_connected && error.retry_after().is_none(),
            (_, Some(_)) => !error.is_retryable(),
            // What was connected once is a host that exists, with a certificate that is trusted.
            (_, None) if self.was_connected => {
                use Error::{Connection, RateLimited, Timeout};
                !matches!(error, Connection(_) | Timeout(_) | RateLimited(_))
            }
            (_, None) => !error.is_retryable(),
        }
    }

    fn is_used_up(&self, ended: &Ended<'_>) -> bool {
        let established = self.was_connected || matches!(ended.stage, Stage::Established { .. });
        let max_retries = match (self.max_retries, established) {
            (Some(retries), _) => retries,
            (None, false) => OPENING_RETRIES,
            (None, true) => u32::MAX,
        };
        // An attempt that began within the limit does not end the stream: the outage may have ended
        // since then.
        let outage = ended.began.saturating_duration_since(self.outage_began);
        self.failures > max_retries || outage >= self.max_outage
    }

    fn first_backoff(&self) -> Backoff {
        match self.retry {
            Some(base) => {
                // From once to twice what the server asks for: never earlier.
                let middle = base.clamp(Duration::from_millis(1), LONGEST_CHOSEN) * 3 / 2;
                Backoff::with_base(middle, middle.max(LONG * 3 / 4))
            }
            None => Backoff::new(),
        }
    }
}

fn is_too_many_streams(error: &Error) -> bool {
    match error {
        Error::Api(error) => error.code() == Some(&ErrorCode::TooManyStreams),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ureq::http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::error::{CallInfo, CallTraits, ConnectionError, ConnectionKind, TimeoutError};
    use crate::headers::Headers;
    use crate::http::{Response, error_body};

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn call() -> CallInfo {
        CallInfo {
            operation: "GET /stream".to_owned(),
            attempts: 1,
            request_id: None,
            sent: true,
            traits: CallTraits::STREAM,
            page: None,
        }
    }

    fn connection(kind: ConnectionKind) -> Error {
        Error::Connection(Box::new(ConnectionError {
            call: call(),
            kind,
            what: "lost".to_owned(),
            source: None,
        }))
    }

    fn lost() -> Error {
        connection(ConnectionKind::Lost)
    }

    fn api(status: u16, code: &str, retry_after: Option<&'static str>) -> Error {
        let mut headers = HeaderMap::new();
        if let Some(delay) = retry_after {
            headers.insert("retry-after", HeaderValue::from_static(delay));
        }
        let response = Response {
            call: call(),
            status,
            headers: Headers::new(headers, ""),
            body: format!(r#"{{"message":"m","code":"{code}"}}"#).into_bytes(),
        };
        error_body::api_error(response, "")
    }

    const REFUSED: Stage = Stage::Opening;

    fn established(lived: Duration, progress: bool) -> Stage {
        Stage::Established { lived, progress }
    }

    /// A policy, and the time as it passes.
    struct Simulation {
        policy: Policy,
        start: Instant,
        now: Instant,
        retry: Option<Duration>,
    }

    impl Simulation {
        fn new(max_retries: Option<u32>, max_outage: Option<Duration>) -> Self {
            let now = Instant::now();
            let mut options = StreamOptions::default();
            options.max_retries = max_retries;
            options.max_outage = max_outage.unwrap_or(options.max_outage);
            Simulation {
                policy: Policy::new(&options, MINUTE, now),
                start: now,
                now,
                retry: None,
            }
        }

        /// After a connection that has worked.
        fn connected(max_retries: Option<u32>, max_outage: Option<Duration>) -> Self {
            let mut simulation = Self::new(max_retries, max_outage);
            simulation.attempt(established(MINUTE, true), &lost());
            simulation.start = simulation.now;
            simulation
        }

        /// An attempt that takes no time beyond the life of its connection.
        fn decide(&mut self, stage: Stage, error: &Error) -> Decision {
            let began = self.now;
            if let Stage::Established { lived, .. } = stage {
                self.now += lived;
            }
            self.policy.decide(&Ended {
                stage,
                error,
                began,
                now: self.now,
                retry: self.retry,
            })
        }

        /// The same, and the delay after it; `None` at the end.
        fn attempt(&mut self, stage: Stage, error: &Error) -> Option<Duration> {
            match self.decide(stage, error) {
                Decision::Retry(delay) => {
                    self.now += delay;
                    Some(delay)
                }
                Decision::End => None,
            }
        }

        fn passed(&self) -> Duration {
            self.now - self.start
        }
    }

    #[test]
    fn a_stream_survives_an_outage_of_five_minutes_by_default() {
        for error in [
            lost(),
            api(503, "", None),
            connection(ConnectionKind::HostNotFound),
        ] {
            let mut stream = Simulation::connected(None, None);
            let mut attempts = 0;
            let last = loop {
                attempts += 1;
                let began = stream.passed();
                if stream.attempt(REFUSED, &error).is_none() {
                    break began;
                }
            };
            // The last attempt begins when the five minutes are over, and could have succeeded.
            assert!(
                (5 * MINUTE - SECOND..5 * MINUTE + LONG).contains(&last),
                "{last:?}"
            );
            assert!((35..90).contains(&attempts), "{attempts}");
        }
    }

    #[test]
    fn an_attempt_that_began_within_the_outage_does_not_end_the_stream() {
        let mut stream = Simulation::connected(None, Some(10 * SECOND));
        let began = stream.now;
        // It waited for a response that never arrived.
        stream.now += MINUTE;
        let error = api(503, "", None);
        let ended = |began, now| Ended {
            stage: REFUSED,
            error: &error,
            began,
            now,
            retry: None,
        };
        let decision = stream.policy.decide(&ended(began, stream.now));
        assert!(matches!(decision, Decision::Retry(_)));
        let decision = stream.policy.decide(&ended(stream.now, stream.now));
        assert_eq!(decision, Decision::End);
    }

    #[test]
    fn the_opening_has_five_retries_by_default() {
        let mut stream = Simulation::new(None, None);
        for _ in 0..5 {
            stream.attempt(REFUSED, &lost()).unwrap();
        }
        assert_eq!(stream.decide(REFUSED, &lost()), Decision::End);
        assert!(stream.passed() < MINUTE);
    }

    #[test]
    fn whichever_limit_is_exceeded_first_ends_the_stream() {
        let mut by_count = Simulation::connected(Some(2), Some(MINUTE));
        assert!(by_count.attempt(REFUSED, &lost()).is_some());
        assert!(by_count.attempt(REFUSED, &lost()).is_some());
        assert_eq!(by_count.decide(REFUSED, &lost()), Decision::End);

        let mut by_time = Simulation::connected(Some(100), Some(MINUTE));
        while by_time.attempt(REFUSED, &lost()).is_some() {}
        // The outage began up to half a second before the first attempt of the simulation.
        assert!((MINUTE - SECOND..MINUTE + LONG).contains(&by_time.passed()));

        let mut at_once = Simulation::new(Some(100), Some(Duration::ZERO));
        assert_eq!(at_once.decide(REFUSED, &lost()), Decision::End);

        let mut never = Simulation::connected(None, Some(Duration::MAX));
        for _ in 0..10_000 {
            never.attempt(REFUSED, &lost()).unwrap();
        }
    }

    #[test]
    fn quiet_connections_that_are_closed_are_not_failures() {
        let mut stream = Simulation::new(Some(0), Some(SECOND));
        for _ in 0..100 {
            let delay = stream.attempt(established(LONG, false), &lost()).unwrap();
            assert!(delay <= SECOND / 2, "{delay:?}");
        }
        let short = established(LONG - SECOND, false);
        assert_eq!(stream.decide(short, &lost()), Decision::End);
    }

    #[test]
    fn a_connection_on_which_nothing_is_received_is_a_failure_however_long_it_stays() {
        let silence = Error::Timeout(Box::new(TimeoutError {
            call: call(),
            what: "nothing".to_owned(),
            limit: Some(MINUTE),
        }));
        let mut stream = Simulation::new(Some(2), None);
        let dead = established(Duration::ZERO, false);
        assert!(stream.attempt(dead, &silence).is_some());
        assert!(stream.attempt(dead, &silence).is_some());
        assert_eq!(stream.decide(dead, &silence), Decision::End);
    }

    #[test]
    fn a_server_that_accepts_and_closes_is_not_hit_several_times_a_second() {
        for progress in [false, true] {
            let mut stream = Simulation::connected(None, None);
            let mut attempts = 0;
            while stream.passed() < MINUTE {
                let brief = established(SECOND / 100, progress);
                stream.attempt(brief, &lost()).unwrap();
                attempts += 1;
            }
            assert!(attempts <= 20, "{attempts} in a minute, with {progress}");
            // With signs of life it continues.
            let goes_on = (0..1000).all(|_| {
                let brief = established(SECOND / 100, progress);
                stream.attempt(brief, &lost()).is_some()
            });
            assert_eq!(goes_on, progress);
        }
        // After a connection that lived, the delays start anew.
        let mut stream = Simulation::connected(None, None);
        for _ in 0..6 {
            stream.attempt(REFUSED, &lost());
        }
        let delay = stream.attempt(established(LONG, false), &lost()).unwrap();
        assert!((SHORTEST..=SECOND / 2).contains(&delay), "{delay:?}");
    }

    #[test]
    fn a_server_that_chooses_the_delay_gets_it_again_after_each_sign_of_life() {
        let mut stream = Simulation::connected(None, None);
        let base = SECOND / 100;
        stream.retry = Some(base);
        for _ in 0..20 {
            let delay = stream.attempt(established(base, true), &lost()).unwrap();
            assert!((base..=2 * base).contains(&delay), "{delay:?}");
        }
        let delays: Vec<_> = (0..12)
            .map(|_| stream.attempt(REFUSED, &lost()).unwrap())
            .collect();
        assert!(
            delays[0] <= 4 * base && delays[11] > 4 * SECOND,
            "{delays:?}"
        );
        // Another choice counts at once.
        stream.retry = Some(2 * base);
        let delay = stream.attempt(REFUSED, &lost()).unwrap();
        assert!((2 * base..=4 * base).contains(&delay), "{delay:?}");
    }

    #[test]
    fn a_delay_that_the_server_asks_for_is_not_a_failure() {
        for (status, stage) in [
            (429, Stage::Ticket),
            (503, Stage::Ticket),
            (429, REFUSED),
            (503, REFUSED),
        ] {
            let error = api(status, "", Some("2"));
            let mut stream = Simulation::new(Some(0), None);
            let mut attempts = 0;
            while let Some(delay) = stream.attempt(stage, &error) {
                assert_eq!(delay, 2 * SECOND);
                attempts += 1;
            }
            // But an outage it is.
            assert_eq!(attempts, 150, "{error}");
        }
        // Nor does it count for or against the failures around it.
        let mut stream = Simulation::connected(Some(1), None);
        assert!(stream.attempt(REFUSED, &lost()).is_some());
        assert!(stream.attempt(REFUSED, &api(503, "", Some("2"))).is_some());
        assert_eq!(stream.decide(REFUSED, &lost()), Decision::End);
        // Other statuses are failures, whose delay is honoured all the same.
        let mut stream = Simulation::connected(Some(1), None);
        let error = api(500, "", Some("2"));
        assert_eq!(stream.attempt(REFUSED, &error), Some(2 * SECOND));
        assert_eq!(stream.decide(REFUSED, &error), Decision::End);
        // More than the client may wait.
        let mut stream = Simulation::connected(None, None);
        let error = api(503, "", Some("61"));
        assert_eq!(stream.decide(REFUSED, &error), Decision::End);
    }

    #[test]
    fn a_permanent_error_ends_the_stream() {
        use ConnectionKind::*;
        // Whether it ends the stream at the ticket call and at the opening, before a connection
        // was established once and afterwards.
        let cases = [
            (api(429, "too_many_streams", Some("1")), [true; 4]),
            (api(503, "too_many_streams", None), [true; 4]),
            (api(400, "", None), [true; 4]),
            (api(401, "", None), [true, false, true, false]),
            (api(403, "", None), [true; 4]),
            (api(404, "", None), [true; 4]),
            (api(410, "", None), [true; 4]),
            (api(422, "", None), [true; 4]),
            (
                api(429, "too_many_requests", None),
                [false, true, false, false],
            ),
            (api(429, "too_many_requests", Some("1")), [false; 4]),
            (api(408, "", None), [false; 4]),
            (api(500, "", None), [false; 4]),
            (api(501, "", None), [true; 4]),
            (connection(LookupFailed), [false; 4]),
            (connection(HostNotFound), [true, true, false, false]),
            (connection(TlsRefused), [true, true, false, false]),
            (connection(ProxyRefused), [true, true, false, false]),
            (connection(NotConnected), [false; 4]),
            (lost(), [false; 4]),
            (Error::user("invalid"), [true; 4]),
        ];
        for (error, expected) in cases {
            let ends = |was_connected, stage| {
                let mut stream = match was_connected {
                    true => Simulation::connected(None, None),
                    false => Simulation::new(None, None),
                };
                stream.decide(stage, &error) == Decision::End
            };
            let found = [
                ends(false, Stage::Ticket),
                ends(false, REFUSED),
                ends(true, Stage::Ticket),
                ends(true, REFUSED),
            ];
            assert_eq!(found, expected, "{error}");
        }
    }
    #[test]
    fn a_requested_delay_of_up_to_the_limit_is_honoured() {
        for (seconds, decision) in [("60", Decision::Retry(MINUTE)), ("61", Decision::End)] {
            let mut stream = Simulation::new(None, None);
            let error = api(503, "", Some(seconds));
            assert_eq!(stream.decide(REFUSED, &error), decision);
        }
    }
    #[test]
    fn a_connection_that_was_established_ends_the_stream_by_no_error_of_its_own() {
        for error in [
            connection(ConnectionKind::MalformedResponse),
            Error::user("x"),
        ] {
            for stage in [established(LONG, false), established(Duration::ZERO, true)] {
                let decision = Simulation::new(None, None).decide(stage, &error);
                assert!(matches!(decision, Decision::Retry(_)), "{stage:?} {error}");
            }
        }
    }
    #[test]
    fn the_delays_that_a_server_chose_grow_up_to_the_longest() {
        for (first, most) in [(1, 8), (5, 10), (60, 120)] {
            let mut stream = Simulation::new(None, Some(3600 * MINUTE));
            stream.retry = Some(first * SECOND);
            stream.attempt(established(SECOND, true), &lost()).unwrap();
            for _ in 0..8 {
                stream.attempt(REFUSED, &lost()).unwrap();
            }
            for _ in 0..20 {
                let delay = stream.attempt(REFUSED, &lost()).unwrap();
                assert!(
                    (most * SECOND / 2..=most * SECOND).contains(&delay),
                    "{delay:?}"
                );
            }
        }
    }
}

//! What can be set before an emulator starts.

use std::fmt;
use std::io;
use std::time::Duration;

use super::Emulator;
use super::options::{Key, Options};
use super::rate_limit::RateLimit;
use super::resources::library;
use super::server::Server;
use super::shared::Shared;
use super::state::State;

/// Sets an [`Emulator`] up; made by [`Emulator::builder`].
#[derive(Default)]
#[must_use = "nothing runs until `start`"]
pub struct EmulatorBuilder {
    port: u16,
    options: Options,
}

/// The server and its keys.
impl EmulatorBuilder {
    /// The port on 127.0.0.1; 0, the default, takes a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The key with all scopes; a random one unless set.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.options.api_key = key.into();
        self
    }

    /// One more key, with these scopes only (`agents:read`, `conversations:write`, …).
    pub fn scoped_key<S: Into<String>>(
        mut self,
        key: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        let scopes = Some(scopes.into_iter().map(Into::into).collect());
        self.options.keys.push(Key {
            text: key.into(),
            scopes,
            expired: false,
        });
        self
    }

    /// One more key, which has expired.
    pub fn expired_key(mut self, key: impl Into<String>) -> Self {
        self.options.keys.push(Key {
            text: key.into(),
            scopes: None,
            expired: true,
        });
        self
    }

    /// So many requests in a window for each key, then 429 `rate_limited` with `Retry-After`.
    /// Without it the rate headers count down and nothing is refused.
    pub fn rate_limit(mut self, requests: u64, window: Duration) -> Self {
        self.options.rate_limit = Some(RateLimit { requests, window });
        self
    }

    /// Sets the maximum size of the log of [requests](Emulator::requests) in bytes, bodies and
    /// headers included. With 0 nothing is recorded. Default: 32 MiB.
    pub fn request_log_limit(mut self, bytes: usize) -> Self {
        self.options.request_log_limit = bytes;
        self
    }

    /// Validation errors in the form of the older errors guide: `{code, message, errors}`.
    pub fn guide_errors(mut self, on: bool) -> Self {
        self.options.guide_errors = on;
        self
    }

    /// 201 without a body where the documents show that beside 200 with one: `actions.enable`
    /// and `disable`, `pipedream.configure`, `mcp_server.test` and `discover`.
    pub fn bodyless_successes(mut self, on: bool) -> Self {
        self.options.bodyless_successes = on;
        self
    }
}

/// Conversations and streams.
impl EmulatorBuilder {
    /// How often an open stream sends a heartbeat; 20 s unless set.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.options.heartbeat = every.max(Duration::from_millis(1));
        self
    }

    /// A `retry:` line at the start of each stream; none unless set.
    pub fn retry_line(mut self, wait: Duration) -> Self {
        self.options.retry_line = Some(wait);
        self
    }

    /// Whether streams are sent in chunks (the default) or end with the connection.
    pub fn chunked_streams(mut self, on: bool) -> Self {
        self.options.chunked_streams = on;
        self
    }

    /// How many streams may be open at once; then 429 `too_many_streams`.
    pub fn max_streams(mut self, most: usize) -> Self {
        self.options.max_streams = Some(most);
        self
    }

    /// 429 `too_many_requests` for the same, as the reference has it.
    pub fn too_many_requests_for_streams(mut self, on: bool) -> Self {
        self.options.stream_limit_code = if on {
            "too_many_requests"
        } else {
            "too_many_streams"
        };
        self
    }

    /// How long a stream ticket is good; 60 s unless set.
    pub fn ticket_lifetime(mut self, life: Duration) -> Self {
        self.options.ticket_lifetime = life;
        self
    }

    /// How long an agent takes to answer a message; 150 ms unless set.
    /// `conversations.send` answers at once.
    pub fn reply_delay(mut self, delay: Duration) -> Self {
        self.options.reply_delay = delay;
        self
    }

    /// Whether a new agent has a first test conversation, as it does unless switched off.
    pub fn first_conversation(mut self, on: bool) -> Self {
        self.options.first_conversation = on;
        self
    }

    /// Whether a customer writes in it by itself, as it does unless switched off: a greeting that
    /// is there from the start, and two questions after the first stream on it has opened.
    pub fn customer_writes(mut self, on: bool) -> Self {
        self.options.customer_writes = on;
        self
    }

    /// How long the customer waits before each of these questions; 400 ms unless set.
    pub fn customer_pause(mut self, pause: Duration) -> Self {
        self.options.customer_pause = pause;
        self
    }
}

/// What the team has, and what its plan allows.
impl EmulatorBuilder {
    /// How many agents there may be; then 403 `agent_limit_reached`.
    pub fn agent_limit(mut self, most: usize) -> Self {
        self.options.agent_limit = Some(most);
        self
    }

    /// How many integrations an agent may have; then 409 `integration_limit_reached`.
    pub fn integration_limit(mut self, most: usize) -> Self {
        self.options.integration_limit = Some(most);
        self
    }

    /// Whether an onboarding URL has to be followed ([`Emulator::complete_onboarding`]) before
    /// the integration is connected; unless switched on, it is connected at once.
    pub fn manual_onboarding(mut self, on: bool) -> Self {
        self.options.manual_onboarding = on;
        self
    }

    /// Whether `phone_numbers.requests.create` answers with a body; documented is one without.
    pub fn phone_number_request_body(mut self, on: bool) -> Self {
        self.options.phone_request_body = on;
        self
    }

    /// Whether the lists of phone numbers have an empty `meta`, as the reference shows it.
    pub fn empty_phone_number_meta(mut self, on: bool) -> Self {
        self.options.empty_phone_meta = on;
        self
    }

    /// Whether the rules, flows and FAQs of the public library hold an empty array each beside
    /// the true items, as the live API is known to have.
    pub fn placeholders(mut self, on: bool) -> Self {
        self.options.placeholders = on;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// When the port cannot be had or a thread cannot be started.
    pub fn start(self) -> io::Result<Emulator> {
        let mut state = State::default();
        library::add(&mut state, self.options.placeholders)?;
        let shared = Shared::new(self.options, state);
        Server::start(shared, self.port).map(Emulator::new)
    }
}

impl fmt::Debug for EmulatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorBuilder")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

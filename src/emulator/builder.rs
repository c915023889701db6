//! The builder of an emulator.

use std::fmt;
use std::io;
use std::time::Duration;

use super::generation::Generation;
use super::handle::Emulator;
use super::options::{Key, Options, ScriptedReply};
use super::rate_limit::{Kind, RateLimit};
use super::resources::library;
use super::server::Server;
use super::shared::Shared;
use super::state::State;

/// Configures and starts an [`Emulator`]. Created by [`Emulator::builder`].
///
/// ```
/// use std::time::Duration;
///
/// use bimpeai::emulator::Emulator;
///
/// # fn main() -> std::io::Result<()> {
/// let emulator = Emulator::builder()
///     .api_key("sk_test")
///     .rate_limit(120, Duration::from_secs(60))
///     .replies("opening hours", "We are open from 12 to 22.")
///     .start()?;
/// println!("{}", emulator.base_url());
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "nothing runs until `start`"]
pub struct EmulatorBuilder {
    port: u16,
    options: Options,
}

/// Starting.
impl Emulator {
    /// Starts an emulator on a free port, with a random API key.
    ///
    /// # Errors
    ///
    /// Returns an error if no port is free or a thread cannot be started.
    pub fn start() -> io::Result<Emulator> {
        Emulator::builder().start()
    }

    /// Returns a builder that configures an emulator before it starts.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }
}

/// The server and its API keys.
impl EmulatorBuilder {
    /// Sets the port on 127.0.0.1. 0 takes a free one. Default: 0.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the API key with all scopes. Default: a random one.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.options.api_key = key.into();
        self
    }

    /// Adds an API key with these scopes only (`agents:read`, `conversations:write`, …).
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

    /// Adds an API key that has expired.
    pub fn expired_key(mut self, key: impl Into<String>) -> Self {
        self.options.keys.push(Key {
            text: key.into(),
            scopes: None,
            expired: true,
        });
        self
    }

    /// Limits each API key to `requests` in a fixed window, and refuses the rest with 429
    /// `rate_limited` and `Retry-After`. Default: no limit, and no rate headers.
    ///
    /// The last call of `rate_limit`, [`token_bucket`](EmulatorBuilder::token_bucket) and
    /// [`sliding_log`](EmulatorBuilder::sliding_log) counts. Each kind of limiter sends what
    /// servers of its kind send:
    ///
    /// | | fixed window | token bucket | sliding log |
    /// |---|---|---|---|
    /// | `X-RateLimit-Limit` | `requests` | `burst` | `requests` |
    /// | `X-RateLimit-Remaining` | requests left in the window | whole tokens left | requests left in the last window |
    /// | `X-RateLimit-Reset` | end of the window | when the bucket is full | when the oldest request leaves the window |
    /// | `Retry-After` | end of the window | the next token | when the oldest request leaves the window |
    ///
    /// Both times are in whole seconds, rounded up, of the emulator's clock. A refused request
    /// takes no room; [`Emulator::rate_limited_requests`] counts it.
    pub fn rate_limit(self, requests: u64, window: Duration) -> Self {
        self.limit(Kind::FixedWindow, requests, window)
    }

    /// Limits each API key by a token bucket: `burst` requests at once, refilled at the rate of
    /// `requests` per `window`. See [`rate_limit`](EmulatorBuilder::rate_limit).
    pub fn token_bucket(self, requests: u64, window: Duration, burst: u64) -> Self {
        self.limit(Kind::TokenBucket { burst }, requests, window)
    }

    /// Limits each API key to `requests` in any `window`, at whatever time it starts. See
    /// [`rate_limit`](EmulatorBuilder::rate_limit).
    pub fn sliding_log(self, requests: u64, window: Duration) -> Self {
        self.limit(Kind::SlidingLog, requests, window)
    }

    fn limit(mut self, kind: Kind, requests: u64, window: Duration) -> Self {
        self.options.rate_limit = Some(RateLimit {
            kind,
            requests,
            window,
        });
        self
    }

    /// Sets how long the emulator remembers an `Idempotency-Key`, from its first use, on the
    /// emulator's clock. A request that repeats a forgotten key is performed again. With zero, no
    /// key is remembered. Default: no limit of time.
    pub fn idempotency_window(mut self, window: Duration) -> Self {
        self.options.idempotency.window = Some(window);
        self
    }

    /// Refuses a request with 409 `conflict` while an identical request with the same
    /// `Idempotency-Key` is in progress. Default: false, it waits and gets the same result.
    ///
    /// [`Fault::delay`](super::Fault::delay) keeps a request in progress.
    pub fn conflict_while_in_progress(mut self, on: bool) -> Self {
        self.options.idempotency.conflicts = on;
        self
    }

    /// Sets whether a replayed response has the header `Idempotent-Replayed: true`, as some servers
    /// send it. The API does not document one. Default: false.
    pub fn replay_header(mut self, on: bool) -> Self {
        self.options.idempotency.marks_replays = on;
        self
    }

    /// Stores validation errors under the request's `Idempotency-Key` too: the same key gets the
    /// same error again, and 409 `conflict` with a corrected body. Default: false. All other
    /// errors of an operation are always stored.
    pub fn stored_validation_errors(mut self, on: bool) -> Self {
        self.options.stored_validation_errors = on;
        self
    }

    /// Sets the maximum size of the log of [requests](Emulator::requests) in bytes, bodies and
    /// headers included. With 0 nothing is recorded. Default: 32 MiB.
    pub fn request_log_limit(mut self, bytes: usize) -> Self {
        self.options.request_log_limit = bytes;
        self
    }
}

/// The API's generation, and documented variants.
impl EmulatorBuilder {
    /// Sets which generation of the API is served. Default: [`Generation::Both`].
    ///
    /// [`Generation::Current`] finds the requests that the live API would refuse:
    ///
    /// ```
    /// use bimpeai::agents::CreateAgent;
    /// use bimpeai::emulator::{Emulator, Generation};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = Emulator::builder().generation(Generation::Current).start()?;
    /// let client = emulator.client_builder().build()?;
    /// let refused = client.agents().create(CreateAgent::new("Ada")).send();
    /// assert!(refused.unwrap_err().to_string().contains("workflow_id"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn generation(mut self, generation: Generation) -> Self {
        self.options.generation = generation;
        self
    }

    /// Returns validation errors in the form of the older errors guide: `{code, message, errors}`.
    /// Default: false.
    pub fn guide_errors(mut self, on: bool) -> Self {
        self.options.guide_errors = on;
        self
    }

    /// Returns 201 without a body where the API documents that beside 200 with one:
    /// `actions.enable` and `disable`, `pipedream.configure`, `mcp_server.test` and `discover`.
    /// Default: false.
    pub fn bodyless_successes(mut self, on: bool) -> Self {
        self.options.bodyless_successes = on;
        self
    }

    /// Sets whether `phone_numbers.requests.create` returns a body. The API documents a response
    /// without one. Default: false.
    pub fn phone_number_request_body(mut self, on: bool) -> Self {
        self.options.phone_request_body = on;
        self
    }

    /// Sets whether lists of phone numbers have an empty `meta`, as the API reference shows it.
    /// Default: false.
    pub fn empty_phone_number_meta(mut self, on: bool) -> Self {
        self.options.empty_phone_meta = on;
        self
    }

    /// Sets whether the rules, flows and FAQs of the public library contain an empty array beside
    /// the real items, as the live API is known to do. Default: false.
    pub fn placeholders(mut self, on: bool) -> Self {
        self.options.placeholders = on;
        self
    }
}

/// Conversations, calls and streams.
impl EmulatorBuilder {
    /// Sets the interval of heartbeats on an open stream. Default: 20 s.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.options.heartbeat = every.max(Duration::from_millis(1));
        self
    }

    /// Sends a `retry:` line at the start of each stream. Default: none.
    pub fn retry_line(mut self, wait: Duration) -> Self {
        self.options.retry_line = Some(wait);
        self
    }

    /// Sets whether streams use chunked transfer coding. Otherwise they end with the connection.
    /// Default: true.
    pub fn chunked_streams(mut self, on: bool) -> Self {
        self.options.chunked_streams = on;
        self
    }

    /// Limits the number of streams open at once. Further ones are refused with 429
    /// `too_many_streams`. Default: no limit.
    pub fn max_streams(mut self, limit: usize) -> Self {
        self.options.max_streams = Some(limit);
        self
    }

    /// Refuses streams above the limit with the code `too_many_requests`, as the API reference
    /// has it. Default: false.
    pub fn too_many_requests_for_streams(mut self, on: bool) -> Self {
        self.options.stream_limit_code = if on {
            "too_many_requests"
        } else {
            "too_many_streams"
        };
        self
    }

    /// Sets how long a stream ticket is valid. Default: 60 s.
    pub fn ticket_lifetime(mut self, life: Duration) -> Self {
        self.options.ticket_lifetime = life;
        self
    }

    /// Sets how long an agent takes to reply to a message. The response of `conversations.send`
    /// contains the reply at once, unless [`late_replies`](EmulatorBuilder::late_replies) is set.
    /// Default: 150 ms.
    pub fn reply_delay(mut self, delay: Duration) -> Self {
        self.options.reply_delay = delay;
        self
    }

    /// Sets whether `conversations.send` returns before the agent replies. The response is then
    /// the caller's own message. The reply follows after the
    /// [`reply_delay`](EmulatorBuilder::reply_delay), as a message and on streams. Default: false.
    pub fn late_replies(mut self, on: bool) -> Self {
        self.options.late_replies = on;
        self
    }

    /// Sets whether the response of `conversations.send` contains a `conversation_id`, which the
    /// API does not document. Default: true.
    pub fn conversation_ids(mut self, on: bool) -> Self {
        self.options.conversation_ids = on;
        self
    }

    /// Adds a scripted reply: agents reply with `text` to a message that contains all of these
    /// words, in any order and case. With no words it is the reply to every message. With an
    /// empty text agents do not reply.
    ///
    /// Scripted replies come before what an agent knows. Of several that fit, the one that was
    /// added first is given.
    ///
    /// ```
    /// use bimpeai::conversations::CreateConversationMessage;
    /// use bimpeai::emulator::Emulator;
    /// # use bimpeai::agents::CreateAgent;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = Emulator::builder()
    ///     .replies("order status", "Order 7 is on its way. [HANDOFF]")
    ///     .start()?;
    /// let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// let question = CreateConversationMessage::new("What is my order status?")
    ///     # .channel_type(bimpeai::conversations::ChannelType::Whatsapp)
    ///     .channel_user_id("+2348012345678");
    /// let reply = client.conversations().send(&agent.id, question).send()?;
    /// assert!(reply.message.is_some_and(|text| text.ends_with("[HANDOFF]")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn replies(mut self, words: impl Into<String>, text: impl Into<String>) -> Self {
        let (words, text) = (words.into(), text.into());
        self.options.replies.push(ScriptedReply { words, text });
        self
    }

    /// Sets whether the test WhatsApp channel refuses numbers that have never written first, as
    /// the live API does. [`Emulator::customer_contacts`] writes first. Default: false.
    pub fn test_whatsapp_opt_in(mut self, on: bool) -> Self {
        self.options.test_whatsapp_opt_in = on;
        self
    }

    /// Sets how long each step of a call takes on the emulator's clock, which
    /// [`advance_clock`](Emulator::advance_clock) advances. Default: none, a call moves one step
    /// on each time it is retrieved.
    ///
    /// The last four digits of the number decide the sequence of statuses:
    ///
    /// | number | course |
    /// |---|---|
    /// | …0000 | `busy` at once |
    /// | …9999 | `failed` at once |
    /// | …8888 | `queued`, `ringing`, `ended` without `answered_at`: nobody picks up |
    /// | …7777 | `queued`, `ringing`, and ends with `voicemail`, a status that the SDK does not know |
    /// | …6666 | `queued`, `ringing`, `answered`, `transferring` (not known either), `ended` |
    /// | others | `queued`, `ringing`, `answered`, `ended` |
    pub fn call_step(mut self, step: Duration) -> Self {
        self.options.call_step = Some(step);
        self
    }

    /// Sets whether a call has no transcript until one step after its end. Default: false, the
    /// transcript grows during the call.
    pub fn late_transcripts(mut self, on: bool) -> Self {
        self.options.late_transcripts = on;
        self
    }

    /// Sets whether a new agent has a first test conversation. Default: true.
    pub fn first_conversation(mut self, on: bool) -> Self {
        self.options.first_conversation = on;
        self
    }

    /// Sets whether a customer writes in the first conversation: a greeting at its start, and two
    /// questions after its first stream has opened. Default: true.
    pub fn customer_writes(mut self, on: bool) -> Self {
        self.options.customer_writes = on;
        self
    }

    /// Sets how long the customer waits before each of these questions. Default: 400 ms.
    pub fn customer_pause(mut self, pause: Duration) -> Self {
        self.options.customer_pause = pause;
        self
    }
}

/// The team's plan, and starting.
impl EmulatorBuilder {
    /// Limits the number of agents. Further ones are refused with 400 `agent_limit_reached`, as by
    /// the live API. Default: no limit.
    pub fn agent_limit(mut self, limit: usize) -> Self {
        self.options.agent_limit = Some(limit);
        self
    }

    /// Sets the status of the error above the agent limit, such as 403. The API does not document
    /// it. Default: 400.
    pub fn agent_limit_status(mut self, status: u16) -> Self {
        self.options.agent_limit_status = status;
        self
    }

    /// Limits the number of integrations per agent. Further ones are refused with 409
    /// `integration_limit_reached`. Default: no limit.
    pub fn integration_limit(mut self, limit: usize) -> Self {
        self.options.integration_limit = Some(limit);
        self
    }

    /// Sets whether an onboarding URL must be followed with [`Emulator::complete_onboarding`]
    /// before the integration is connected. Default: false, it is connected at once.
    pub fn manual_onboarding(mut self, on: bool) -> Self {
        self.options.manual_onboarding = on;
        self
    }

    /// Starts the emulator.
    ///
    /// # Errors
    ///
    /// Returns an error if the port is taken or a thread cannot be started.
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

//! An in-process Console API, in memory, on 127.0.0.1: for your own tests, for trying things out
//! without a key, and for this crate's own tests and examples.
//!
//! It speaks all operations of both generations of the API with the rules of the wire: required
//! fields, lengths, enums, error codes, pagination, idempotent replay, single-use stream tickets and
//! live streams with heartbeats. It starts with a public library of workflows; an agent that is
//! created on one answers messages from its knowledge bases, and has a first test conversation in
//! which a customer writes by itself.
//!
//! Beside the API it has what the API has not: a [record](Emulator::requests) of the requests
//! that came, [faults](Fault) on demand, and methods by which a test is the outside world.
//!
//! Its API may change in any 0.x release.
//!
//! ```
//! use bimpeai::emulator::Emulator;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start()?;
//! println!("{} takes {}", emulator.base_url(), emulator.api_key());
//! let client = emulator.client_builder().max_retries(0).build()?;
//! assert!(client.workflows().list().send()?.data.len() >= 10);
//! # Ok(())
//! # }
//! ```
//!
//! Where the documents leave a choice, this is the emulator's:
//!
//! - Lists are in the order of creation, oldest first, unless `sort` says otherwise.
//! - `agents.create` with a `workflow_id` follows the current rules, without one those of the first
//!   generation; `workflows.create` follows those of the first when it has a `prompt_config`.
//! - Workflows of the public library answer 404 to an update or a delete.
//! - A call goes one step further each time it is retrieved: queued, ringing, answered, ended.
//!   A number that ends in 0000 is busy, one that ends in 9999 cannot be reached.
//! - Credentials that contain "bad" or "invalid" are refused.
//! - Up to 10,000 stream tickets can wait to be used. Beyond that, the oldest expire early.
//! - UUIDs are compared without case: the ids of webchat visitors, and idempotency keys that are
//!   UUIDs.
//! - `HEAD` returns the headers of `GET` without the body.
//! - Any result of a write, except a validation error, is stored and replayed to the same
//!   `Idempotency-Key`. Stored results take up to 32 MiB, request bodies included. Beyond that the
//!   emulator forgets the oldest keys: a request that repeats a forgotten key is performed again.

mod builder;
mod clock;
mod context;
mod dispatch;
mod fault;
mod http;
mod idempotency;
mod ids;
mod options;
mod pagination;
mod pattern;
mod rate_limit;
mod request_log;
mod resources;
mod responder;
mod response;
mod routes;
mod scheduler;
mod schema;
mod server;
mod shared;
mod state;
mod stream;
mod sync;
mod table;
mod tickets;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use self::fault::StreamFault;
use self::pattern::Pattern;
use self::resources::{conversations, integrations, phone_numbers};
use self::response::ErrorResponse;
use self::server::Server;
use self::shared::Shared;
use self::state::{State, text};
use self::sync::lock;

use crate::client::{Client, ClientBuilder};

pub use self::builder::EmulatorBuilder;
pub use self::fault::Fault;
pub use self::request_log::RecordedRequest;

/// A running emulator.
///
/// Clones are handles to the same one; it stops when the last is dropped, or by
/// [`shutdown`](Emulator::shutdown).
///
/// # Panics
///
/// The methods that act as the outside world panic when an id is not known: in a test that is a
/// mistake of the test.
#[derive(Clone)]
pub struct Emulator {
    server: Arc<Server>,
    base_url: String,
}

/// Starting and stopping, and where it is.
impl Emulator {
    /// Starts one on a free port, with a random key.
    ///
    /// # Errors
    ///
    /// When no port can be had or a thread cannot be started.
    pub fn start() -> io::Result<Emulator> {
        Emulator::builder().start()
    }

    /// Sets one up before it starts.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// `http://127.0.0.1:PORT`; the API's prefix comes after it.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The key with all scopes.
    pub fn api_key(&self) -> &str {
        &self.shared().options.api_key
    }

    /// A builder of clients of this emulator, with the key that has all scopes.
    pub fn client_builder(&self) -> ClientBuilder {
        Client::builder(self.api_key()).base_url(self.base_url())
    }

    /// Stops it: closes all connections and ends all threads. Later calls do nothing.
    pub fn shutdown(&self) {
        self.server.shutdown();
    }
}

/// What came.
impl Emulator {
    /// Returns the received requests in the order received.
    ///
    /// The log is bounded in bytes, bodies and headers included: 32 MiB unless
    /// [`request_log_limit`](EmulatorBuilder::request_log_limit) says otherwise. The oldest
    /// requests make room for new ones; [`dropped_requests`](Emulator::dropped_requests) counts
    /// them. A request that is not HTTP is not recorded.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.shared().requests).all()
    }

    /// Returns the received requests that have this method and path, in the order received.
    ///
    /// `method` and `path` select as in [`Fault::on`].
    ///
    /// ```
    /// # use bimpeai::emulator::Emulator;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = Emulator::start()?;
    /// emulator.client_builder().build()?.agents().list().send()?;
    /// assert_eq!(emulator.requests_to("GET", "/agents").len(), 1);
    /// assert_eq!(emulator.requests_to("POST", "/**").len(), 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if no request can ever match, as [`Fault::on`] does.
    #[track_caller]
    pub fn requests_to(&self, method: &str, path: &str) -> Vec<RecordedRequest> {
        let pattern = match Pattern::new(method, path) {
            Ok(pattern) => pattern,
            Err(problem) => panic!("{problem}"),
        };
        lock(&self.shared().requests).matching(&pattern)
    }

    /// Returns how many requests are missing from [`requests`](Emulator::requests) because the
    /// log was full. [`clear_requests`](Emulator::clear_requests) resets it to 0.
    pub fn dropped_requests(&self) -> u64 {
        lock(&self.shared().requests).dropped()
    }

    /// Clears the log of received requests.
    pub fn clear_requests(&self) {
        lock(&self.shared().requests).clear();
    }

    /// How many streams are open now.
    pub fn open_streams(&self) -> usize {
        self.shared().state().streams.len()
    }

    /// How many streams have been opened so far.
    pub fn opened_streams(&self) -> u64 {
        self.shared().state().streams_opened
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.server.open_connections()
    }

    /// How many connections have been accepted so far.
    pub fn accepted_connections(&self) -> u64 {
        self.server.accepted_connections()
    }
}

/// Faults and time.
impl Emulator {
    /// Adds a fault for the requests or streams that it selects.
    pub fn fault(&self, fault: Fault) {
        lock(&self.shared().faults).add(fault);
    }

    /// Returns the faults that have not fired once, in the order in which they were added.
    ///
    /// At the end of a test it shows a fault whose request was never sent. A fault of a stream
    /// fires when it takes effect: [`Fault::cut(3)`](Fault::cut) on a stream that sent two
    /// messages has not fired.
    ///
    /// ```
    /// # use bimpeai::emulator::{Emulator, Fault};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = Emulator::start()?;
    /// emulator.fault(Fault::status(503).retry_after(0).on("GET", "/agents"));
    /// emulator.client_builder().build()?.agents().list().send()?;
    /// assert_eq!(emulator.unmet_faults(), []);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unmet_faults(&self) -> Vec<Fault> {
        lock(&self.shared().faults).unmet()
    }

    /// Removes all faults that could still fire.
    pub fn clear_faults(&self) {
        lock(&self.shared().faults).clear();
    }

    /// Cuts a stream in the middle of the message after `after_messages` more. It meets the streams
    /// that are open; when none is, the next to open.
    pub fn cut_stream_in_mid_event(&self, after_messages: usize) {
        let ordered = self.shared().change(|state| {
            for stream in state.streams.values_mut() {
                stream.order = Some(StreamFault::CutInMidEvent(after_messages));
            }
            state.streams.len()
        });
        if ordered == 0 {
            self.fault(Fault::cut_in_mid_event(after_messages));
        }
    }

    /// Ends all open streams now, in good order.
    pub fn end_streams(&self) {
        self.shared().change(|state| {
            for stream in state.streams.values_mut() {
                stream.over = true;
            }
        });
    }

    /// Moves the emulator's clock ahead: tickets expire, rate windows end, new things are later.
    pub fn advance_clock(&self, by: Duration) {
        self.shared().clock.advance(by);
    }
}

/// What the world outside does.
impl Emulator {
    /// A customer writes in a conversation, and the agent will answer. The id of the message.
    #[track_caller]
    pub fn customer_says(&self, agent_id: &str, conversation_id: &str, message: &str) -> String {
        let options = &self.shared().options;
        self.outside(|state| {
            let said = state.say(agent_id, conversation_id, "user", message)?;
            let id = text(said, "id").to_owned();
            responder::reply_later(state, options, agent_id, conversation_id, message);
            Ok(id)
        })
    }

    /// Adds a message in any role, to which nobody answers. Its id.
    #[track_caller]
    pub fn push_message(
        &self,
        agent_id: &str,
        conversation_id: &str,
        role: &str,
        message: &str,
    ) -> String {
        self.outside(|state| {
            let said = state.say(agent_id, conversation_id, role, message)?;
            Ok(text(said, "id").to_owned())
        })
    }

    /// Opens a conversation on a channel (`whatsapp`, `test_webchat`, `instagram`, …). Its id.
    #[track_caller]
    pub fn add_conversation(&self, agent_id: &str, channel: &str) -> String {
        let (channel, is_test) = conversations::split_channel(channel);
        let user = match channel {
            "whatsapp" | "telephony" => ids::phone_number(),
            _ => ids::uuid(),
        };
        self.outside(|state| state.open_conversation(agent_id, channel, is_test, Some(&user), None))
    }

    /// Connects a live channel (`whatsapp`, `telephony`, …) to an agent. Its id.
    #[track_caller]
    pub fn connect_channel(&self, agent_id: &str, channel: &str) -> String {
        self.outside(|state| {
            let id = state.next_id();
            let channels = &mut state.agent_mut(agent_id)?.channels;
            channels.insert(channel.to_owned(), id.clone());
            Ok(id)
        })
    }

    /// Gives the team a phone number, and with it answers the oldest request that is under
    /// review. The id of the number.
    #[track_caller]
    pub fn assign_phone_number(&self, e164: &str, agent_id: Option<&str>) -> String {
        self.outside(|state| {
            agent_id.map(|id| state.agent(id)).transpose()?;
            Ok(phone_numbers::assign(state, e164, agent_id))
        })
    }

    /// Follows an onboarding URL to its end: connects `google_calendar`, `google_sheets` or a
    /// Pipedream app. Only with [`EmulatorBuilder::manual_onboarding`] is it needed.
    #[track_caller]
    pub fn complete_onboarding(&self, agent_id: &str, integration: &str) {
        self.outside(|state| integrations::onboard(state, agent_id, integration));
    }

    fn new(server: Server) -> Emulator {
        let base_url = format!("http://{}", server.address);
        Emulator {
            server: Arc::new(server),
            base_url,
        }
    }

    fn shared(&self) -> &Shared {
        &self.server.shared
    }

    #[track_caller]
    fn outside<T>(&self, act: impl FnOnce(&mut State) -> Result<T, ErrorResponse>) -> T {
        match self.shared().change(act) {
            Ok(done) => done,
            Err(refusal) => panic!("{}", refusal.message),
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

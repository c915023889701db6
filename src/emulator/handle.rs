//! The handle of a running emulator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::dispatch;
use super::fault::{Fault, StreamFault};
use super::ids;
use super::pattern::Pattern;
use super::request_log::RecordedRequest;
use super::resources::{conversations, integrations, phone_numbers};
use super::responder;
use super::response::ErrorResponse;
use super::server::Server;
use super::shared::Shared;
use super::state::{State, text};
use super::sync::lock;
use crate::client::{Client, ClientBuilder};

/// A running emulator.
///
/// Clones are handles to the same emulator. It stops when the last handle is dropped, or by
/// [`shutdown`](Emulator::shutdown).
///
/// # Panics
///
/// The methods that act as the outside world panic if an id is unknown, because the test is wrong
/// then.
#[derive(Clone)]
pub struct Emulator {
    server: Arc<Server>,
    base_url: String,
}

/// Address, key and shutdown.
impl Emulator {
    /// Returns the base URL, `http://127.0.0.1:PORT`, without the API's prefix.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Returns the API key with all scopes.
    pub fn api_key(&self) -> &str {
        &self.shared().options.api_key
    }

    /// Returns a builder of clients for this emulator, with the API key that has all scopes.
    pub fn client_builder(&self) -> ClientBuilder {
        Client::builder(self.api_key()).base_url(self.base_url())
    }

    /// Stops the emulator: closes all connections and ends all threads. Later calls do nothing.
    pub fn shutdown(&self) {
        self.server.shutdown();
    }
}

/// Requests, streams and connections.
impl Emulator {
    /// Returns the received requests in the order received.
    ///
    /// The log is bounded in bytes, bodies and headers included: 32 MiB unless
    /// [`request_log_limit`] sets another size. The oldest requests make room for new ones;
    /// [`dropped_requests`](Emulator::dropped_requests) counts them. A request that is not HTTP
    /// is not recorded.
    ///
    /// [`request_log_limit`]: super::EmulatorBuilder::request_log_limit
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

    /// Returns the `data` that a `GET` of this path would return, without a request: nothing is
    /// recorded, no fault fires, no rate limit counts, and no call moves on.
    ///
    /// `path` is below the API's prefix, with a query where that is needed. A list has all of its
    /// items, unless the query has a `limit`. What does not exist is `Null`.
    ///
    /// ```
    /// use bimpeai::agents::CreateAgent;
    /// use bimpeai::emulator::Emulator;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = Emulator::start()?;
    /// let client = emulator.client_builder().build()?;
    /// let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// assert_eq!(emulator.state("/agents")[0]["name"], "Ada");
    /// let detail = emulator.state(&format!("/agents/{}", agent.id));
    /// assert_eq!(detail["language"], "en");
    /// assert!(emulator.state("/agents/none").is_null());
    /// assert_eq!(emulator.requests().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if no operation reads this path, or if the query is invalid.
    #[track_caller]
    pub fn state(&self, path: &str) -> Value {
        match dispatch::peek(self.shared(), path) {
            Ok(data) => data,
            Err(error) if error.status == 404 => Value::Null,
            Err(error) => panic!("{}", error.text()),
        }
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

    /// Returns how many requests a rate limit has refused since the start.
    pub fn rate_limited_requests(&self) -> u64 {
        self.shared().state().rate_limited
    }

    /// Returns how many streams are open now.
    pub fn open_streams(&self) -> usize {
        self.shared().state().streams.len()
    }

    /// Returns how many streams have been opened since the start.
    pub fn opened_streams(&self) -> u64 {
        self.shared().state().streams_opened
    }

    /// Returns how many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.server.open_connections()
    }

    /// Returns how many connections have been accepted since the start.
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

    /// Cuts a stream in the middle of a message, after `after_messages` more messages. Applies to
    /// the open streams or, if there are none, to the next one.
    pub fn cut_stream_in_mid_event(&self, after_messages: usize) {
        let open = self.shared().change(|state| {
            for stream in state.streams.values_mut() {
                stream.order = Some(StreamFault::CutInMidEvent(after_messages));
            }
            state.streams.len()
        });
        if open == 0 {
            self.fault(Fault::cut_in_mid_event(after_messages));
        }
    }

    /// Ends all open streams cleanly.
    pub fn end_streams(&self) {
        self.shared().change(|state| {
            for stream in state.streams.values_mut() {
                stream.over = true;
            }
        });
    }

    /// Advances the emulator's clock: tickets expire, rate limits reset, and what is created
    /// later has a later time.
    pub fn advance_clock(&self, by: Duration) {
        self.shared().clock.advance(by);
    }
}

/// The outside world: customers, channels and the vendor.
impl Emulator {
    /// Writes a message as the customer of a conversation and returns its id. The agent replies.
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

    /// Writes a message as the customer with this id on a channel (`whatsapp`, `test_webchat`, …)
    /// and returns the id of the conversation. Opens a conversation if there is none. The agent
    /// replies.
    ///
    /// `user_id` is a phone number in E.164 form on `whatsapp` and `telephony`, or a visitor's id.
    #[track_caller]
    pub fn customer_contacts(
        &self,
        agent_id: &str,
        channel: &str,
        user_id: &str,
        message: &str,
    ) -> String {
        let conversation =
            self.outside(|state| conversations::contacted_by(state, agent_id, channel, user_id));
        self.customer_says(agent_id, &conversation, message);
        conversation
    }

    /// Adds a message in any role and returns its id. Nobody replies.
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

    /// Opens a conversation with a new customer on a channel (`whatsapp`, `test_webchat`,
    /// `instagram`, …) and returns its id.
    #[track_caller]
    pub fn add_conversation(&self, agent_id: &str, channel: &str) -> String {
        let (channel, is_test) = conversations::split_channel(channel);
        let user = match channel {
            "whatsapp" | "telephony" => ids::phone_number(),
            _ => ids::uuid(),
        };
        self.outside(|state| state.open_conversation(agent_id, channel, is_test, Some(&user), None))
    }

    /// Connects a live channel (`whatsapp`, `telephony`, …) to an agent and returns its id.
    #[track_caller]
    pub fn connect_channel(&self, agent_id: &str, channel: &str) -> String {
        self.outside(|state| {
            let id = state.next_id();
            let channels = &mut state.agent_mut(agent_id)?.channels;
            channels.insert(channel.to_owned(), id.clone());
            Ok(id)
        })
    }

    /// Assigns a phone number to the team and returns the number's id. The number fulfills the
    /// oldest request under review.
    #[track_caller]
    pub fn assign_phone_number(&self, e164: &str, agent_id: Option<&str>) -> String {
        self.outside(|state| {
            agent_id.map(|id| state.agent(id)).transpose()?;
            Ok(phone_numbers::assign(state, e164, agent_id))
        })
    }

    /// Follows an onboarding URL to its end: connects `google_calendar`, `google_sheets` or a
    /// Pipedream app. Needed only with [`manual_onboarding`].
    ///
    /// [`manual_onboarding`]: super::EmulatorBuilder::manual_onboarding
    #[track_caller]
    pub fn complete_onboarding(&self, agent_id: &str, integration: &str) {
        self.outside(|state| integrations::onboard(state, agent_id, integration));
    }

    pub(super) fn new(server: Server) -> Emulator {
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
            Err(error) => panic!("{}", error.text()),
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

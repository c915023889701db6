//! Phone calls of agents: `client.calls()`.

mod wait;

use crate::client::{Client, handle};
use crate::conversations::{Message, MessageAttachment};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{Timestamp, body, object, open_enum};

pub use wait::WaitRequest;

impl Client {
    /// Returns the handle for phone calls.
    pub fn calls(&self) -> Calls {
        Calls::new(self)
    }
}

handle! {
    /// The phone calls of agents, from [`Client::calls`].
    pub struct Calls;
}

impl Calls {
    /// Lists the calls of an agent. The filters are methods of [`ListRequest`].
    ///
    /// `GET /agents/{agent_id}/calls`. API 0.2+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// use bimpeai::calls::CallStatus;
    ///
    /// // Numbers to call again.
    /// let busy = client.calls().list(&agent.id).status(CallStatus::Busy);
    /// for call in busy.is_test_call(false) {
    ///     println!("{}", call?.destination);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ListCallsQuery")]
    pub fn list(&self, agent_id: impl AsRef<str>) -> ListRequest<Call> {
        ListRequest::new(&self.client, root(agent_id), |call| &call.id)
    }

    /// Lists all calls of the team. The official SDKs for API 0.1 call this operation
    /// `calls.list()`.
    ///
    /// The API has always refused this with a 501, `not_implemented`. Use [`list`](Self::list).
    ///
    /// `GET /calls`. API 0.1 only.
    pub fn list_all(&self) -> Request<Vec<Call>> {
        Request::get(&self.client, Path::new("calls"))
    }

    /// Places an outbound phone call.
    ///
    /// Retries are safe: all attempts share one idempotency key, so the phone rings once.
    ///
    /// A test call uses BimpeAI's own line. A real call requires a telephony channel of the agent.
    /// Without one, `send` returns [`Error::Api`](crate::Error::Api) with the code
    /// [`channel_not_configured`](crate::error::ErrorCode::ChannelNotConfigured).
    ///
    /// The result arrives before the conversation starts. To follow the call, use
    /// [`wait`](Self::wait).
    ///
    /// `POST /agents/{agent_id}/calls`. API 0.2+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// use bimpeai::calls::{MakeCall, MakeCallStatus};
    ///
    /// let test_call = MakeCall::new("+2348012345678", true);
    /// let made = client.calls().make(&agent.id, test_call).send()?;
    /// match (made.status, made.call_id) {
    ///     (MakeCallStatus::Initiated, Some(id)) => println!("placed: {id}"),
    ///     (status, _) => {
    ///         println!("{status}: {}", made.detail.unwrap_or_default());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn make(&self, agent_id: impl AsRef<str>, body: MakeCall) -> Request<MakeCallResult> {
        Request::post(&self.client, root(agent_id), &body)
    }

    /// Returns a call with its transcript.
    ///
    /// The transcript is complete once the call is over. The API sends no notification at the end
    /// of a call; [`wait`](Self::wait) polls for it.
    ///
    /// `GET /agents/{agent_id}/calls/{call_id}`. API 0.2+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # use bimpeai::calls::MakeCall;
    /// # let test_call = MakeCall::new("+2348012345678", true);
    /// # let made = client.calls().make(&agent.id, test_call).send()?;
    /// # let call_id = made.call_id.unwrap_or_default();
    /// let call = client.calls().retrieve(&agent.id, &call_id).send()?;
    /// if call.is_over() {
    ///     print!("{}", call.transcript());
    /// } else {
    ///     println!("{} is still {}", call.destination, call.status);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn retrieve(
        &self,
        agent_id: impl AsRef<str>,
        call_id: impl AsRef<str>,
    ) -> Request<CallDetail> {
        Request::get(&self.client, root(agent_id).id("call_id", call_id))
    }
}

fn root(agent_id: impl AsRef<str>) -> Path {
    Path::new("agents").id("agent_id", agent_id).then("calls")
}

impl ListRequest<Call> {
    /// Filters by test calls (`true`) or real ones (`false`). Default: both. API 0.2+.
    pub fn is_test_call(self, is_test_call: bool) -> Self {
        self.filter("is_test_call", is_test_call)
    }

    /// Filters by status. API 0.2+.
    pub fn status(self, status: impl Into<CallStatus>) -> Self {
        self.filter("status", status.into())
    }
}

open_enum! {
    /// The status of a call. API 0.2+.
    ///
    /// `ended`, `busy`, `failed` and `cancelled` are final; see [`is_final`](Self::is_final).
    pub enum CallStatus ("status of a call") {
        /// Waiting to be placed.
        Queued = "queued",
        /// Ringing.
        Ringing = "ringing",
        /// Answered and in progress.
        Answered = "answered",
        /// Over. If `answered_at` is not set, probably nobody picked up.
        Ended = "ended",
        /// The line was busy.
        Busy = "busy",
        /// The call could not be placed.
        Failed = "failed",
        /// Cancelled before it was answered.
        Cancelled = "cancelled",
    }
}

/// The fields that a call has both in lists and alone.
macro_rules! call {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        object! {
            $(#[$meta])*
            pub struct $name {
                /// Identifier.
                [required] id: String,
                /// Number of the caller (E.164).
                source: Option<String>,
                /// Number to which the call is placed (E.164).
                destination: String,
                /// Current status. To test whether the call is over, use
                /// [`is_over`](Self::is_over).
                status: CallStatus,
                /// Direction of the call: `outbound`.
                direction: String,
                /// Creation time.
                created_on: Timestamp,
                /// Duration, in seconds. `None` until the call is over.
                duration_seconds: Option<f64>,
                /// Whether this is a test call, as set in [`MakeCall`].
                is_test_call: bool,
                /// Reason for which the call failed, in the API's words. `None` unless it failed.
                error_reason: Option<String>,
                /// Reason for which the call ended, in the API's words. `None` until the call is
                /// over.
                end_reason: Option<String>,
                /// Time at which the phone started to ring.
                ringing_at: Option<Timestamp>,
                /// Time at which the call ended.
                ended_at: Option<Timestamp>,
                $($more)*
            }
        }
    };
}

call! {
    /// A call, in lists. API 0.2+; API 0.1 defines only its `id`.
    Call {}
}

call! {
    /// A call with its transcript, from [`Calls::retrieve`] and [`Calls::wait`]. API 0.2+.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let call = client.calls().retrieve("agt_1", "call_1").send()?;
    /// println!("{} {}", call.destination, call.status);
    /// for utterance in &call.conversation_logs {
    ///     let text = utterance.message.as_deref().unwrap_or_default();
    ///     println!("{} {}: {text}", utterance.created_at, utterance.role);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    CallDetail {
        /// Time at which the conversation started. The API does not document how it differs from
        /// `answered_at`.
        started_at: Option<Timestamp>,
        /// Time at which the call was answered.
        answered_at: Option<Timestamp>,
        /// Transcript, in order. Complete once the call is over. As text:
        /// [`transcript`](Self::transcript).
        conversation_logs: Vec<CallMessage>,
    }
}

/// Alias of [`Message`] for an utterance in a call, as in the Python SDK.
pub type CallMessage = Message;

/// Alias of [`MessageAttachment`], as in the Python SDK.
pub type CallMessageAttachment = MessageAttachment;

body! {
    /// An outbound call, for [`Calls::make`]. API 0.2+.
    ///
    /// ```
    /// use bimpeai::calls::MakeCall;
    ///
    /// let call = MakeCall::new("+2348012345678", false);
    /// assert!(!call.is_test_call);
    /// ```
    #[doc(alias = "MakeCallBody")]
    pub struct MakeCall {
        required {
            /// Number to call (E.164): `+` and 7 to 15 digits.
            destination: String,
            /// Whether to place a test call, which uses BimpeAI's own line instead of the agent's
            /// telephony channel.
            is_test_call: bool,
        }
    }
}

open_enum! {
    /// The outcome of placing a call. API 0.2+.
    pub enum MakeCallStatus ("outcome of asking for a call") {
        /// The call was placed.
        Initiated = "initiated",
        /// The line was busy.
        Busy = "busy",
        /// The call could not be placed.
        Failed = "failed",
    }
}

object! {
    /// The outcome of placing a call, from [`Calls::make`]. API 0.2+.
    pub struct MakeCallResult {
        /// Outcome. `initiated` does not mean that somebody answered.
        status: MakeCallStatus,
        /// Identifier of the call, for [`Calls::wait`].
        call_id: Option<String>,
        /// Explanation for people.
        detail: Option<String>,
    }
}

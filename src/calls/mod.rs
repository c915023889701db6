//! Phone calls of agents. `client.calls()`.

mod wait;

use crate::client::{Client, handle};
use crate::conversations::{Message, MessageAttachment};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{body, object, open_enum};

pub use wait::WaitRequest;

impl Client {
    /// The phone calls of agents.
    pub fn calls(&self) -> Calls {
        Calls::new(self)
    }
}

handle! {
    /// The phone calls of agents, from [`Client::calls`].
    pub struct Calls;
}

impl Calls {
    /// Lists an agent's calls; the filters are methods of the request.
    ///
    /// `GET /agents/{agent_id}/calls`. Since 0.2.
    pub fn list(&self, agent_id: impl AsRef<str>) -> ListRequest<Call> {
        ListRequest::new(&self.client, root(agent_id), |call| &call.id)
    }

    /// Lists all calls of the team, as the first generation announces it: `calls.list()` in its SDK.
    ///
    /// It has never answered anything but `not_implemented` (501).
    ///
    /// `GET /calls`. First generation only (0.1).
    pub fn list_all(&self) -> Request<Vec<Call>> {
        Request::get(&self.client, Path::new("calls"))
    }

    /// Places an outbound phone call.
    ///
    /// Retries are safe: all attempts share one idempotency key, so the phone rings once. A call that
    /// is not a test requires a telephony channel, otherwise it fails with `channel_not_configured`.
    ///
    /// `POST /agents/{agent_id}/calls`. API 0.2+.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::calls::MakeCall;
    ///
    /// let call = client.calls().make("agt_1", MakeCall::new("+2348012345678", true)).send()?;
    /// println!("{}", call.status);
    /// # Ok(())
    /// # }
    /// ```
    pub fn make(&self, agent_id: impl AsRef<str>, body: MakeCall) -> Request<MakeCallResult> {
        Request::post(&self.client, root(agent_id), &body)
    }

    /// Returns a call with its transcript.
    ///
    /// The transcript is complete once the call is over. The API does not report the end of a call;
    /// [`wait`](Self::wait) polls for it.
    ///
    /// `GET /agents/{agent_id}/calls/{call_id}`. API 0.2+.
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
    /// Only test calls, or none of them. Since 0.2.
    pub fn is_test_call(self, is_test_call: bool) -> Self {
        self.filter("is_test_call", is_test_call)
    }

    /// Only those that are so far. Since 0.2.
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

/// The fields that a call has in lists and alone.
macro_rules! call {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        object! {
            $(#[$meta])*
            pub struct $name {
                /// Identifier.
                [required] id: String,
                /// Who calls, an E.164 number. Since 0.2.
                source: Option<String>,
                /// Who is called, an E.164 number. Since 0.2.
                destination: String,
                /// How far it is. Since 0.2.
                status: CallStatus,
                /// Which way it goes: `outbound`. Since 0.2.
                direction: String,
                /// When it was asked for, RFC 3339. Since 0.2.
                created_on: String,
                /// How long it took, in seconds. Since 0.2.
                duration_seconds: Option<f64>,
                /// Whether it is a test. Since 0.2.
                is_test_call: bool,
                /// Why it failed. Since 0.2.
                error_reason: Option<String>,
                /// Why it ended. Since 0.2.
                end_reason: Option<String>,
                /// When the phone rang, RFC 3339. Since 0.2.
                ringing_at: Option<String>,
                /// When it ended, RFC 3339. Since 0.2.
                ended_at: Option<String>,
                $($more)*
            }
        }
    };
}

call! {
    /// A call as lists have it; in the first generation only its id is certain.
    Call {}
}

call! {
    /// A call with its transcript, from [`Calls::retrieve`]. API 0.2+.
    CallDetail {
        /// Start time (RFC 3339).
        started_at: Option<String>,
        /// Time at which the call was answered (RFC 3339).
        answered_at: Option<String>,
        /// Transcript, in order. Complete once the call is over.
        conversation_logs: Vec<CallMessage>,
    }
}

/// What was said in a call: a [`Message`].
pub type CallMessage = Message;

/// What came with it: a [`MessageAttachment`].
pub type CallMessageAttachment = MessageAttachment;

body! {
    /// A call to be made. Since 0.2.
    pub struct MakeCall {
        required {
            /// Who is called: an E.164 number, `+` and 7 to 15 digits.
            destination: String,
            /// Whether it is a test, on the vendor's own line.
            is_test_call: bool,
        }
    }
}

open_enum! {
    /// What came of asking for a call. Since 0.2.
    pub enum MakeCallStatus ("outcome of asking for a call") {
        /// It is on its way.
        Initiated = "initiated",
        /// The line was busy.
        Busy = "busy",
        /// It did not come about.
        Failed = "failed",
    }
}

object! {
    /// What came of asking for a call. Since 0.2.
    pub struct MakeCallResult {
        /// What came of it.
        status: MakeCallStatus,
        /// The call, by its id.
        call_id: Option<String>,
        /// More about it, for people.
        detail: Option<String>,
    }
}

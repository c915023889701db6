//! Waiting for a call to be over.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Call, CallDetail, CallStatus, Calls};
use crate::client::Client;
use crate::conversations;
use crate::error::Error;
use crate::request::Request;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);
const DEFAULT_DEADLINE: Duration = Duration::from_secs(600);

impl Calls {
    /// Waits up to 10 minutes until a phone call is over, and returns it with its transcript.
    /// [`deadline`](WaitRequest::deadline) sets another limit.
    ///
    /// The API sends no notification at the end of a call, so this retrieves the call every 2 s.
    ///
    /// `GET /agents/{agent_id}/calls/{call_id}`, repeatedly. API 0.2+.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::calls::MakeCall;
    ///
    /// let test_call = MakeCall::new("+2348012345678", true);
    /// let made = client.calls().make("agt_1", test_call).send()?;
    /// if let Some(call_id) = made.call_id {
    ///     let call = client.calls().wait("agt_1", call_id).send()?;
    ///     print!("{}", call.transcript());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(&self, agent_id: impl AsRef<str>, call_id: impl AsRef<str>) -> WaitRequest {
        WaitRequest {
            client: self.client.clone(),
            request: self.retrieve(agent_id, call_id),
            every: DEFAULT_INTERVAL,
            deadline: DEFAULT_DEADLINE,
        }
    }
}

/// A wait for the end of a call, from [`Calls::wait`].
#[must_use = "nothing is sent until `send` is called"]
pub struct WaitRequest {
    client: Client,
    request: Request<CallDetail>,
    every: Duration,
    deadline: Duration,
}

impl WaitRequest {
    /// Sets the time between two requests. Default: 2 s.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Sets the time limit for the whole wait. Default: 10 min.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use std::time::Duration;
    ///
    /// let wait = client.calls().wait("agt_1", "call_1");
    /// let call = wait.deadline(Duration::from_secs(120)).send()?;
    /// println!("{} after {:?} s", call.status, call.duration_seconds);
    /// # Ok(())
    /// # }
    /// ```
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Waits until the call is over.
    ///
    /// Transient failures, such as a lost connection or a 503, do not end the wait.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if the call is not over within the deadline; the call itself goes on.
    /// Otherwise an error that a retry does not help against, such as a 404.
    pub fn send(&self) -> Result<CallDetail, Error> {
        let until = Instant::now().checked_add(self.deadline);
        let left = || match until {
            None => Duration::MAX,
            Some(until) => until.saturating_duration_since(Instant::now()),
        };
        loop {
            let last_error = match self.request.clone().deadline(left()).send() {
                Ok(call) if call.is_over() => return Ok(call),
                Ok(_) => None,
                Err(error) if error.is_retryable() => Some(error),
                Err(error) => return Err(error),
            };
            if left() <= self.every {
                return Err(self.timed_out(last_error));
            }
            self.client.pause(self.every, &self.request.operation())?;
        }
    }

    fn timed_out(&self, last_error: Option<Error>) -> Error {
        let deadline = self.deadline;
        let what = match last_error {
            None => format!("the call was not over within {deadline:?}; it goes on, wait again"),
            Some(error) => {
                format!("the call was not over within {deadline:?}; last error: {error}")
            }
        };
        Error::timed_out(self.request.operation(), what, deadline)
    }
}

impl fmt::Debug for WaitRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitRequest")
            .field(&format_args!("{}", self.request.operation()))
            .finish()
    }
}

impl CallStatus {
    /// Returns whether a call of this status is over.
    ///
    /// A status that this version does not know is not final. [`Call::is_over`] also looks at the
    /// time of the end.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            CallStatus::Ended | CallStatus::Busy | CallStatus::Failed | CallStatus::Cancelled
        )
    }
}

impl Call {
    /// Returns whether the call is over: it has a final status, or the time of its end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status.is_final() || self.ended_at.is_some()
    }
}

impl CallDetail {
    /// Returns whether the call is over: it has a final status, or the time of its end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status.is_final() || self.ended_at.is_some()
    }

    /// Returns the transcript as text. Each utterance is a line of the form `role: text`.
    ///
    /// It is complete once the call is over.
    #[must_use]
    pub fn transcript(&self) -> String {
        conversations::transcript(&self.conversation_logs)
    }
}

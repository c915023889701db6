//! A question, and the agent's reply.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Conversations, CreateConversationMessage, Message, MessageRole};
use crate::client::Client;
use crate::error::{Error, ErrorCode};
use crate::request::Request;
use crate::stream::Received;

const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// The interval at which messages are listed if the stream is refused.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

impl Conversations {
    /// Sends a message and waits up to 60 s for the agent's reply.
    /// [`deadline`](AskRequest::deadline) sets another limit.
    ///
    /// If `body` is a string, it is sent as the first message of a new web visitor in a test
    /// conversation.
    ///
    /// Usually the HTTP response contains the reply. If the assistant takes longer, the reply
    /// arrives later, and this method waits for it on the conversation's stream. If the server
    /// allows no further stream (429), it lists the messages every 2 s instead.
    ///
    /// The message is sent once. Sending the same `AskRequest` again continues to wait for the reply.
    ///
    /// `POST /agents/{agent_id}/conversations/messages`, then the requests of [`stream`](super::Messages::stream)
    /// or [`list`](super::Messages::list) if needed. API 0.2+.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::conversations::CreateConversationMessage;
    ///
    /// let question =
    ///     CreateConversationMessage::webchat("Are you open?", "visitor 7");
    /// let reply = client.conversations().ask("agt_1", question).send()?;
    /// println!("{}", reply.text());
    ///
    /// let reply = client.conversations().ask("agt_1", "Hello!").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ask(
        &self,
        agent_id: impl AsRef<str>,
        body: impl Into<CreateConversationMessage>,
    ) -> AskRequest {
        let body = body.into();
        AskRequest {
            client: self.client.clone(),
            agent_id: agent_id.as_ref().to_owned(),
            request: self.send(agent_id, body.clone()),
            body,
            deadline: DEFAULT_DEADLINE,
            question: Mutex::new(None),
        }
    }
}

/// A question that is ready to be sent, from [`Conversations::ask`].
#[must_use = "nothing is sent until `send` is called"]
pub struct AskRequest {
    client: Client,
    agent_id: String,
    request: Request<Message>,
    body: CreateConversationMessage,
    deadline: Duration,
    /// The question as the server has it, once it was delivered.
    question: Mutex<Option<Question>>,
}

/// A message that was delivered and has no reply yet.
#[derive(Clone)]
struct Question {
    message_id: String,
    conversation_id: String,
}

/// The reply of an agent, from [`AskRequest::send`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// The message that the agent wrote.
    pub message: Message,
    /// Identifier of the conversation. Set it in the next question to continue there.
    pub conversation_id: String,
}

impl Reply {
    /// Returns the text of the reply; empty if it has none.
    pub fn text(&self) -> &str {
        self.message.message.as_deref().unwrap_or_default()
    }
}

impl AskRequest {
    /// Sets the time limit for everything: sending the message, retries and waiting for the reply.
    ///
    /// Default: 60 s.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use std::time::Duration;
    ///
    /// let question = client.conversations().ask("agt_1", "Are you open?");
    /// match question.deadline(Duration::from_secs(20)).send() {
    ///     Ok(reply) => println!("{}", reply.text()),
    ///     Err(error) if error.is_timeout() => println!("no reply yet: {error}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the idempotency key of the message. Default: a random key.
    pub fn idempotency_key(mut self, key: impl AsRef<str>) -> Self {
        self.request = self.request.idempotency_key(key);
        self
    }

    /// Sends the message, unless an earlier call has delivered it, and returns the reply.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if there is no reply within the deadline. Its text says whether the
    /// question was delivered. [`Error::User`] if the role of the message is `assistant`. Otherwise
    /// the error of the request that failed.
    pub fn send(&self) -> Result<Reply, Error> {
        let until = Instant::now().checked_add(self.deadline);
        let delivered = self
            .question
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let question = match delivered {
            Some(question) => question,
            None => {
                let message = self.deliver()?;
                let conversation_id = self.conversation_of(&message, until)?;
                if !is_from_user(&message.role) {
                    return Ok(Reply {
                        message,
                        conversation_id,
                    });
                }
                let question = Question {
                    message_id: message.id,
                    conversation_id,
                };
                let mut delivered = self.question.lock().unwrap_or_else(PoisonError::into_inner);
                delivered.insert(question).clone()
            }
        };
        let message = self.reply_to(&question, until)?;
        let conversation_id = question.conversation_id;
        Ok(Reply {
            message,
            conversation_id,
        })
    }

    fn deliver(&self) -> Result<Message, Error> {
        if self
            .body
            .role
            .as_ref()
            .is_some_and(|role| !is_from_user(role))
        {
            let what = "a question is asked as the user; leave `role` out, or call \
                        conversations().send() to write as the assistant";
            return Err(Error::user(what).in_operation(self.operation()));
        }
        self.request.clone().deadline(self.deadline).send()
    }

    /// Returns the conversation that a message is in. Some servers do not say.
    fn conversation_of(&self, message: &Message, until: Option<Instant>) -> Result<String, Error> {
        if let Some(id) = message
            .conversation_id
            .as_ref()
            .or(self.body.conversation_id.as_ref())
        {
            return Ok(id.clone());
        }
        let user = self.body.channel_user_id.as_deref().unwrap_or_default();
        let conversations = self
            .client
            .conversations()
            .list(&self.agent_id)
            .sort("-updated_at");
        let found = conversations.deadline(self.left(until)?).find(|it| {
            it.channel_user_id
                .as_deref()
                .is_some_and(|id| is_same_user(id, user))
        });
        let found = found.map_err(|error| self.late(error, until))?;
        found.map(|conversation| conversation.id).ok_or_else(|| {
            let what = "the question was delivered, but its conversation is not listed";
            Error::user(what).in_operation(self.operation())
        })
    }

    /// Waits for the first message after the question that is not the user's.
    fn reply_to(&self, question: &Question, until: Option<Instant>) -> Result<Message, Error> {
        let messages = self.client.conversations().messages();
        // Not opened here: that would take as long as the retries of a stream, whatever the deadline.
        let mut stream = messages
            .stream(&self.agent_id, &question.conversation_id)
            .after(&question.message_id)
            .into_iter();
        loop {
            match stream.recv_timeout(self.left(until)?) {
                Ok(Received::Message(event)) => {
                    if event.id != question.message_id && !is_from_user(&event.role) {
                        return Ok(event.into());
                    }
                }
                Ok(Received::Nothing) => {}
                Ok(_) => return self.poll(question, until),
                // A message that cannot be decoded may be the reply: the list has it as well.
                Err(Error::SkippedMessage(_)) => return self.poll(question, until),
                Err(error) if is_stream_refused(&error) => return self.poll(question, until),
                Err(error) => return Err(error),
            }
        }
    }

    /// Lists the newest messages until the reply is among them.
    fn poll(&self, question: &Question, until: Option<Instant>) -> Result<Message, Error> {
        let messages = self.client.conversations().messages();
        loop {
            let newest = messages
                .list(&self.agent_id, &question.conversation_id)
                .sort("-created_at")
                .limit(100)
                .deadline(self.left(until)?)
                .send();
            match newest {
                Ok(page) => {
                    let since = page.data.into_iter();
                    let since = since.take_while(|message| message.id != question.message_id);
                    // Newest first: the last one is the first after the question.
                    let replies = since.filter(|message| !is_from_user(&message.role));
                    if let Some(reply) = replies.last() {
                        return Ok(reply);
                    }
                }
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(self.late(error, until)),
            }
            let left = self.left(until)?;
            if left <= POLL_INTERVAL {
                return Err(self.timed_out());
            }
            self.client.pause(POLL_INTERVAL, &self.operation())?;
        }
    }

    fn left(&self, until: Option<Instant>) -> Result<Duration, Error> {
        match until {
            // Longer than any program runs.
            None => Ok(self.deadline),
            Some(until) => match until.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => Ok(left),
                _ => Err(self.timed_out()),
            },
        }
    }

    /// After the deadline, that is the error, whichever request it ended.
    fn late(&self, error: Error, until: Option<Instant>) -> Error {
        self.left(until).err().unwrap_or(error)
    }

    fn timed_out(&self) -> Error {
        Error::timed_out(
            self.operation(),
            format!(
                "the question was delivered, but there was no reply within {:?}; send the same \
                 request again to continue waiting",
                self.deadline
            ),
            self.deadline,
        )
    }

    fn operation(&self) -> String {
        self.request.operation()
    }
}

/// The call and the agent; never the message.
impl fmt::Debug for AskRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AskRequest")
            .field(&format_args!("{}", self.operation()))
            .finish()
    }
}

/// Returns whether a message is from the person who talks to the agent.
fn is_from_user(role: &MessageRole) -> bool {
    matches!(role, MessageRole::User | MessageRole::Customer)
}

/// Returns whether two ids are the same user: phone numbers lose their plus, UUIDs ignore case.
fn is_same_user(a: &str, b: &str) -> bool {
    a.trim_start_matches('+')
        .eq_ignore_ascii_case(b.trim_start_matches('+'))
}

fn is_stream_refused(error: &Error) -> bool {
    match error {
        Error::Api(error) => {
            error.status() == 429 || error.code() == Some(&ErrorCode::TooManyStreams)
        }
        _ => false,
    }
}

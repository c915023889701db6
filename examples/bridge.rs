//! Connects an agent with a program of yours: runs it when the agent asks for it in a reply.
//!
//! ```text
//! cargo run --example bridge -- AGENT_ID ./look_up_order
//! ```
//!
//! Tell the agent in its prompt to write `[lookup: NUMBER]` when it needs to know something. The bridge
//! follows all conversations of the agent. For each such reply it runs the program with the text
//! after `lookup:` as standard input, and posts what the program prints into the conversation.

mod support;

use std::collections::HashMap;
use std::fmt::Display;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant, SystemTime};

use bimpeai::conversations::{Conversations, MessageRole, SendMessage};
use bimpeai::stream::{StreamEvent, StreamMessageEvent, StreamPosition, StreamRequest};
use bimpeai::{Client, Error};
use support::{Failure, note, print};

const USAGE: &str = "\
Usage: bridge AGENT_ID PROGRAM [ARGUMENT...]

Waits for replies of the agent that contain [lookup: TEXT]. Runs PROGRAM with TEXT as standard
input, and posts its output as a message of the agent. Ctrl-C ends it.

BIMPEAI_API_KEY and BIMPEAI_BASE_URL select the API.";

/// The interval at which the agent's conversations are listed, to find new ones.
const LIST_INTERVAL: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    support::run("bridge", USAGE, |arguments| match &arguments[..] {
        [option, ..] if option.starts_with('-') => Err(support::unexpected(option)),
        [agent_id, program @ ..] if !program.is_empty() => {
            let client = support::client_with_key()?;
            let bridge = Bridge {
                conversations: client.conversations(),
                agent_id,
                program,
            };
            // The scope waits for the streams, which end with the client.
            thread::scope(|scope| {
                let result = bridge.run(scope, &client);
                client.shutdown();
                result
            })
        }
        _ => {
            let what = "expected an agent id and a program";
            Err(Failure::Usage(what.to_owned()))
        }
    })
}

struct Bridge<'a> {
    conversations: Conversations,
    agent_id: &'a str,
    program: &'a [String],
}

enum Event {
    Message(StreamMessageEvent),
    /// A stream ended: its conversation, the position it has reached, and the error.
    Ended(String, Option<String>, Error),
    Interrupted,
}

/// The conversations that are known. One whose stream ended has the position to follow it from again.
type Followed = HashMap<String, Option<StreamPosition>>;

impl Bridge<'_> {
    fn run<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        client: &Client,
    ) -> support::Result<()> {
        let (sender, events) = mpsc::channel();
        let (stop, interrupted) = (client.clone(), sender.clone());
        support::on_interrupt(move || {
            stop.shutdown();
            let _ = interrupted.send(Event::Interrupted);
        });
        let mut followed = Followed::new();
        self.follow_all(scope, &mut followed, true, &sender)?;
        print(format_args!("{} conversations", followed.len()))?;
        let mut next_list = Instant::now() + LIST_INTERVAL;
        loop {
            match events.recv_timeout(next_list.saturating_duration_since(Instant::now())) {
                Ok(Event::Message(message)) => self.react(&message)?,
                Ok(Event::Ended(_, _, error))
                    if error.is_cancelled() || support::exit_code(&error) == 4 =>
                {
                    return Err(error.into());
                }
                Ok(Event::Ended(id, position, error)) => {
                    note(format_args!("{id}: {error}"));
                    let position = position.map_or(SystemTime::now().into(), Into::into);
                    followed.insert(id, error.is_retryable().then_some(position));
                }
                Ok(Event::Interrupted) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Interrupted);
                }
                Err(RecvTimeoutError::Timeout) => {
                    match self.follow_all(scope, &mut followed, false, &sender) {
                        Err(error) if error.is_retryable() => note(error),
                        result => result?,
                    }
                    next_list = Instant::now() + LIST_INTERVAL;
                }
            }
        }
    }

    /// Lists the conversations of the agent, and follows those that are not followed yet.
    fn follow_all<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        followed: &mut Followed,
        is_first: bool,
        events: &Sender<Event>,
    ) -> Result<(), Error> {
        for conversation in self.conversations.list(self.agent_id).limit(100) {
            let conversation = conversation?;
            let id = conversation.id;
            let after = match followed.get_mut(&id) {
                // Those that were there first start now, and new ones from their beginning.
                None => (!is_first).then(|| conversation.created_at.into()),
                Some(position) => match position.take() {
                    None => continue,
                    position => position,
                },
            };
            let messages = self.conversations.messages();
            // It need not retry for long: it is followed again with the next list.
            let mut request = messages.stream(self.agent_id, &id).max_retries(2);
            if let Some(after) = after {
                request = request.after(after);
            }
            let (key, events) = (id.clone(), events.clone());
            scope.spawn(move || follow(request, id, &events));
            followed.insert(key, None);
        }
        Ok(())
    }

    /// Runs the program for a reply with the marker, and posts its output.
    fn react(&self, message: &StreamMessageEvent) -> support::Result<()> {
        let text = message.message.as_deref().and_then(marked);
        let (Some(text), MessageRole::Assistant) = (text, &message.role) else {
            return Ok(());
        };
        let id = &message.conversation_id;
        match self
            .output(text)
            .and_then(|output| Ok(self.post(id, output)?))
        {
            Ok(()) => print(format_args!("{id}: {text}")),
            Err(Failure::Call(error)) if support::exit_code(&error) == 1 => {
                note(format_args!("{id}: not posted: {error}"));
                Ok(())
            }
            Err(Failure::Other(error)) => {
                note(format_args!("{id}: {error}"));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Runs the program. The text is its input: as an argument, it could be an option.
    fn output(&self, text: &str) -> support::Result<String> {
        let failed = |why: &dyn Display| Failure::Other(format!("{}: {why}", self.program[0]));
        let mut child = Command::new(&self.program[0])
            .args(&self.program[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        if let Some(mut input) = child.stdin.take() {
            let _ = input.write_all(text.as_bytes()); // it need not read it
        }
        let ended = child.wait_with_output().map_err(|error| failed(&error))?;
        let output = String::from_utf8_lossy(&ended.stdout).trim().to_owned();
        match (ended.status.success(), output.is_empty(), marked(&output)) {
            (false, _, _) => Err(failed(&ended.status)),
            (_, true, _) => Err(failed(&"printed nothing")),
            // Posting it would run the program again.
            (_, _, Some(_)) => Err(failed(&"printed [lookup: ...]")),
            _ => Ok(output),
        }
    }

    /// Posts a message as the agent, for which the assistant has to be paused.
    fn post(&self, conversation_id: &str, text: String) -> Result<(), Error> {
        let (agent, id) = (self.agent_id, conversation_id);
        let conversation = self.conversations.retrieve(agent, id).send()?;
        let pause = |on| self.conversations.set_ai_status(agent, id, on).send();
        if !conversation.is_ai_chat_paused {
            pause(true)?;
        }
        let message = SendMessage::new(text).role(MessageRole::Assistant);
        let posted = self
            .conversations
            .messages()
            .send(agent, id, message)
            .send();
        // A person who paused it before keeps it paused.
        if !conversation.is_ai_chat_paused {
            pause(false)?;
        }
        posted.map(|_| ())
    }
}

/// Hands over the messages of a conversation until its stream ends.
fn follow(request: StreamRequest, id: String, events: &Sender<Event>) {
    let mut stream = request.lifecycle();
    while let Some(event) = stream.next() {
        let event = match event {
            Ok(StreamEvent::Message(message)) => Event::Message(message),
            Ok(StreamEvent::Connected) => {
                note(format_args!("{id}: following"));
                continue;
            }
            Ok(_) => continue,
            Err(Error::SkippedMessage(error)) => {
                note(error);
                continue;
            }
            Err(error) => {
                let position = stream.resume_point().map(str::to_owned);
                Event::Ended(id.clone(), position, error)
            }
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// Returns the text of `[lookup: TEXT]`.
fn marked(reply: &str) -> Option<&str> {
    let (_, rest) = reply.split_once("[lookup:")?;
    let (text, _) = rest.split_once(']')?;
    Some(text.trim())
}

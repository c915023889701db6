//! Talks to an agent from the terminal.
//!
//! ```text
//! cargo run --example chat -- AGENT_ID CONVERSATION_ID
//! ```
//!
//! Sends each line that is typed to the conversation, and prints what the agent replies. Ctrl-C or
//! the end of the input (Ctrl-D) ends it. A line that is refused does not.
//!
//! Without `BIMPEAI_API_KEY` it talks to an agent of the built-in emulator.

mod support;

use std::io::{self, BufRead as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use bimpeai::Error;
use bimpeai::conversations::{MessageRole, Messages, SendMessage};
use bimpeai::emulator::Emulator;
use bimpeai::stream::{StreamEvent, StreamMessageEvent};
use support::{Conversation, Failure, note, print};

const USAGE: &str = "\
Usage: chat [AGENT_ID CONVERSATION_ID]

BIMPEAI_API_KEY and BIMPEAI_BASE_URL select the API. Without a key, chat starts the built-in
emulator, and needs no ids.";

/// How long the last reply may take once the input has ended.
const LAST_REPLY: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    support::run("chat", USAGE, chat)
}

fn chat(ids: Vec<String>) -> support::Result<()> {
    let conversation = support::conversation(&ids, Emulator::builder().customer_writes(false))?;
    if conversation.emulator.is_some() {
        note("Ask what a pizza costs, or when the restaurant is open.");
    }
    let messages = conversation.client.conversations().messages();
    let request = messages.stream(&conversation.agent_id, &conversation.id);
    let handle = request.handle();
    let mut typing = None;
    let mut send = Some(move || {
        let result = send_lines(&messages, &conversation);
        thread::sleep(LAST_REPLY);
        handle.cancel();
        result
    });
    for event in request.lifecycle() {
        match event {
            Ok(StreamEvent::Message(message)) => show(&message)?,
            Ok(StreamEvent::Connected) => match send.take() {
                // Lines are sent once the stream is open, so that no reply is missed.
                Some(send) => typing = Some(thread::spawn(send)),
                None => note("reconnected"),
            },
            Ok(StreamEvent::Disconnected { error, wait, .. }) => {
                note(format_args!("{error}; reconnecting in {wait:.1?}"));
            }
            Ok(_) => {}
            // The stream continues after a message that it skips.
            Err(Error::SkippedMessage(error)) => note(error),
            Err(error) => return Err(error.into()),
        }
    }
    if support::is_interrupted() {
        return Err(Failure::Interrupted);
    }
    match typing.map(thread::JoinHandle::join) {
        Some(Ok(result)) => result,
        _ => Ok(()),
    }
}

/// Sends each line of standard input. Reports a line that is refused, and continues.
fn send_lines(messages: &Messages, conversation: &Conversation) -> support::Result<()> {
    for line in io::stdin().lock().split(b'\n') {
        let line =
            line.map_err(|error| Failure::Other(format!("cannot read the input: {error}")))?;
        let Ok(line) = String::from_utf8(line) else {
            note("not sent: the line is not valid UTF-8");
            continue;
        };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let message = SendMessage::new(line);
        let sent = messages.send(&conversation.agent_id, &conversation.id, message);
        if let Err(error) = sent.send() {
            note(format_args!("not sent: {error}"));
        }
    }
    Ok(())
}

fn show(message: &StreamMessageEvent) -> support::Result<()> {
    if message.role == MessageRole::User {
        return Ok(()); // what was typed here
    }
    let text = message.message.as_deref().unwrap_or("(no text)");
    print(format_args!("  {}: {text}", message.role))
}

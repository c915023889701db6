//! `bimpe ask`, `bimpe chat` and `bimpe tail`

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::time::{Duration, SystemTime};

use bimpeai::conversations::{CreateConversationMessage, Reply};
use bimpeai::stream::{StreamEvent, StreamMessageEvent};
use bimpeai::{Client, Error};
use clap::Args;

use crate::output::{self, Output, progress};
use crate::support::{self, Failure, Result, note, print};

/// Where messages are sent.
#[derive(Args)]
pub(crate) struct Recipient {
    agent_id: String,
    /// Name of the visitor; the same name continues the same test conversation
    #[arg(long, default_value = "bimpe")]
    visitor: String,
    /// Conversation to write to, instead of a test conversation
    #[arg(long, value_name = "CONVERSATION_ID")]
    conversation: Option<String>,
    /// How long a reply may take
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

#[derive(Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    to: Recipient,
    /// The question (default: standard input)
    message: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    to: Recipient,
}

#[derive(Args)]
pub(crate) struct Tail {
    agent_id: String,
    /// Conversation to follow (default: the one with the latest message)
    conversation_id: Option<String>,
    /// Where to start: a duration such as 1h, a time such as 2026-06-05T08:00:00Z, or the id of a
    /// message (default: now)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<String>,
}

pub(crate) fn ask(ask: Ask, client: &Client, out: Output) -> Result<()> {
    let question = match &ask.message[..] {
        [] => output::input()?,
        [only] if only == "-" => output::input()?,
        words => words.join(" "),
    };
    if question.trim().is_empty() {
        return Err(Failure::Usage("there is no question".to_owned()));
    }
    let reply = ask.to.ask(client, question.trim())?;
    show_reply(&reply, "", out)?;
    note(format_args!("conversation {}", reply.conversation_id));
    Ok(())
}

pub(crate) fn chat(chat: &Chat, client: &Client, out: Output) -> Result<()> {
    // Nothing ends a read from a terminal.
    let stopped = client.clone();
    crate::exit_on_interrupt(move || stopped.shutdown());
    let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if is_terminal {
        note("Ctrl-D ends the chat");
    }
    let mut input = io::stdin().lock();
    loop {
        if is_terminal {
            let _ = write!(io::stderr(), "> ");
        }
        let mut line = Vec::new();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::Other(format!("cannot read the input: {error}")))? == 0 {
            return Ok(());
        }
        let reply = match std::str::from_utf8(&line).map(str::trim) {
            Ok("") => continue,
            Ok(line) => chat.to.ask(client, line),
            Err(_) => Err(Failure::Other("the line is not valid UTF-8".to_owned())),
        };
        match reply {
            Ok(reply) => show_reply(&reply, "  ", out)?,
            // A person can type another line; a script has to know.
            Err(Failure::Call(error)) if is_terminal && support::exit_code(&error) == 1 => {
                note(format_args!("no reply: {error}"));
            }
            Err(Failure::Other(error)) if is_terminal => note(error),
            Err(error) => return Err(error),
        }
    }
}

impl Recipient {
    fn ask(&self, client: &Client, question: &str) -> Result<Reply> {
        let message = match &self.conversation {
            Some(id) => CreateConversationMessage::new(question).conversation_id(id),
            None => {
                CreateConversationMessage::webchat(question, &self.visitor).is_test_channel(true)
            }
        };
        let _waiting = progress("waiting for the reply");
        let request = client.conversations().ask(&self.agent_id, message);
        Ok(request.deadline(self.timeout).send()?)
    }
}

fn show_reply(reply: &Reply, indent: &str, out: Output) -> Result<()> {
    if out.json {
        return output::json_line(&reply.message);
    }
    let mut lines = reply.text().lines();
    lines.try_for_each(|line| print(format_args!("{indent}{line}")))
}

pub(crate) fn tail(tail: Tail, client: &Client, out: Output) -> Result<()> {
    let conversations = client.conversations();
    let conversation_id = match tail.conversation_id {
        Some(id) => id,
        None => {
            let latest = conversations.list(&tail.agent_id).sort("-last_message_at");
            let latest = latest.first()?;
            let none = || Failure::Other("the agent has no conversation".to_owned());
            latest.ok_or_else(none)?.id
        }
    };
    let mut request = conversations
        .messages()
        .stream(&tail.agent_id, &conversation_id);
    if let Some(since) = tail.since {
        request = request.after(since);
    }
    for event in request.lifecycle() {
        match event {
            Ok(StreamEvent::Connected) => {
                note(format_args!("following {conversation_id}; Ctrl-C ends it"));
            }
            Ok(StreamEvent::Message(message)) => show_message(&message, out)?,
            Ok(StreamEvent::Disconnected { error, wait, .. }) => {
                note(format_args!("{error}; reconnecting in {wait:.1?}"));
            }
            Ok(_) => {}
            // The stream continues after a message that it skips.
            Err(Error::SkippedMessage(error)) => note(error),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(()) // Ctrl-C is an error of the stream, and so is everything else that ends it.
}

fn show_message(message: &StreamMessageEvent, out: Output) -> Result<()> {
    if out.json {
        return output::json_line(message);
    }
    let text = message.message.as_deref().unwrap_or("(no text)");
    let (time, role) = (&message.created_at, &message.role);
    print(format_args!("{time}  {role:>9}  {text}"))
}

/// Reads a duration, a time or the id of a message as the start of a stream.
fn since(text: &str) -> std::result::Result<String, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        let time = SystemTime::now().checked_sub(ago);
        let time = time.filter(|time| *time >= SystemTime::UNIX_EPOCH);
        let time = time.ok_or("the duration is too long")?;
        return Ok(humantime::format_rfc3339_millis(time).to_string());
    }
    let day = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    if let Ok(time) = humantime::parse_rfc3339_weak(&day) {
        return Ok(humantime::format_rfc3339_millis(time).to_string());
    }
    // A time with an offset is sent as it is.
    match text.chars().next() {
        Some(first) if first.is_ascii_alphabetic() || text.len() >= 20 => Ok(text.to_owned()),
        _ => Err("expected a duration such as 1h, a time or the id of a message".to_owned()),
    }
}

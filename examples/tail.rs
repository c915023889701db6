//! Follows a conversation, as `tail -f` follows a file, and resumes where the last run ended.
//!
//! ```text
//! cargo run --example tail -- AGENT_ID CONVERSATION_ID
//! ```
//!
//! Stores its position in a file after each message that it has printed. The next run starts after
//! that message: none is missed, and none is printed twice. Ctrl-C ends it.
//!
//! Without `BIMPEAI_API_KEY` it follows a conversation of the built-in emulator.

mod support;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bimpeai::Error;
use bimpeai::emulator::Emulator;
use bimpeai::stream::{StreamEvent, StreamMessageEvent};
use support::{Failure, note, print};

const USAGE: &str = "\
Usage: tail [OPTIONS] [AGENT_ID CONVERSATION_ID]

  --state FILE  file that stores the position (default: tail-CONVERSATION_ID.last)
  --since TIME  where to start without a stored position, such as 2026-06-05T08:00:00Z
                (default: now)
  --help        print this text

BIMPEAI_API_KEY and BIMPEAI_BASE_URL select the API. Without a key, tail starts the built-in
emulator, needs no ids, and stores nothing unless --state is given.";

fn main() -> ExitCode {
    support::run("tail", USAGE, tail)
}

fn tail(arguments: Vec<String>) -> support::Result<()> {
    let options = Options::parse(arguments).map_err(Failure::Usage)?;
    let conversation = support::conversation(&options.ids, Emulator::builder())?;
    let state = match (options.state, &conversation.emulator) {
        (None, None) => Some(format!("tail-{}.last", conversation.id).into()),
        (state, _) => state,
    };
    let stored = match &state {
        Some(file) => load(file)?,
        None => None,
    };
    if let Some(file) = &state {
        // A file that cannot be written is better found now than after the first message.
        store(file, stored.as_deref().unwrap_or_default())?;
    }

    let messages = conversation.client.conversations().messages();
    let mut request = messages.stream(&conversation.agent_id, &conversation.id);
    if let Some(after) = stored.as_ref().or(options.since.as_ref()) {
        request = request.after(after);
    }
    let mut position = stored.clone();
    let mut stream = request.lifecycle();
    while let Some(event) = stream.next() {
        let is_connected = matches!(event, Ok(StreamEvent::Connected));
        match event {
            Ok(StreamEvent::Message(message)) => show(&message)?,
            Ok(StreamEvent::Disconnected { error, wait, .. }) => {
                note(format_args!("{error}; reconnecting in {wait:.1?}"));
            }
            Ok(_) => {}
            // The stream continues after a message that it skips.
            Err(Error::SkippedMessage(error)) => note(error),
            Err(error) => return Err(explain(error, stored.and(state))),
        }
        // After the message is printed: a crash in between repeats it, and loses none. Before the
        // first message, it is the time of the opening.
        if position.as_deref() != stream.resume_point() {
            position = stream.resume_point().map(str::to_owned);
            if let (Some(file), Some(position)) = (&state, &position) {
                store(file, position)?;
            }
        }
        if is_connected {
            note("connected; Ctrl-C ends it");
        }
    }
    // Only Ctrl-C ends the stream without an error.
    Err(Failure::Interrupted)
}

fn show(message: &StreamMessageEvent) -> support::Result<()> {
    let text = message.message.as_deref().unwrap_or("(no text)");
    let (time, role) = (&message.created_at, &message.role);
    print(format_args!("{time}  {role:>9}  {text}"))
}

/// Names the file that the position was read from, if the server may have refused that position.
fn explain(error: Error, file: Option<PathBuf>) -> Failure {
    let is_refusal = matches!(error.status(), Some(400 | 404 | 410 | 422));
    // The stream was refused, but not its ticket: the conversation exists.
    let is_stream = error.operation().is_some_and(|it| it.starts_with("GET "));
    match file {
        Some(file) if is_refusal && is_stream => Failure::Other(format!(
            "{error}; the position is from {file:?}: delete the file to start from now"
        )),
        _ => Failure::Call(error),
    }
}

/// Reads the position that the last run stored.
fn load(file: &Path) -> support::Result<Option<String>> {
    if fs::metadata(file).is_ok_and(|it| !it.is_file()) {
        return Err(Failure::Other(format!("{file:?}: not a regular file")));
    }
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::Other(format!("cannot read {file:?}: {error}"))),
    }
}

/// Replaces the file, so that a crash leaves the old position or the new one.
fn store(file: &Path, position: &str) -> support::Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, position)
        .and_then(|()| fs::rename(&new, file))
        .map_err(|error| Failure::Other(format!("cannot write {file:?}: {error}")))
}

#[derive(Default)]
struct Options {
    ids: Vec<String>,
    state: Option<PathBuf>,
    since: Option<String>,
}

impl Options {
    fn parse(arguments: Vec<String>) -> Result<Options, String> {
        let mut options = Options::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--state" => options.state = Some(value()?.into()),
                "--since" => options.since = Some(value()?),
                _ => options.ids.push(argument),
            }
        }
        Ok(options)
    }
}

//! Follows a conversation in the terminal, as `tail -f` follows a file, and survives restarts.
//!
//! ```text
//! cargo run --example tail -- AGENT_ID CONVERSATION_ID
//! ```
//!
//! After each message that is printed its id is stored in a file; the next run goes on after it, and
//! so nothing is missed and nothing printed twice. Ctrl-C stops it at once.
//!
//! Without `BIMPEAI_API_KEY` it follows a conversation of the built-in emulator.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bimpeai::agents::CreateAgent;
use bimpeai::emulator::Emulator;
use bimpeai::stream::{StreamEvent, StreamMessageEvent};
use bimpeai::workflows::WorkflowScope;
use bimpeai::{Client, Error};

const USAGE: &str = "\
Usage: tail [OPTIONS] AGENT_ID CONVERSATION_ID

  --state FILE  where the last message's id is kept (tail-CONVERSATION_ID.last unless given)
  --since TIME  without a stored id, start at this time, as 2026-06-05T08:00:00Z
  --help        this text

BIMPEAI_API_KEY and BIMPEAI_BASE_URL choose the API; without a key it is the built-in emulator, and
AGENT_ID and CONVERSATION_ID may be left out.";

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("tail: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let has_key = std::env::var("BIMPEAI_API_KEY").is_ok_and(|key| !key.is_empty());
    let (client, _emulator) = if has_key {
        (Client::from_env()?, None)
    } else {
        let emulator = Emulator::start()?;
        eprintln!("No BIMPEAI_API_KEY is set: this is a conversation of the built-in emulator.");
        (emulator.client_builder().build()?, Some(emulator))
    };
    let (agent, conversation) = match options.conversation {
        Some(ids) => ids,
        None if has_key => return Err(format!("which conversation?\n\n{USAGE}").into()),
        None => emulated_conversation(&client)?,
    };
    let state = options.state.unwrap_or_else(|| {
        // The emulator forgets all of it, so there is nothing to go on after.
        let directory = if has_key {
            PathBuf::new()
        } else {
            std::env::temp_dir()
        };
        directory.join(format!("tail-{conversation}.last"))
    });

    let mut request = client
        .conversations()
        .messages()
        .stream(&agent, &conversation);
    match last_message(&state)?.or(options.since) {
        Some(after) => request = request.after(after),
        None => eprintln!("Following what comes from now on; Ctrl-C stops."),
    }
    let handle = request.handle();
    let stopping = handle.clone();
    ctrlc::set_handler(move || stopping.cancel())?;

    let mut stream = request.lifecycle();
    let mut unreadable = None;
    while let Some(event) = stream.next() {
        match event {
            Ok(StreamEvent::Message(message)) => print(&message)?,
            Ok(StreamEvent::Disconnected { error, wait, .. }) => {
                eprintln!("{error}; connecting again in {} ms", wait.as_millis());
                continue;
            }
            Ok(_) => continue,
            // One bad message is no reason to stop; any other error is the stream's last word.
            Err(Error::Decode(error)) => {
                eprintln!("{error}");
                unreadable = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
        // After the work, not before it: a crash in between repeats a message, and loses none.
        if let Some(id) = stream.last_event_id() {
            store(&state, id)?;
        }
    }
    match unreadable {
        // It ended with what looked like one bad message: the server ends the stream for good.
        Some(error) if !handle.is_cancelled() => Err(Error::Decode(error).into()),
        _ => {
            eprintln!("\nStopped.");
            Ok(())
        }
    }
}

fn print(message: &StreamMessageEvent) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let text = message.message.as_deref().unwrap_or("(no text)");
    writeln!(out, "{}  {:>9}  {text}", message.created_at, message.role)?;
    out.flush()
}

/// What the run before stored.
fn last_message(state: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(state) {
        Ok(id) => Ok(Some(id.trim().to_owned()).filter(|id| !id.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores an id so that a crash leaves the old one or the new one, and never half of it.
fn store(state: &Path, id: &str) -> io::Result<()> {
    let new = state.with_extension("new");
    std::fs::write(&new, id)?;
    std::fs::rename(new, state)
}

/// An agent whose customer writes by itself, every now and then.
fn emulated_conversation(client: &Client) -> Result<(String, String), Error> {
    let workflows = client
        .workflows()
        .list()
        .scope(WorkflowScope::Public)
        .send()?;
    let mut agent = CreateAgent::new("Tail");
    if let Some(workflow) = workflows.data.first() {
        agent = agent.agent_workflow_id(&workflow.id);
    }
    let agent = client.agents().create(agent).send()?;
    let conversations = client.conversations().list(&agent.id).send()?;
    let conversation = conversations.data.first().map(|first| first.id.clone());
    Ok((agent.id.clone(), conversation.unwrap_or_default()))
}

#[derive(Default)]
struct Options {
    conversation: Option<(String, String)>,
    state: Option<PathBuf>,
    since: Option<String>,
}

impl Options {
    /// `None` when help was asked for.
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let mut options = Options::default();
        let mut ids = Vec::new();
        while let Some(argument) = args.next() {
            let mut value = || {
                args.next()
                    .ok_or_else(|| format!("{argument} needs a value."))
            };
            match argument.as_str() {
                "--state" => options.state = Some(value()?.into()),
                "--since" => options.since = Some(value()?),
                "--help" | "-h" => return Ok(None),
                _ if argument.starts_with('-') => {
                    return Err(format!("There is no option {argument}."));
                }
                _ => ids.push(argument),
            }
        }
        options.conversation = match &ids[..] {
            [] => None,
            [agent, conversation] => Some((agent.clone(), conversation.clone())),
            _ => return Err("It takes an agent's id and a conversation's.".to_owned()),
        };
        Ok(Some(options))
    }
}

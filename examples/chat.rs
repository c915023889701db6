//! Type, and see the agent's answers stream in.
//!
//! ```text
//! cargo run --example chat -- AGENT_ID CONVERSATION_ID
//! ```
//!
//! Each line that is typed is sent to the conversation; a thread prints what comes. The end of the
//! input (Ctrl-D) or Ctrl-C stops it.
//!
//! Without `BIMPEAI_API_KEY` it talks with an agent of the built-in emulator.

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use bimpeai::agents::{CreateAgent, CreateKnowledgeBase};
use bimpeai::conversations::{MessageRole, SendMessage};
use bimpeai::emulator::Emulator;
use bimpeai::stream::{MessageStream, StreamMessageEvent};
use bimpeai::workflows::WorkflowScope;
use bimpeai::{Client, Error};

const USAGE: &str = "\
Usage: chat AGENT_ID CONVERSATION_ID

BIMPEAI_API_KEY and BIMPEAI_BASE_URL choose the API; without a key it is the built-in emulator, and
AGENT_ID and CONVERSATION_ID may be left out.";

/// How long the last answer may take once the input has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let ids = match &arguments[..] {
        [] => None,
        [agent, conversation] if !agent.starts_with('-') => Some((agent, conversation)),
        [help] if help == "--help" || help == "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("It takes an agent's id and a conversation's.\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(ids) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("chat: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(ids: Option<(&String, &String)>) -> Result<(), Box<dyn std::error::Error>> {
    let has_key = std::env::var("BIMPEAI_API_KEY").is_ok_and(|key| !key.is_empty());
    let (client, _emulator) = if has_key {
        (Client::from_env()?, None)
    } else {
        let emulator = Emulator::builder().customer_writes(false).start()?;
        eprintln!("No BIMPEAI_API_KEY is set: this is an agent of the built-in emulator.");
        eprintln!("Ask it what a pizza costs, or when it is open.");
        (emulator.client_builder().build()?, Some(emulator))
    };
    let (agent, conversation) = match ids {
        Some((agent, conversation)) => (agent.clone(), conversation.clone()),
        None if has_key => return Err(format!("which conversation?\n\n{USAGE}").into()),
        None => emulated_conversation(&client)?,
    };

    let messages = client.conversations().messages();
    // Open before the first line is sent, so that no answer is missed.
    let stream = messages.stream(&agent, &conversation).open()?;
    let handle = stream.handle();
    let stopping = handle.clone();
    ctrlc::set_handler(move || {
        stopping.cancel();
        println!();
        // The thread that waits for a line cannot be woken.
        std::process::exit(0);
    })?;
    let printing = std::thread::spawn(move || print_all(stream));

    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        messages
            .send(&agent, &conversation, SendMessage::new(line))
            .send()?;
        if handle.is_cancelled() || printing.is_finished() {
            break;
        }
    }
    if !printing.is_finished() {
        // For what the agent still has to say.
        std::thread::sleep(LAST_WORDS);
    }
    handle.cancel();
    match printing.join() {
        Ok(result) => Ok(result?),
        Err(_) => Err("the thread that prints has panicked".into()),
    }
}

/// Prints what others say, until the stream is cancelled.
fn print_all(stream: MessageStream) -> Result<(), Error> {
    for message in stream {
        match message {
            Ok(message) => print(&message),
            // One message that cannot be read is not the end.
            Err(Error::Decode(error)) => eprintln!("{error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn print(message: &StreamMessageEvent) {
    if message.role == MessageRole::User {
        return; // what was typed here
    }
    let text = message.message.as_deref().unwrap_or("(no text)");
    let mut out = io::stdout().lock();
    // A reader that has gone away ends the program at the next line that is typed.
    let _ = writeln!(out, "  {}: {text}", message.role).and_then(|()| out.flush());
}

/// An agent that knows what a restaurant's does.
fn emulated_conversation(client: &Client) -> Result<(String, String), Error> {
    let workflows = client
        .workflows()
        .list()
        .scope(WorkflowScope::Public)
        .search("restaurant");
    let workflows = workflows.send()?;
    let mut agent = CreateAgent::new("Chat");
    if let Some(workflow) = workflows.data.first() {
        agent = agent.agent_workflow_id(&workflow.id);
    }
    let agent = client.agents().create(agent).send()?;
    let menu =
        "Margherita pizza is £12. Lasagne is £14. We are open from 12:00 to 22:00 on Sundays.";
    let menu = CreateKnowledgeBase::text("Menu", menu);
    client
        .agents()
        .knowledge_bases()
        .create(&agent.id, menu)
        .send()?;
    let conversations = client.conversations().list(&agent.id).send()?;
    let conversation = conversations.data.first().map(|first| first.id.clone());
    Ok((agent.id.clone(), conversation.unwrap_or_default()))
}

//! Recipe: sorts support tickets. Each line of standard input is a ticket.
//!
//! ```text
//! cargo run --example support_triage < tickets.txt
//! ```
//!
//! Shows many short conversations, and an agent that classifies. Without `BIMPEAI_API_KEY` it uses the
//! built-in emulator.

#[path = "../support/mod.rs"]
mod support;

use std::io;
use std::process::ExitCode;

use bimpeai::agents::AgentPersona;
use bimpeai::emulator::Emulator;
use bimpeai::provision::{AgentSpec, WorkflowSpec};
use support::{Failure, note, print};

const QUEUES: [&str; 3] = ["billing", "outage", "other"];

fn main() -> ExitCode {
    support::run(
        "support_triage",
        "Usage: support_triage < TICKETS",
        support_triage,
    )
}

fn support_triage(arguments: Vec<String>) -> support::Result<()> {
    if let Some(argument) = arguments.first() {
        return Err(support::unexpected(argument));
    }
    let emulator = Emulator::builder()
        .replies("invoice", "billing")
        .replies("down", "Outage.")
        .replies("", "I cannot say.");
    let (client, _emulator) = support::client(emulator)?;
    let prompt = format!(
        "Each message is a support ticket. Reply with one word of: {}.",
        QUEUES.join(", ")
    );
    let spec = AgentSpec::new("Ticket triage")
        .description("Sorts support tickets.")
        .persona(AgentPersona::Concise)
        .workflow(WorkflowSpec::new().system_prompt(prompt));
    let applied = client.agents().apply(&spec).send()?;
    applied.changes.iter().for_each(note);

    for ticket in io::stdin().lines() {
        let ticket = ticket.map_err(|error| Failure::Other(format!("cannot read: {error}")))?;
        if ticket.trim().is_empty() {
            continue;
        }
        // A text alone is a new conversation, so that tickets do not influence each other.
        let reply = client
            .conversations()
            .ask(&applied.agent_id, &*ticket)
            .send()?;
        let word = reply.text().trim_end_matches('.').to_lowercase();
        // A model may reply with anything: what is not a queue goes to people.
        let queue = QUEUES
            .iter()
            .find(|queue| **queue == word)
            .unwrap_or(&"other");
        print(format_args!("{queue:<8} {ticket}"))?;
    }
    Ok(())
}

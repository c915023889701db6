//! Recipe: the front desk of a clinic. Emergencies go to a person.
//!
//! ```text
//! cargo run --example clinic
//! ```
//!
//! Shows an escalation, and how a person takes a conversation over. Without `BIMPEAI_API_KEY` it uses the
//! built-in emulator.

#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use bimpeai::conversations::{MessageRole, SendMessage, transcript};
use bimpeai::emulator::Emulator;
use bimpeai::provision::{AgentSpec, KnowledgeSpec, WorkflowSpec};
use bimpeai::workflows::RuleInput;
use support::print;

fn main() -> ExitCode {
    support::run("clinic", "Usage: clinic", clinic)
}

fn clinic(arguments: Vec<String>) -> support::Result<()> {
    if let Some(argument) = arguments.first() {
        return Err(support::unexpected(argument));
    }
    let emulator = Emulator::builder()
        .replies("chest", "Please call 112 at once. [EMERGENCY]")
        .replies("open", "We are open from 8:00 to 17:00.");
    let (client, _emulator) = support::client(emulator)?;
    let emergency = RuleInput::new(
        "emergency",
        "Emergencies",
        "Chest pain, trouble breathing, heavy bleeding or loss of consciousness.",
        "Tell the patient to call 112 at once, and end with [EMERGENCY].",
        true,
    );
    let prompt = "You are the front desk of a clinic. Never give medical advice.";
    let spec = AgentSpec::new("Clinic front desk")
        .description("Helps patients with questions and bookings.")
        .escalation_email("nurse@clinic.example.com")
        .workflow(WorkflowSpec::new().system_prompt(prompt).rules([emergency]))
        .knowledge_bases([KnowledgeSpec::text("Hours", "Open from 8:00 to 17:00.")]);
    let applied = client.agents().apply(&spec).send()?;
    applied.changes.iter().try_for_each(print)?;

    let (agent, conversations) = (&applied.agent_id, client.conversations());
    for question in ["When are you open?", "I have a pain in my chest."] {
        let reply = conversations.ask(agent, question).send()?;
        let id = &reply.conversation_id;
        if reply.text().contains("[EMERGENCY]") {
            // While the assistant is paused, a person writes in its place.
            conversations.set_ai_status(agent, id, true).send()?;
            let nurse = SendMessage::new("This is nurse Cy. I am calling you now.");
            let nurse = nurse.role(MessageRole::Assistant);
            conversations.messages().send(agent, id, nurse).send()?;
        }
        let messages = conversations.messages().list(agent, id).all()?;
        transcript(&messages).lines().try_for_each(print)?;
    }
    Ok(())
}

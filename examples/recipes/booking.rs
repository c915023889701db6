//! Recipe: appointments by WhatsApp, with a flow that asks for what is missing.
//!
//! ```text
//! cargo run --example booking
//! ```
//!
//! Shows a flow, and a conversation with a phone number. Without `BIMPEAI_API_KEY` it uses the built-in
//! emulator.

#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use bimpeai::conversations::{ChannelType, CreateConversationMessage};
use bimpeai::emulator::Emulator;
use bimpeai::provision::{AgentSpec, KnowledgeSpec, WorkflowSpec};
use bimpeai::workflows::{FlowInput, FlowStepInput};
use support::print;

const CUSTOMER: &str = "+2348012345678";

fn main() -> ExitCode {
    support::run("booking", "Usage: booking", booking)
}

fn booking(arguments: Vec<String>) -> support::Result<()> {
    if let Some(argument) = arguments.first() {
        return Err(support::unexpected(argument));
    }
    let emulator = Emulator::builder()
        .replies("haircut", "On which day would you like to come?")
        .replies(
            "tuesday",
            "Tuesday at 15:00 is free. I have booked it for you.",
        );
    let (client, _emulator) = support::client(emulator)?;

    let book = FlowInput::new("Book an appointment")
        .trigger_keywords(["appointment", "haircut"])
        .conversation_steps([
            FlowStepInput::new("text_response").content("Ask for the day, then for the time."),
            FlowStepInput::new("text_response").content("Repeat day and time, and confirm."),
        ]);
    let spec = AgentSpec::new("Salon Bo")
        .description("Books appointments.")
        .timezone("Africa/Lagos")
        .workflow(
            WorkflowSpec::new()
                .system_prompt("You book appointments for a hair salon. Be brief.")
                .flows([book]),
        )
        .knowledge_bases([KnowledgeSpec::text(
            "Prices",
            "Haircut £20, with a wash £25.",
        )]);
    let applied = client.agents().apply(&spec).send()?;
    applied.changes.iter().try_for_each(print)?;

    // The same number continues the same conversation.
    for text in ["I need a haircut.", "On Tuesday."] {
        let message = CreateConversationMessage::new(text)
            .channel_type(ChannelType::Whatsapp)
            .channel_user_id(CUSTOMER)
            .is_test_channel(true);
        let reply = client
            .conversations()
            .ask(&applied.agent_id, message)
            .send()?;
        print(format_args!("{text} -> {}", reply.text()))?;
    }
    Ok(())
}

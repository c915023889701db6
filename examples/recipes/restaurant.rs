//! Recipe: a restaurant whose agent takes orders, on a template of the public library.
//!
//! ```text
//! cargo run --example restaurant
//! ```
//!
//! Shows how to start from a template, and how to continue a conversation. A second run changes only
//! what is different here. Without `BIMPEAI_API_KEY` it uses the built-in emulator.

#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use bimpeai::agents::AgentPersona;
use bimpeai::conversations::CreateConversationMessage;
use bimpeai::emulator::Emulator;
use bimpeai::provision::{AgentSpec, KnowledgeSpec, WorkflowSpec};
use bimpeai::workflows::WorkflowScope;
use support::{Failure, print};

const MENU: &str = "Margherita pizza £12. Lasagne £14. Tiramisu £6. All pizzas come without gluten \
                    for £2 more.";

fn main() -> ExitCode {
    support::run("restaurant", "Usage: restaurant", restaurant)
}

fn restaurant(arguments: Vec<String>) -> support::Result<()> {
    if let Some(argument) = arguments.first() {
        return Err(support::unexpected(argument));
    }
    let emulator = Emulator::builder()
        .replies(
            "two lasagne",
            "Two lasagne are £28. Do you want to order them?",
        )
        .replies("yes", "Ordered. They are ready in 30 minutes.");
    let (client, _emulator) = support::client(emulator)?;
    let library = client.workflows().list().scope(WorkflowScope::Public);
    let template = library.search("restaurant").first()?;
    let template = template.ok_or_else(|| Failure::Other("found no template".to_owned()))?;

    let spec = AgentSpec::new("Trattoria Ada")
        .description("Takes orders and books tables.")
        .persona(AgentPersona::Friendly)
        .business_address("12 Harbour Street")
        .workflow(WorkflowSpec::new().template(template.id))
        .knowledge_bases([
            KnowledgeSpec::text("Menu", MENU),
            KnowledgeSpec::text("Opening hours", "12:00 to 22:00, closed on Mondays."),
        ]);
    let applied = client.agents().apply(&spec).send()?;
    applied.changes.iter().try_for_each(print)?;

    let conversations = client.conversations();
    let order = conversations.ask(&applied.agent_id, "I would like two lasagne.");
    let order = order.send()?;
    print(order.text())?;
    let yes = CreateConversationMessage::new("Yes, please.").conversation_id(order.conversation_id);
    print(conversations.ask(&applied.agent_id, yes).send()?.text())
}

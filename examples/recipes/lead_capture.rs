//! Recipe: leads. The agent ends its reply with a line of JSON, which the program prints as CSV.
//!
//! ```text
//! cargo run --example lead_capture > leads.csv
//! ```
//!
//! Shows how to get data out of a reply. Without `BIMPEAI_API_KEY` it uses the built-in emulator.

#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use bimpeai::conversations::CreateConversationMessage;
use bimpeai::emulator::Emulator;
use bimpeai::provision::{AgentSpec, WorkflowSpec};
use serde::Deserialize;
use support::{note, print};

const PROMPT: &str = "You greet visitors of a property agency. As soon as you know the visitor's name, \
                      email address and budget, end your reply with a line like \
                      LEAD {\"name\": \"Ada\", \"email\": \"ada@example.com\", \"budget\": 100000}";

#[derive(Deserialize)]
struct Lead {
    name: String,
    email: String,
    budget: f64,
}

impl Lead {
    fn to_csv(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let (name, email) = (quoted(&self.name), quoted(&self.email));
        format!("{name},{email},{}", self.budget)
    }
}

fn main() -> ExitCode {
    support::run("lead_capture", "Usage: lead_capture", lead_capture)
}

fn lead_capture(arguments: Vec<String>) -> support::Result<()> {
    if let Some(argument) = arguments.first() {
        return Err(support::unexpected(argument));
    }
    let lead = r#"LEAD {"name": "Ada", "email": "ada@example.com", "budget": 250000}"#;
    let emulator = Emulator::builder()
        .replies("ada@example.com", format!("Thank you, Ada.\n{lead}"))
        .replies("", "Who are you, and what is your budget?");
    let (client, _emulator) = support::client(emulator)?;
    let spec = AgentSpec::new("Property greeter")
        .description("Greets visitors and collects leads.")
        .workflow(WorkflowSpec::new().system_prompt(PROMPT));
    let applied = client.agents().apply(&spec).send()?;
    applied.changes.iter().for_each(note);

    let visitor = "I am Ada, ada@example.com. I look for a house for up to £250,000.";
    for text in ["Hello!", visitor] {
        let message = CreateConversationMessage::webchat(text, "visitor 7").is_test_channel(true);
        let reply = client
            .conversations()
            .ask(&applied.agent_id, message)
            .send()?;
        match reply
            .text()
            .split_once("LEAD ")
            .map(|(_, json)| serde_json::from_str::<Lead>(json))
        {
            Some(Ok(lead)) => print(lead.to_csv())?,
            Some(Err(error)) => note(format_args!("not a lead: {error}")),
            None => note(reply.text()),
        }
    }
    Ok(())
}

//! Recipe: returns and refunds. The agent looks orders up in an API of the shop.
//!
//! ```text
//! SHOP_TOKEN=… cargo run --example returns
//! ```
//!
//! Shows rules, and a custom API with a tool. Without `BIMPEAI_API_KEY` it uses the built-in emulator.

#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use bimpeai::agents::{CustomApiCreateTool, IntegrationAuthConfig, ToolHttpMethod};
use bimpeai::emulator::Emulator;
use bimpeai::provision::{AgentSpec, CustomApiSpec, WorkflowSpec};
use bimpeai::workflows::RuleInput;
use serde_json::json;
use support::{Failure, print};

const USAGE: &str = "\
Usage: returns

SHOP_TOKEN is the token that the agent sends to the API of the shop.";

fn main() -> ExitCode {
    support::run("returns", USAGE, returns)
}

fn returns(arguments: Vec<String>) -> support::Result<()> {
    if let Some(argument) = arguments.first() {
        return Err(support::unexpected(argument));
    }
    let token = std::env::var("SHOP_TOKEN")
        .map_err(|_| Failure::Usage("SHOP_TOKEN is not set".to_owned()))?;
    let emulator = Emulator::builder().replies("4711", "Order 4711 can be returned until Friday.");
    let (client, _emulator) = support::client(emulator)?;

    let window = RuleInput::new(
        "return_window",
        "Return window",
        "The order was delivered more than 30 days ago.",
        "Explain that returns are possible for 30 days, and offer a repair.",
        true,
    );
    // The body has to be a template: parameters alone would send an empty body.
    let find_order = CustomApiCreateTool::new("find_order", ToolHttpMethod::Post, "/orders/find")
        .description("Finds an order by its number.")
        .body_template(json!({"number": "{{number}}"}))
        .timeout(5_000); // in milliseconds
    let shop = CustomApiSpec::new("Shop")
        .base_url("https://shop.example.com/api")
        .auth_type("bearer")
        .auth_config(IntegrationAuthConfig::new().token(token))
        .tools([find_order]);
    let prompt = "You handle returns. Ask for the order number, look it up with find_order, and say \
                  until when it can be returned. Never promise a refund before the parcel arrived.";
    let spec = AgentSpec::new("Returns desk")
        .description("Handles returns and refunds.")
        .workflow(WorkflowSpec::new().system_prompt(prompt).rules([window]))
        .custom_apis([shop]);
    let applied = client.agents().apply(&spec).send()?;
    applied.changes.iter().try_for_each(print)?;

    let question = "I want to return order 4711.";
    let reply = client
        .conversations()
        .ask(&applied.agent_id, question)
        .send()?;
    print(reply.text())
}

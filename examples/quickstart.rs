//! Creates an agent on the first public workflow, and keeps it.
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! Without `BIMPEAI_API_KEY` it uses the built-in emulator.

mod support;

use std::process::ExitCode;

use bimpeai::agents::CreateAgent;
use bimpeai::emulator::Emulator;
use bimpeai::workflows::WorkflowScope;
use support::{Failure, print};

fn main() -> ExitCode {
    support::run("quickstart", "Usage: quickstart", quickstart)
}

fn quickstart(arguments: Vec<String>) -> support::Result<()> {
    if let Some(argument) = arguments.first() {
        return Err(support::unexpected(argument));
    }
    let (client, _emulator) = support::client(Emulator::builder())?;

    let public = client.workflows().list().scope(WorkflowScope::Public);
    let workflows = public.send()?.data;
    for workflow in &workflows {
        print(format_args!("{}  {}", workflow.id, workflow.name))?;
    }
    let Some(first) = workflows.first() else {
        return Err(Failure::Other("found no public workflow".to_owned()));
    };
    let agent = CreateAgent::new("Assistant")
        .description("Takes orders and books tables.")
        .workflow_id(&first.id);
    let agent = client.agents().create(agent).send()?;
    print(format_args!("created {} {}", agent.id, agent.name))
}

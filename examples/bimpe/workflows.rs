//! `bimpe workflows`

use bimpeai::Client;
use bimpeai::workflows::{Workflow, WorkflowScope};
use clap::{Subcommand, ValueEnum};

use crate::output::{Output, progress};
use crate::support::{Result, print};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List workflows
    List {
        /// Whose workflows
        #[arg(long, value_enum, default_value_t = Scope::Accessible)]
        scope: Scope,
    },
    /// Search the workflows that the team can use
    Search { text: String },
    /// Show one workflow with its prompt
    Show { workflow_id: String },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Scope {
    /// Those of the team
    Owned,
    /// The public library
    Public,
    /// Both
    Accessible,
}

pub(crate) fn run(command: Command, client: &Client, out: Output) -> Result<()> {
    let workflows = client.workflows();
    let list = match command {
        Command::List { scope } => workflows.list().scope(match scope {
            Scope::Owned => WorkflowScope::Owned,
            Scope::Public => WorkflowScope::Public,
            Scope::Accessible => WorkflowScope::Accessible,
        }),
        Command::Search { text } => workflows.list().search(text),
        Command::Show { workflow_id } => {
            return show(&workflows.retrieve(workflow_id).send()?, out);
        }
    };
    let waiting = progress("reading workflows");
    let found = list.all()?;
    drop(waiting);
    out.list(&found, ["ID", "NAME", "CATEGORY", "VISIBILITY"], |it| {
        [
            it.id.clone(),
            it.name.clone(),
            it.category.clone().unwrap_or_default(),
            it.visibility.to_string(),
        ]
    })
}

fn show(workflow: &Workflow, out: Output) -> Result<()> {
    let fields = [
        ("id", workflow.id.clone()),
        ("name", workflow.name.clone()),
        (
            "description",
            workflow.description.clone().unwrap_or_default(),
        ),
        ("category", workflow.category.clone().unwrap_or_default()),
        ("visibility", workflow.visibility.to_string()),
        ("rules", workflow.rules.len().to_string()),
        ("flows", workflow.flows.len().to_string()),
        ("updated", workflow.updated_at.to_string()),
    ];
    out.object(workflow, &fields)?;
    match &workflow.system_prompt {
        Some(prompt) if !out.json => {
            print("prompt")?;
            prompt
                .lines()
                .try_for_each(|line| print(format_args!("  {line}")))
        }
        _ => Ok(()),
    }
}

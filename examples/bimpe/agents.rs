//! `bimpe agents`

use std::fs;

use bimpeai::Client;
use bimpeai::agents::{AgentDetail, CreateAgent};
use bimpeai::provision::{AgentSpec, Change};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::output::{self, Output, confirm, progress};
use crate::support::{Failure, Result, note, print};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List agents
    List {
        /// Only those that contain this text
        #[arg(long)]
        search: Option<String>,
    },
    /// Show one agent
    Show { agent_id: String },
    /// Create an agent
    Create(Create),
    /// Delete agents
    Delete {
        #[arg(required = true)]
        agent_id: Vec<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show what apply would change
    Plan(File),
    /// Create or change an agent until it is what a file describes
    Apply(File),
    /// Print an agent as a file for apply
    Export { agent_id: String },
}

#[derive(Args)]
pub(crate) struct Create {
    name: String,
    /// Workflow to follow: bimpe workflows list
    #[arg(long, value_name = "WORKFLOW_ID")]
    workflow: String,
    /// What the agent is for
    #[arg(long)]
    description: String,
    /// ISO 639-1 language code
    #[arg(long)]
    language: Option<String>,
    /// Time zone (IANA name)
    #[arg(long)]
    timezone: Option<String>,
}

#[derive(Args)]
pub(crate) struct File {
    /// JSON file as export prints it, or - for standard input
    #[arg(default_value = "-")]
    file: String,
    /// Send secrets again, which cannot be compared
    #[arg(long)]
    renew: bool,
}

pub(crate) fn run(command: Command, client: &Client, out: Output) -> Result<()> {
    match command {
        Command::List { search } => list(client, search.as_deref(), out),
        Command::Show { agent_id } => show(&client.agents().retrieve(agent_id).send()?, out),
        Command::Create(agent) => create(client, agent, out),
        Command::Delete { agent_id, yes } => delete(client, &agent_id, yes),
        Command::Plan(file) => plan(client, &file, out),
        Command::Apply(file) => apply(client, &file, out),
        Command::Export { agent_id } => {
            let waiting = progress("reading the agent");
            let spec = client.agents().export(agent_id).send()?;
            drop(waiting);
            output::json(&spec)
        }
    }
}

fn list(client: &Client, search: Option<&str>, out: Output) -> Result<()> {
    let mut list = client.agents().list();
    if let Some(text) = search {
        list = list.search(text);
    }
    let waiting = progress("reading agents");
    let agents = list.all()?;
    drop(waiting);
    out.list(&agents, ["ID", "NAME", "STATUS", "CREATED"], |agent| {
        let status = agent.status.as_ref().map(ToString::to_string);
        [
            agent.id.clone(),
            agent.name.clone(),
            status.unwrap_or_default(),
            agent.created_at.to_string(),
        ]
    })
}

fn show(agent: &AgentDetail, out: Output) -> Result<()> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let knowledge = agent.knowledge_bases.iter().map(|it| it.name.as_str());
    let channels = agent.channels.iter().map(|it| it.r#type.to_string());
    let status = agent.status.as_ref().map(ToString::to_string);
    let fields = [
        ("id", agent.id.clone()),
        ("name", agent.name.clone()),
        ("description", agent.description.clone()),
        ("status", status.unwrap_or_default()),
        ("status reason", text(&agent.status_reason)),
        ("workflow", text(&agent.workflow_id)),
        ("language", text(&agent.language)),
        ("timezone", text(&agent.timezone)),
        ("business", text(&agent.business_name)),
        ("knowledge bases", knowledge.collect::<Vec<_>>().join(", ")),
        ("channels", channels.collect::<Vec<_>>().join(", ")),
        ("created", agent.created_at.to_string()),
        ("updated", agent.updated_at.to_string()),
    ];
    out.object(agent, &fields)
}

fn create(client: &Client, create: Create, out: Output) -> Result<()> {
    let mut body = CreateAgent::new(create.name)
        .workflow_id(create.workflow)
        .description(create.description);
    if let Some(language) = create.language {
        body = body.language(language);
    }
    if let Some(timezone) = create.timezone {
        body = body.timezone(timezone);
    }
    let agent = client.agents().create(body).send()?;
    let fields = [("id", agent.id.clone()), ("name", agent.name.clone())];
    out.object(&agent, &fields)
}

fn delete(client: &Client, ids: &[String], yes: bool) -> Result<()> {
    for id in ids {
        let agent = client.agents().retrieve(id).send()?;
        confirm(
            client,
            &format!("Delete agent {:?} ({id})?", agent.name),
            yes,
        )?;
        client.agents().delete(id).send()?;
        note(format_args!("deleted agent {:?} ({id})", agent.name));
    }
    Ok(())
}

fn plan(client: &Client, file: &File, out: Output) -> Result<()> {
    let request = client.agents().apply(&read(&file.file)?);
    let request = match file.renew {
        true => request.renew(),
        false => request,
    };
    let waiting = progress("comparing");
    let changes = request.plan()?;
    drop(waiting);
    if out.json {
        return output::json(&changes.iter().map(as_json).collect::<Vec<_>>());
    }
    if changes.is_empty() {
        note("nothing to change");
    }
    changes.iter().try_for_each(print)
}

fn apply(client: &Client, file: &File, out: Output) -> Result<()> {
    let mut request = client.agents().apply(&read(&file.file)?);
    if file.renew {
        request = request.renew();
    }
    if !out.json {
        // A reader that has gone does not stop the work halfway.
        request = request.on_change(|change| drop(print(change)));
    }
    let applied = request.send()?;
    if out.json {
        return output::json(&json!({
            "agent_id": applied.agent_id,
            "workflow_id": applied.workflow_id,
            "shared_with": applied.shared_with,
            "changes": applied.changes.iter().map(as_json).collect::<Vec<_>>(),
        }));
    }
    match applied.changes.is_empty() {
        true => note(format_args!(
            "agent {}: nothing to change",
            applied.agent_id
        )),
        false => note(format_args!("agent {} is as specified", applied.agent_id)),
    }
    Ok(())
}

pub(crate) fn as_json(change: &Change) -> serde_json::Value {
    json!({
        "action": change.action.to_string(),
        "resource": change.resource.to_string(),
        "name": change.name,
        "fields": change.fields,
        "shared_with": change.shared_with,
    })
}

fn read(file: &str) -> Result<AgentSpec> {
    let text = match file {
        "-" => output::input()?,
        _ => fs::read_to_string(file)
            .map_err(|error| Failure::Other(format!("cannot read {file:?}: {error}")))?,
    };
    let invalid = |error| Failure::Other(format!("{file:?} is not an agent: {error}"));
    serde_json::from_str(&text).map_err(invalid)
}

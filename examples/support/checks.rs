//! Checks what a program needs from the API, for `doctor` and `bimpe doctor`.

use std::fmt::Display;
use std::time::Instant;

use bimpeai::agents::{AgentDetail, AgentLiveStatusValue};
use bimpeai::{Client, Error};

use crate::support::{self, Failure, print};

/// Checks the connection, the agent (default: the team's first one), its workflow and its channels.
pub(crate) fn run(client: &Client, agent_id: Option<&str>) -> support::Result<()> {
    let first = check_connection(client)?;
    let Some(agent_id) = agent_id.or(first.as_deref()) else {
        let advice = "create one in the console";
        return warning("agent", "the team has no agent", advice);
    };
    let agent = check_agent(client, agent_id)?;
    check_workflow(client, &agent)?;
    check_channels(client, &agent)
}

/// Returns the id of the team's first agent, if it has one.
fn check_connection(client: &Client) -> support::Result<Option<String>> {
    let start = Instant::now();
    let error = match client.agents().list().limit(1).send() {
        Ok(page) => {
            let taken = start.elapsed();
            success(
                "connection",
                format_args!("the API responded in {taken:.0?}"),
            )?;
            return Ok(page.data.into_iter().next().map(|agent| agent.id));
        }
        Err(error) => error,
    };
    let advice = match &error {
        Error::Connection(_) | Error::Timeout(_) => {
            "check the network, the proxy and BIMPEAI_BASE_URL"
        }
        error if support::exit_code(error) == 4 => {
            return refused("key", error, "create a key in the console");
        }
        error if error.is_retryable() => "wait a minute, then run doctor again",
        _ => "check that BIMPEAI_BASE_URL is the address of the API",
    };
    refused("connection", &error, advice)
}

fn check_agent(client: &Client, agent_id: &str) -> support::Result<AgentDetail> {
    let agent = match client.agents().retrieve(agent_id).send() {
        Ok(agent) => agent,
        Err(error) => {
            return refused(
                "agent",
                &error,
                "compare the id with the list in the console",
            );
        }
    };
    let name = format!("{} ({})", agent.name, agent.id);
    match &agent.status {
        Some(AgentLiveStatusValue::Paused) => {
            let reason = agent.status_reason.as_deref().unwrap_or("no reason given");
            let advice = "it replies to nobody; set its status to live";
            warning("agent", format_args!("{name} is paused: {reason}"), advice)?;
        }
        Some(status) => success("agent", format_args!("{name}, {status}"))?,
        None => success("agent", name)?,
    }
    Ok(agent)
}

fn check_workflow(client: &Client, agent: &AgentDetail) -> support::Result<()> {
    let is_empty = |prompt: &Option<String>| prompt.as_deref().unwrap_or_default().is_empty();
    let Some(id) = agent
        .workflow_id
        .as_ref()
        .or(agent.agent_workflow_id.as_ref())
    else {
        if !is_empty(&agent.system_prompt) {
            return success("workflow", "none; the agent has a system prompt");
        }
        let advice = "set workflow_id on the agent";
        return warning(
            "workflow",
            "the agent has no workflow and no prompt",
            advice,
        );
    };
    let workflow = match client.workflows().retrieve(id).send() {
        Ok(workflow) => workflow,
        Err(error) => {
            return refused("workflow", &error, "set another workflow_id on the agent");
        }
    };
    let name = format!("{} ({})", workflow.name, workflow.id);
    if is_empty(&workflow.system_prompt) {
        let advice = "set system_prompt on the workflow";
        return warning("workflow", format_args!("{name} has no prompt"), advice);
    }
    let (rules, flows) = (workflow.rules.len(), workflow.flows.len());
    success(
        "workflow",
        format_args!("{name}, {rules} rules, {flows} flows"),
    )
}

fn check_channels(client: &Client, agent: &AgentDetail) -> support::Result<()> {
    let channels = match client.agents().channels().list(&agent.id).send() {
        Ok(channels) => channels,
        Err(error) => return refused("channels", &error, "run doctor again"),
    };
    let states = channels
        .iter()
        .map(|it| format!("{} {}", it.r#type, it.status));
    let states = states.collect::<Vec<_>>().join(", ");
    if channels.iter().any(|channel| channel.is_connected) {
        return success("channels", states);
    }
    let states = if states.is_empty() { "none" } else { &states };
    let advice = "only test conversations reach the agent; connect a channel in the console";
    warning("channels", format_args!("not connected: {states}"), advice)
}

pub(crate) fn success(check: &str, detail: impl Display) -> support::Result<()> {
    print(format_args!("ok    {check:<11} {detail}"))
}

fn warning(check: &str, detail: impl Display, advice: &str) -> support::Result<()> {
    print(format_args!("warn  {check:<11} {detail}"))?;
    print(format_args!("      → {advice}"))
}

pub(crate) fn failure(check: &str, detail: impl Display, advice: &str) -> support::Result<()> {
    print(format_args!("FAIL  {check:<11} {detail}"))?;
    print(format_args!("      → {advice}"))
}

/// Prints a call that failed, and returns its exit code.
fn refused<T>(check: &str, error: &Error, advice: &str) -> support::Result<T> {
    failure(check, error, advice)?;
    Err(Failure::Reported(support::exit_code(error)))
}

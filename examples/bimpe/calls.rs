//! `bimpe calls`

use std::time::Duration;

use bimpeai::Client;
use bimpeai::calls::{CallStatus, MakeCall, MakeCallStatus};
use clap::{Args, Subcommand};

use crate::output::{Output, progress};
use crate::support::{self, Failure, Result, note, print};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Have an agent call a phone number
    Make(Make),
    /// Wait until a call is over, and print its transcript
    Wait(Wait),
    /// List the calls of an agent
    List { agent_id: String },
}

#[derive(Args)]
pub(crate) struct Make {
    agent_id: String,
    /// Phone number with country code, such as +2348012345678
    number: String,
    /// Make a test call
    #[arg(long)]
    test: bool,
    /// Wait until the call is over, and print its transcript
    #[arg(long)]
    wait: bool,
}

#[derive(Args)]
pub(crate) struct Wait {
    agent_id: String,
    call_id: String,
    /// How long to wait
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

pub(crate) fn run(command: Command, client: &Client, out: Output) -> Result<()> {
    match command {
        Command::Make(call) => make(client, call, out),
        Command::Wait(call) => wait(client, &call, out),
        Command::List { agent_id } => list(client, &agent_id, out),
    }
}

fn make(client: &Client, call: Make, out: Output) -> Result<()> {
    let body = MakeCall::new(call.number, call.test);
    let made = client.calls().make(&call.agent_id, body).send();
    if made.as_ref().is_err_and(support::is_in_doubt) {
        // Only another attempt of the same request would be the same call.
        note(format_args!(
            "the phone may have rung, and another run is another call: check `bimpe calls list {}`",
            call.agent_id
        ));
    }
    let made = made?;
    if let (true, Some(call_id)) = (call.wait, made.call_id.clone()) {
        note(format_args!("call {call_id}"));
        let wait = Wait {
            agent_id: call.agent_id,
            call_id,
            timeout: Duration::from_secs(600),
        };
        return self::wait(client, &wait, out);
    }
    let fields = [
        ("call", made.call_id.clone().unwrap_or_default()),
        ("status", made.status.to_string()),
        ("detail", made.detail.clone().unwrap_or_default()),
    ];
    out.object(&made, &fields)?;
    match made.status {
        MakeCallStatus::Busy | MakeCallStatus::Failed => Err(Failure::Reported(1)),
        _ => Ok(()),
    }
}

/// Waits for the end of a call. Fails if it did not end normally.
fn wait(client: &Client, call: &Wait, out: Output) -> Result<()> {
    let waiting = progress("waiting for the end of the call");
    let request = client.calls().wait(&call.agent_id, &call.call_id);
    let over = request.deadline(call.timeout).send()?;
    drop(waiting);
    let seconds = over.duration_seconds.map(|it| format!("{it} s"));
    let fields = [
        ("call", over.id.clone()),
        ("status", over.status.to_string()),
        ("destination", over.destination.clone()),
        ("duration", seconds.unwrap_or_default()),
        ("end reason", over.end_reason.clone().unwrap_or_default()),
        ("error", over.error_reason.clone().unwrap_or_default()),
    ];
    out.object(&over, &fields)?;
    if !out.json {
        over.transcript().lines().try_for_each(print)?;
    }
    match over.status {
        CallStatus::Busy | CallStatus::Failed | CallStatus::Cancelled => Err(Failure::Reported(1)),
        _ => Ok(()),
    }
}

fn list(client: &Client, agent_id: &str, out: Output) -> Result<()> {
    let waiting = progress("reading calls");
    let calls = client.calls().list(agent_id).all()?;
    drop(waiting);
    out.list(
        &calls,
        ["ID", "STATUS", "DESTINATION", "SECONDS", "CREATED"],
        |call| {
            let seconds = call.duration_seconds.map(|it| it.to_string());
            [
                call.id.clone(),
                call.status.to_string(),
                call.destination.clone(),
                seconds.unwrap_or_default(),
                call.created_on.to_string(),
            ]
        },
    )
}

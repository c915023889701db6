//! `bimpe`: the BimpeAI Console API on the command line.
//!
//! ```text
//! cargo install --path examples/bimpe --example bimpe
//! export BIMPEAI_API_KEY_COMMAND="pass show bimpeai"
//! bimpe agents list
//! ```
//!
//! Results are on standard output, as tables or with `--json` as the API's own objects. Messages are on
//! standard error. Exit codes are those of `gh`: 0 success, 1 failure, 2 usage error, 4 authentication
//! error, 130 interrupted.

mod agents;
mod calls;
#[path = "../support/checks.rs"]
mod checks;
mod connection;
mod knowledge;
mod messages;
mod output;
#[path = "../support/mod.rs"]
mod support;
mod workflows;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use output::Output;
use support::{Failure, Result};

/// The BimpeAI Console API on the command line.
#[derive(Parser)]
#[command(name = "bimpe", version, after_help = AFTER_HELP)]
struct Cli {
    /// Print the API's own JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Environment:
  BIMPEAI_API_KEY          API key (sk_…) from the console
  BIMPEAI_API_KEY_COMMAND  shell command that prints the key, if BIMPEAI_API_KEY is not set
  BIMPEAI_BASE_URL         another address of the API
  NO_COLOR                 no colors

Exit codes: 0 success, 1 failure, 2 usage error, 4 authentication error, 130 interrupted.";

#[derive(Subcommand)]
enum Command {
    /// List, search and show workflows
    #[command(subcommand)]
    Workflows(workflows::Command),
    /// List, show, create and delete agents, or keep them in files
    #[command(subcommand)]
    Agents(agents::Command),
    /// List, add and remove knowledge bases of an agent
    #[command(subcommand)]
    Kb(knowledge::Command),
    /// Ask an agent a question and print its reply
    Ask(messages::Ask),
    /// Talk to an agent, a line at a time
    Chat(messages::Chat),
    /// Follow a conversation
    Tail(messages::Tail),
    /// Make phone calls, wait for their end and list them
    #[command(subcommand)]
    Calls(calls::Command),
    /// Check the key, the connection and an agent, with advice
    Doctor {
        /// Agent to check (default: the first one of the team)
        agent_id: Option<String>,
    },
    /// Print a completion script, such as: bimpe completions bash
    Completions { shell: Shell },
}

fn main() -> ExitCode {
    support::run_with("bimpe", None, bimpe)
}

fn bimpe(arguments: Vec<String>) -> Result<()> {
    let program = std::iter::once("bimpe".to_owned());
    let cli = match Cli::try_parse_from(program.chain(arguments)) {
        Ok(cli) => cli,
        Err(error) if error.exit_code() == 0 => return output::text(&error.to_string()),
        Err(error) => {
            output::message(&error.to_string());
            return Err(Failure::Reported(2));
        }
    };
    // Until there is a client.
    exit_on_interrupt(|| {});
    let out = Output { json: cli.json };
    match cli.command {
        Command::Completions { shell } => completions(shell),
        Command::Doctor { .. } if cli.json => {
            Err(Failure::Usage("doctor has no --json".to_owned()))
        }
        Command::Doctor { agent_id } => doctor(agent_id.as_deref()),
        Command::Workflows(command) => workflows::run(command, &connection::client()?, out),
        Command::Agents(command) => agents::run(command, &connection::client()?, out),
        Command::Kb(command) => knowledge::run(command, &connection::client()?, out),
        Command::Calls(command) => calls::run(command, &connection::client()?, out),
        Command::Ask(ask) => messages::ask(ask, &connection::client()?, out),
        Command::Chat(chat) => messages::chat(&chat, &connection::client()?, out),
        Command::Tail(tail) => messages::tail(tail, &connection::client()?, out),
    }
}

/// Ends the program at Ctrl-C, after `stop`.
fn exit_on_interrupt(stop: impl FnOnce() + Send + 'static) {
    support::on_interrupt(|| {
        stop();
        if io::stderr().is_terminal() {
            let _ = writeln!(io::stderr()); // after the terminal's `^C`
        }
        std::process::exit(130);
    });
}

fn doctor(agent_id: Option<&str>) -> Result<()> {
    let client = connection::client()?;
    checks::success("key", "an API key is set")?;
    checks::run(&client, agent_id)
}

fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bimpe", &mut script);
    output::text(&String::from_utf8_lossy(&script))
}

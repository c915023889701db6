//! Checks what a program needs from the API: key, connection, agent, workflow and channels. Says what
//! to do about each problem, and changes nothing.
//!
//! ```text
//! cargo run --example doctor -- AGENT_ID
//! ```

mod support;
// The checks themselves, which `bimpe doctor` runs too.
#[path = "support/checks.rs"]
mod checks;

use std::process::ExitCode;
use std::time::Duration;

use bimpeai::Client;
use checks::{failure, success};
use support::Failure;

const USAGE: &str = "\
Usage: doctor [AGENT_ID]

Checks the agent (default: the first one of the team), and what it needs. Exit code: 0 if all checks
passed, perhaps with warnings; 1 if a check failed; 4 if the API key is missing or refused.

BIMPEAI_API_KEY and BIMPEAI_BASE_URL select the API.";

fn main() -> ExitCode {
    support::run("doctor", USAGE, doctor)
}

fn doctor(arguments: Vec<String>) -> support::Result<()> {
    let agent_id = match &arguments[..] {
        [] => None,
        [id] if !id.starts_with('-') => Some(id.clone()),
        [id] => return Err(support::unexpected(id)),
        [_, argument, ..] => return Err(support::unexpected(argument)),
    };
    checks::run(&check_key()?, agent_id.as_deref())
}

fn check_key() -> support::Result<Client> {
    support::check_environment()?;
    let key = std::env::var("BIMPEAI_API_KEY").unwrap_or_default();
    if key.is_empty() {
        let advice = "create a key in the console: export BIMPEAI_API_KEY=sk_…";
        failure("key", "BIMPEAI_API_KEY is not set", advice)?;
        return Err(Failure::Reported(4));
    }
    // Alone first: the environment can have other errors. This base URL needs no TLS.
    let alone = Client::builder(key).base_url("http://localhost").no_proxy();
    if let Err(error) = alone.build() {
        failure("key", error, "check BIMPEAI_API_KEY")?;
        return Err(Failure::Reported(4));
    }
    let client = Client::builder_from_env()
        .and_then(|builder| builder.timeout(Duration::from_secs(10)).build())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    support::shut_down_on_interrupt(&client);
    success("key", "BIMPEAI_API_KEY is set")?;
    Ok(client)
}

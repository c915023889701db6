//! Checks that an agent exists, and writes its id and name as constants.
//!
//! * With `BIMPEAI_API_KEY`, the agent is retrieved: `BIMPEAI_AGENT_ID`, or the one in `agent.json`. An
//!   agent that does not exist, or a key that is refused, fails the build.
//! * Without a key, or if the API does not respond within a second, the values are those in
//!   `agent.json`, and cargo shows a warning. A build never waits for the network longer than that.
//! * `BIMPEAI_BASE_URL` selects another server, such as an emulator:
//!   `cargo run --example emulator` in the root folder.

use std::error::Error;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use bimpeai::Client;
use serde_json::Value;

/// The time limit for the check, with all retries.
const LIMIT: Duration = Duration::from_secs(1);

struct Agent {
    id: String,
    name: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=agent.json");
    for name in ["BIMPEAI_API_KEY", "BIMPEAI_BASE_URL", "BIMPEAI_AGENT_ID"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let agent = check(cached()?)?;
    let constants = format!(
        "pub const ID: &str = {:?};\npub const NAME: &str = {:?};\n",
        agent.id, agent.name
    );
    let folder = env::var("OUT_DIR")?;
    fs::write(Path::new(&folder).join("agent.rs"), constants)?;
    Ok(())
}

/// Reads the values for builds without a network.
fn cached() -> Result<Agent, Box<dyn Error>> {
    let agent: Value = serde_json::from_str(&fs::read_to_string("agent.json")?)?;
    let text = |name: &str| {
        let text = agent[name].as_str().map(str::to_owned);
        text.ok_or_else(|| format!("agent.json has no {name:?}"))
    };
    Ok(Agent {
        id: text("id")?,
        name: text("name")?,
    })
}

/// Returns the agent as the API has it, or the cached one if the API cannot be asked.
fn check(cached: Agent) -> Result<Agent, bimpeai::Error> {
    if env::var_os("BIMPEAI_API_KEY").is_none() {
        println!("cargo::warning=BIMPEAI_API_KEY is not set: using agent.json");
        return Ok(cached);
    }
    let client = Client::from_env()?;
    let id = env::var("BIMPEAI_AGENT_ID").unwrap_or_else(|_| cached.id.clone());
    match client.agents().retrieve(id).deadline(LIMIT).send() {
        Ok(agent) => Ok(Agent {
            id: agent.id,
            name: agent.name,
        }),
        // It may work later, and a build should not depend on that.
        Err(error) if error.is_retryable() => {
            println!("cargo::warning={error}: using agent.json");
            Ok(cached)
        }
        Err(error) => Err(error),
    }
}

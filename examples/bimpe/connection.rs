//! The client, and where its key is from.

use std::env;
use std::process::{Command, Stdio};

use bimpeai::Client;

use crate::support::{self, Failure, Result, note};

const KEY: &str = "BIMPEAI_API_KEY";
const KEY_COMMAND: &str = "BIMPEAI_API_KEY_COMMAND";

/// Creates a client with the key in `BIMPEAI_API_KEY`, or the one that the command in
/// `BIMPEAI_API_KEY_COMMAND` prints. Ctrl-C shuts it down: the program can then say what it leaves
/// behind.
pub(crate) fn client() -> Result<Client> {
    support::check_environment()?;
    let (key, source) = match (variable(KEY)?, variable(KEY_COMMAND)?) {
        (Some(key), _) => (key, KEY),
        (None, Some(command)) => (output_of(&command)?, KEY_COMMAND),
        (None, None) => {
            // The client knows names that are mistaken for the right one.
            let error =
                Client::from_env().map_or_else(|error| error.to_string(), |_| String::new());
            return Err(no_access(&format!(
                "{error}; or set {KEY_COMMAND} to a command that prints it"
            )));
        }
    };
    // Alone first: an invalid key has its own exit code. This base URL needs no TLS.
    let alone = Client::builder(&key)
        .base_url("http://localhost")
        .no_proxy();
    if let Err(error) = alone.build() {
        return Err(no_access(&format!("{source}: {error}")));
    }
    let mut builder =
        Client::builder(key).user_agent_suffix(concat!("bimpe/", env!("CARGO_PKG_VERSION")));
    if let Some(url) = variable("BIMPEAI_BASE_URL")? {
        builder = builder.base_url(url);
    }
    for host in variable("BIMPEAI_ALLOW_HTTP")?
        .iter()
        .flat_map(|hosts| hosts.split(','))
    {
        builder = builder.allow_http(host.trim());
    }
    let client = builder
        .build()
        .map_err(|error| Failure::Usage(error.to_string()))?;
    support::shut_down_on_interrupt(&client);
    Ok(client)
}

/// Runs a shell command and returns what it prints. Neither is ever printed.
fn output_of(command: &str) -> Result<String> {
    let (shell, option) = match cfg!(windows) {
        true => ("cmd", "/C"),
        false => ("sh", "-c"),
    };
    let output = Command::new(shell)
        .args([option, command])
        .stdin(Stdio::inherit()) // it may ask for a password
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| no_access(&format!("cannot run {KEY_COMMAND}: {error}")))?;
    if !output.status.success() {
        return Err(no_access(&format!(
            "{KEY_COMMAND} failed: {}",
            output.status
        )));
    }
    match String::from_utf8(output.stdout) {
        Ok(key) if !key.trim().is_empty() => Ok(key.trim().to_owned()),
        Ok(_) => Err(no_access(&format!("{KEY_COMMAND} printed nothing"))),
        Err(_) => Err(no_access(&format!("{KEY_COMMAND} printed invalid UTF-8"))),
    }
}

/// Reads a variable; an empty one counts as unset.
fn variable(name: &str) -> Result<Option<String>> {
    let value = env::var_os(name).filter(|value| !value.is_empty());
    let Some(value) = value else { return Ok(None) };
    let invalid = |_| Failure::Usage(format!("{name} is not valid UTF-8"));
    value.into_string().map(Some).map_err(invalid)
}

fn no_access(why: &str) -> Failure {
    note(format_args!("bimpe: {why}"));
    Failure::Reported(4)
}

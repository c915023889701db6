//! A script and its tests: the emulator takes the place of the API, and fails on demand.
//!
//! ```text
//! cargo run --example test_your_script -- "From 12 to 22, on Sundays from 13."
//! cargo test --example test_your_script
//! ```
//!
//! In a project of your own, tests need `bimpeai = { version = "0.1", features = ["emulator"] }` in
//! `[dev-dependencies]`.

mod support;

use std::process::ExitCode;

use bimpeai::agents::{CreateKnowledgeBase, UpdateKnowledgeBase};
use bimpeai::emulator::Emulator;
use bimpeai::{Client, Error};
use support::{Failure, print};

const NAME: &str = "Opening hours";

/// Sets the same opening hours for all agents, and returns how many had other ones.
///
/// It takes the client, so that a test can pass one of the emulator.
fn set_opening_hours(client: &Client, hours: &str) -> Result<usize, Error> {
    let knowledge_bases = client.agents().knowledge_bases();
    let mut changed = 0;
    for agent in client.agents().list().all()? {
        let known = knowledge_bases.list(&agent.id).send()?;
        match known.iter().find(|it| it.name == NAME) {
            Some(it) if it.content.as_deref() == Some(hours) => continue,
            Some(it) => {
                let update = UpdateKnowledgeBase::new().content(hours);
                knowledge_bases.update(&agent.id, &it.id, update).send()?;
            }
            None => {
                let create = CreateKnowledgeBase::text(NAME, hours);
                knowledge_bases.create(&agent.id, create).send()?;
            }
        }
        changed += 1;
    }
    Ok(changed)
}

fn main() -> ExitCode {
    support::run(
        "test_your_script",
        "Usage: test_your_script HOURS",
        |arguments| {
            let hours = match &arguments[..] {
                [hours] if !hours.starts_with('-') => hours,
                [option] | [_, option, ..] => return Err(support::unexpected(option)),
                [] => return Err(Failure::Usage("expected the opening hours".to_owned())),
            };
            let (client, _emulator) = support::client(Emulator::builder())?;
            let changed = set_opening_hours(&client, hours)?;
            print(format_args!("{changed} agents changed"))
        },
    )
}

#[cfg(test)]
mod tests {
    use bimpeai::agents::CreateAgent;
    use bimpeai::emulator::Fault;

    use super::*;

    const CREATE: (&str, &str) = ("POST", "/agents/*/knowledge_bases");

    fn team_of(agents: usize) -> (Emulator, Client) {
        let emulator = Emulator::start().unwrap();
        let client = emulator.client_builder().build().unwrap();
        for n in 0..agents {
            let agent = CreateAgent::new(format!("Agent {n}"));
            client.agents().create(agent).send().unwrap();
        }
        (emulator, client)
    }

    /// The opening hours that each agent has, in the order of the agents.
    fn hours(client: &Client) -> Vec<String> {
        let agents = client.agents().list().all().unwrap();
        let known = |id| client.agents().knowledge_bases().list(id).send().unwrap();
        agents
            .iter()
            .flat_map(|agent| known(&agent.id))
            .filter_map(|it| it.content)
            .collect()
    }

    #[test]
    fn all_agents_have_the_same_hours_afterwards() {
        let (_emulator, client) = team_of(30);
        assert_eq!(set_opening_hours(&client, "12 to 22").unwrap(), 30);
        assert_eq!(hours(&client), ["12 to 22"; 30]);
        assert_eq!(set_opening_hours(&client, "13 to 21").unwrap(), 30);
        assert_eq!(hours(&client), ["13 to 21"; 30]);
    }

    #[test]
    fn a_second_run_only_reads() {
        let (emulator, client) = team_of(2);
        set_opening_hours(&client, "12 to 22").unwrap();
        emulator.clear_requests();
        assert_eq!(set_opening_hours(&client, "12 to 22").unwrap(), 0);
        assert!(emulator.requests().iter().all(|it| it.method == "GET"));
    }

    #[test]
    fn a_server_that_fails_once_changes_nothing() {
        let (emulator, client) = team_of(2);
        emulator.fault(Fault::status(503).on(CREATE.0, CREATE.1));
        assert_eq!(set_opening_hours(&client, "12 to 22").unwrap(), 2);
        assert_eq!(hours(&client), ["12 to 22"; 2]);
    }

    #[test]
    fn a_lost_response_does_not_create_twice() {
        let (emulator, client) = team_of(2);
        let lost = Fault::truncate(10).on(CREATE.0, CREATE.1);
        emulator.fault(lost);
        assert_eq!(set_opening_hours(&client, "12 to 22").unwrap(), 2);
        assert_eq!(hours(&client), ["12 to 22"; 2]);
    }

    #[test]
    fn a_run_that_failed_is_completed_by_the_next() {
        let (emulator, client) = team_of(3);
        emulator.fault(Fault::delay(std::time::Duration::ZERO).on(CREATE.0, CREATE.1));
        emulator.fault(Fault::status(400).on(CREATE.0, CREATE.1));
        let error = set_opening_hours(&client, "12 to 22").unwrap_err();
        assert_eq!(error.status(), Some(400));
        assert_eq!(hours(&client).len(), 1);
        assert_eq!(set_opening_hours(&client, "12 to 22").unwrap(), 2);
    }
}

//! `doctor`: each problem is found, with advice.

use std::process::Command;

use bimpeai::agents::{AgentLiveStatusValue, CreateAgent, UpdateLiveStatus};
use bimpeai::emulator::{Emulator, Fault};
use bimpeai::workflows::CreateWorkflow;

use super::child::{Ended, Talk, client, example, example_with_key, run};

fn doctor(emulator: &Emulator) -> Command {
    example_with_key("doctor", emulator)
}

/// Finds a line of a check, with the advice below it.
#[track_caller]
fn says(ended: &Ended, code: i32, line: &str, advice: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let mut lines = ended.stdout.lines();
    assert!(lines.any(|it| it.starts_with(line)), "{line:?}: {ended:?}");
    let next = lines.next().unwrap_or_default();
    assert!(
        advice.is_empty() || next.starts_with(&format!("      → {advice}")),
        "{ended:?}"
    );
}

/// An agent that lacks nothing.
fn healthy() -> (Emulator, String) {
    let emulator = Emulator::start().unwrap();
    let client = client(&emulator);
    let workflow = &client.workflows().list().send().unwrap().data[0];
    let agent = CreateAgent::new("Scribe")
        .description("Writes.")
        .workflow_id(&workflow.id);
    let agent = client.agents().create(agent).send().unwrap().id;
    emulator.connect_channel(&agent, "whatsapp");
    (emulator, agent)
}

#[test]
fn an_agent_that_lacks_nothing_passes_all_checks() {
    let (emulator, agent) = healthy();
    for arguments in [&[][..], &[agent.as_str()]] {
        emulator.clear_requests();
        let ended = run(doctor(&emulator).args(arguments));
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{ended:?}"
        );
        let passed: Vec<_> = ended
            .stdout
            .lines()
            .map(|line| {
                line.split_whitespace()
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        let checks = [
            "ok key",
            "ok connection",
            "ok agent",
            "ok workflow",
            "ok channels",
        ];
        assert_eq!(passed, checks, "{ended:?}");
        assert!(
            ended.stdout.contains(&format!("Scribe ({agent})")),
            "{ended:?}"
        );
        assert!(ended.stdout.contains("whatsapp enabled"), "{ended:?}");
        let requests = emulator.requests();
        assert!(
            requests.iter().all(|request| request.method == "GET"),
            "it changes nothing"
        );
    }
}

#[test]
fn a_missing_key_has_exit_code_4() {
    let ended = run(&mut example("doctor"));
    says(
        &ended,
        4,
        "FAIL  key         BIMPEAI_API_KEY is not set",
        "create a key in the console",
    );
    let ended = run(example("doctor").env("BIMPEAI_API_KEY", "sk_two words"));
    says(
        &ended,
        4,
        "FAIL  key         the API key has ",
        "check BIMPEAI_API_KEY",
    );
    assert!(!ended.stdout.contains("words"), "{ended:?}");
}

#[test]
fn a_key_that_is_refused_has_exit_code_4() {
    let emulator = Emulator::builder()
        .expired_key("sk_expired")
        .scoped_key("sk_calls", ["calls:read"])
        .start()
        .unwrap();
    for key in ["sk_wrong", "sk_expired", "sk_calls"] {
        let ended = run(doctor(&emulator).env("BIMPEAI_API_KEY", key));
        says(
            &ended,
            4,
            "FAIL  key         GET /agents: 40",
            "create a key in the console",
        );
    }
}

#[test]
fn a_key_that_lacks_a_scope_for_a_later_check_has_exit_code_4() {
    let (emulator, _) = healthy();
    emulator.fault(Fault::status(403).on("GET", "/workflows/*"));
    let ended = run(&mut doctor(&emulator));
    says(&ended, 4, "FAIL  workflow    GET /workflows/", "");
}

#[test]
fn a_server_that_cannot_be_reached_is_a_failure() {
    let emulator = Emulator::start().unwrap();
    let mut command = doctor(&emulator);
    emulator.shutdown();
    let ended = run(&mut command);
    says(
        &ended,
        1,
        "FAIL  connection  GET /agents: ",
        "check the network, the proxy and ",
    );
}

#[test]
fn a_server_that_is_not_the_api_is_a_failure() {
    for (fault, advice) in [
        (
            Fault::html(200),
            "check that BIMPEAI_BASE_URL is the address of the API",
        ),
        (
            Fault::html(404),
            "check that BIMPEAI_BASE_URL is the address of the API",
        ),
        (Fault::status(500), "wait a minute, then run doctor again"),
    ] {
        let emulator = Emulator::start().unwrap();
        emulator.fault(fault.on("GET", "/agents").times(10));
        let ended = run(&mut doctor(&emulator));
        says(&ended, 1, "FAIL  connection  GET /agents: ", advice);
    }
}

#[test]
fn a_base_url_that_is_not_valid_is_a_usage_error() {
    let mut command = example("doctor");
    command
        .env("BIMPEAI_API_KEY", "sk_1")
        .env("BIMPEAI_BASE_URL", "ftp://example.com");
    let ended = run(&mut command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("base URL"), "{ended:?}");
}

#[test]
fn an_agent_that_does_not_exist_is_a_failure() {
    let (emulator, _) = healthy();
    let ended = run(doctor(&emulator).arg("agt_typo"));
    let line = "FAIL  agent       GET /agents/agt_typo: 404 not_found";
    says(
        &ended,
        1,
        line,
        "compare the id with the list in the console",
    );
    let ended = run(doctor(&emulator).arg(".."));
    says(&ended, 2, "FAIL  agent       GET /agents/..: not sent", "");
}

#[test]
fn a_team_without_agents_is_a_warning() {
    let emulator = Emulator::start().unwrap();
    let ended = run(&mut doctor(&emulator));
    says(
        &ended,
        0,
        "warn  agent       the team has no agent",
        "create one",
    );
}

#[test]
fn a_paused_agent_is_a_warning() {
    let (emulator, agent) = healthy();
    let paused =
        UpdateLiveStatus::new(AgentLiveStatusValue::Paused).status_reason("On \x1b[31mleave.");
    client(&emulator)
        .agents()
        .update_live_status(&agent, paused)
        .send()
        .unwrap();
    let ended = run(&mut doctor(&emulator));
    let line = format!(r"warn  agent       Scribe ({agent}) is paused: On \u{{1b}}[31mleave.");
    says(&ended, 0, &line, "it replies to nobody");
}

#[test]
fn an_agent_without_a_workflow_is_a_warning_unless_it_has_a_prompt() {
    let emulator = Emulator::start().unwrap();
    let agents = client(&emulator).agents();
    let bare = agents.create(CreateAgent::new("Bare")).send().unwrap();
    let ended = run(doctor(&emulator).arg(bare.id));
    says(
        &ended,
        0,
        "warn  workflow    the agent has no workflow and no prompt",
        "set workflow_id",
    );
    let own = agents
        .create(CreateAgent::new("Own").system_prompt("Be brief."))
        .send()
        .unwrap();
    let ended = run(doctor(&emulator).arg(own.id));
    says(
        &ended,
        0,
        "ok    workflow    none; the agent has a system prompt",
        "",
    );
}

#[test]
fn a_workflow_that_is_gone_is_a_failure() {
    let (emulator, _) = healthy();
    emulator.fault(Fault::status(404).on("GET", "/workflows/*"));
    let ended = run(&mut doctor(&emulator));
    says(
        &ended,
        1,
        "FAIL  workflow    GET /workflows/",
        "set another workflow_id on the agent",
    );
}

#[test]
fn a_workflow_without_a_prompt_is_a_warning() {
    let emulator = Emulator::start().unwrap();
    let client = client(&emulator);
    let workflow = CreateWorkflow::new("Empty").prompt_config(serde_json::Map::new());
    let workflow = client.workflows().create(workflow).send().unwrap();
    let agent = CreateAgent::new("A")
        .description("A.")
        .workflow_id(&workflow.id);
    client.agents().create(agent).send().unwrap();
    let ended = run(&mut doctor(&emulator));
    says(
        &ended,
        0,
        "warn  workflow    Empty (",
        "set system_prompt on the workflow",
    );
}

#[test]
fn an_agent_without_a_connected_channel_is_a_warning() {
    let emulator = Emulator::start().unwrap();
    let bare = Talk::new(&emulator).agent;
    run(&mut example_with_key("quickstart", &emulator));
    let agents = client(&emulator).agents().list().send().unwrap().data;
    let pending = agents
        .into_iter()
        .map(|it| it.id)
        .find(|id| *id != bare)
        .unwrap();
    for (agent, states) in [(bare, "none"), (pending, "whatsapp pending, ")] {
        let ended = run(doctor(&emulator).arg(agent));
        let line = format!("warn  channels    not connected: {states}");
        says(&ended, 0, &line, "only test conversations reach the agent");
    }
}

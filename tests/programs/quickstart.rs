//! `quickstart`: an agent on the first public workflow.

use bimpeai::emulator::{Emulator, Fault};
use serde_json::json;

use super::child::{agents, client, example, example_with_key, run};

#[test]
fn an_agent_is_created_on_the_first_public_workflow_and_kept() {
    let emulator = Emulator::start().unwrap();
    let ended = run(&mut example_with_key("quickstart", &emulator));
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    assert_eq!(agents(&emulator), 1);
    let agent = client(&emulator)
        .agents()
        .list()
        .send()
        .unwrap()
        .data
        .remove(0);
    let last = ended.stdout.lines().last().unwrap();
    assert_eq!(last, format!("created {} Assistant", agent.id));
    let first = ended.stdout.lines().next().unwrap();
    assert!(first.contains("Restaurant ordering and booking"), "{first}");
    let workflow = agent.workflow_id.unwrap();
    let workflow = client(&emulator)
        .workflows()
        .retrieve(workflow)
        .send()
        .unwrap();
    assert!(first.contains(&workflow.name), "{first}");
}

#[test]
fn it_runs_without_a_key() {
    let ended = run(&mut example("quickstart"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("built-in emulator"), "{ended:?}");
}

#[test]
fn a_library_without_workflows_is_reported() {
    let emulator = Emulator::start().unwrap();
    let empty = json!({ "message": "Success", "data": [], "meta": {} });
    emulator.fault(Fault::json(200, &empty).on("GET", "/workflows"));
    let ended = run(&mut example_with_key("quickstart", &emulator));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr, "quickstart: found no public workflow\n");
}

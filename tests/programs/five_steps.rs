//! `five_steps`: the program that the README and the crate documentation show.

use bimpeai::emulator::{Emulator, Fault, RecordedRequest};
use serde_json::{Value, json};

use super::child::{Ended, example_with_key, run};

const PROGRAM: &str = include_str!("../../examples/five_steps.rs");

fn run_on(emulator: &Emulator) -> Ended {
    let ended = run(&mut example_with_key("five_steps", emulator));
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    ended
}

fn body(request: &RecordedRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn the_readme_shows_this_program() {
    let readme = include_str!("../../README.md");
    let (_, code) = PROGRAM.split_once("\n\n").unwrap();
    let block = format!("```rust,no_run\n{code}```\n");
    assert!(readme.contains(&block), "copy the example into the README");
}

#[test]
fn it_ends_with_the_reply_to_the_customers_question() {
    let emulator = Emulator::start().unwrap();
    let ended = run_on(&emulator);
    let said: Vec<&str> = ended.stdout.lines().collect();
    assert!(said[0].starts_with("Created agent "), "{said:?}");
    let last = &said[said.len() - 2..];
    let conversation = [
        "user: How much is a Margherita pizza?",
        "assistant: Margherita pizza £12.",
    ];
    assert_eq!(last, conversation);
    let writes: Vec<_> = emulator.requests();
    let writes: Vec<_> = writes.iter().filter(|it| it.method == "POST").collect();
    let created = body(writes[0]);
    assert!(created["workflow_id"].is_string(), "{created}");
    assert!(created["description"].is_string(), "{created}");
    assert_eq!(created.as_object().unwrap().len(), 3, "{created}");
    let asked = writes.last().unwrap();
    assert!(asked.path.ends_with("/messages"), "{}", asked.path);
    assert_eq!(body(asked)["role"], "user");
}

#[test]
fn it_ends_on_the_current_generation_alone_and_if_no_reply_is_in_the_response() {
    use bimpeai::emulator::Generation;
    let builder = Emulator::builder().generation(Generation::Current);
    let emulator = builder.late_replies(true).start().unwrap();
    let ended = run_on(&emulator);
    assert!(ended.stdout.contains("assistant: Hello!"), "{ended:?}");
    assert!(ended.stdout.contains("Margherita pizza £12."), "{ended:?}");
}

#[test]
fn every_run_creates_an_agent_of_its_own() {
    let emulator = Emulator::start().unwrap();
    let (first, second) = (run_on(&emulator), run_on(&emulator));
    assert_ne!(first.stdout.lines().next(), second.stdout.lines().next());
    let client = emulator.client_builder().build().unwrap();
    assert_eq!(client.agents().list().all().unwrap().len(), 2);
}

#[test]
fn it_says_so_if_no_workflow_matches() {
    let emulator = Emulator::start().unwrap();
    let nothing = Fault::json(200, &json!({"message": "Success", "data": []}));
    emulator.fault(nothing.on("GET", "/workflows"));
    let ended = run_on(&emulator);
    assert_eq!(ended.stdout, "No public workflow matches \"restaurant\".\n");
}

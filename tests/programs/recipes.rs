//! The recipes: each sets an agent up and talks to it, and a second run changes nothing.

use std::process::Command;

use bimpeai::agents::AgentDetail;
use bimpeai::emulator::{Emulator, EmulatorBuilder, Fault};
use bimpeai::workflows::Workflow;

use super::child::{Ended, Running, client, example, example_with_key, run};

fn recipe(name: &str, emulator: Option<&Emulator>) -> Command {
    let mut command = match emulator {
        Some(emulator) => example_with_key(name, emulator),
        None => example(name),
    };
    command.env("SHOP_TOKEN", "t_canary");
    command
}

/// Runs a recipe twice on an emulator with scripted replies, and returns the second run.
#[track_caller]
fn runs_twice(name: &str, builder: EmulatorBuilder) -> (Emulator, Ended) {
    let emulator = builder.start().unwrap();
    let first = run(&mut recipe(name, Some(&emulator)));
    assert_eq!(first.code, Some(0), "{first:?}");
    let created = first.stdout.clone() + &first.stderr;
    assert!(created.contains("+ agent "), "{first:?}");
    emulator.clear_requests();
    let second = run(&mut recipe(name, Some(&emulator)));
    assert_eq!(second.code, Some(0), "{second:?}");
    let lines = second.stdout.lines().chain(second.stderr.lines());
    let changes = lines.filter(|line| line.starts_with(['+', '~', '-']));
    assert_eq!(changes.count(), 0, "{second:?}");
    for path in [
        "/agents",
        "/workflows",
        "/workflows/clone",
        "/agents/*/knowledge_bases",
    ] {
        assert!(emulator.requests_to("POST", path).is_empty(), "{path}");
    }
    (emulator, second)
}

/// The only agent of the team, and its workflow.
fn only_agent(emulator: &Emulator) -> (AgentDetail, Workflow) {
    let client = client(emulator);
    let agents = client.agents().list().all().unwrap();
    assert_eq!(agents.len(), 1, "{agents:?}");
    let agent = client.agents().retrieve(&agents[0].id).send().unwrap();
    let workflow = agent.workflow_id.clone().unwrap();
    let workflow = client.workflows().retrieve(workflow).send().unwrap();
    (agent, workflow)
}

#[test]
fn a_restaurant_takes_an_order_in_one_conversation() {
    let builder = Emulator::builder()
        .replies("lasagne", "£28, right?")
        .replies("yes", "Ordered.");
    let (emulator, ended) = runs_twice("restaurant", builder);
    assert_eq!(ended.stdout, "£28, right?\nOrdered.\n");
    let (agent, workflow) = only_agent(&emulator);
    assert_eq!(agent.knowledge_bases.len(), 2);
    assert!(workflow.is_owner && !workflow.flows.is_empty(), "a copy");
    let asked = emulator.requests_to("POST", "/agents/*/conversations/messages");
    let second: serde_json::Value = serde_json::from_slice(&asked[1].body).unwrap();
    assert!(second["conversation_id"].is_string(), "{second}");
}

#[test]
fn a_library_without_a_template_is_reported() {
    let emulator = Emulator::start().unwrap();
    let nothing = serde_json::json!({ "message": "Success", "data": [], "meta": {} });
    emulator.fault(Fault::json(200, &nothing).on("GET", "/workflows"));
    let ended = run(&mut recipe("restaurant", Some(&emulator)));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr, "restaurant: found no template\n");
}

#[test]
fn returns_are_looked_up_in_the_shop() {
    let builder = Emulator::builder().replies("4711", "Until Friday.");
    let (emulator, ended) = runs_twice("returns", builder);
    assert_eq!(ended.stdout, "Until Friday.\n");
    let (agent, workflow) = only_agent(&emulator);
    assert_eq!(workflow.rules[0].id, "return_window");
    let custom_api = client(&emulator).agents().integrations().custom_api();
    let apis = custom_api.list(&agent.id).send().unwrap();
    let tools = custom_api.tools().list(&agent.id, &apis[0].id);
    assert_eq!(tools.send().unwrap()[0].name, "find_order");

    let ended = run(&mut example("returns"));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("SHOP_TOKEN"), "{ended:?}");
}

#[test]
fn a_booking_is_one_conversation_by_phone_number() {
    let builder = Emulator::builder()
        .replies("haircut", "When?")
        .replies("tuesday", "Booked.");
    let (emulator, ended) = runs_twice("booking", builder);
    let expected = "I need a haircut. -> When?\nOn Tuesday. -> Booked.\n";
    assert_eq!(ended.stdout, expected);
    let (agent, workflow) = only_agent(&emulator);
    assert_eq!(workflow.flows[0].name, "Book an appointment");
    let conversations = client(&emulator).conversations().list(&agent.id);
    let conversations = conversations.all().unwrap();
    let by_phone = |id: &Option<String>| id.as_deref() == Some("2348012345678");
    let by_phone = conversations
        .iter()
        .filter(|it| by_phone(&it.channel_user_id));
    assert_eq!(by_phone.count(), 1);
}

#[test]
fn a_lead_is_printed_as_csv() {
    let lead = r#"Thanks. LEAD {"name": "A \"B\", C", "email": "a@example.com", "budget": 7.5}"#;
    let builder = Emulator::builder()
        .replies("ada@example.com", lead)
        .replies("", "Hello.");
    let (_emulator, ended) = runs_twice("lead_capture", builder);
    assert_eq!(ended.stdout, "\"A \"\"B\"\", C\",\"a@example.com\",7.5\n");
    assert_eq!(ended.stderr, "Hello.\n");

    let builder = Emulator::builder().replies("", "LEAD {\"name\": 1}");
    let (_emulator, ended) = runs_twice("lead_capture", builder);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("not a lead: "), "{ended:?}");
}

#[test]
fn an_emergency_in_a_clinic_is_taken_over_by_a_person() {
    let builder = Emulator::builder()
        .replies("chest", "Call 112. [EMERGENCY]")
        .replies("open", "8 to 17.");
    let (emulator, ended) = runs_twice("clinic", builder);
    let expected = "user: When are you open?\nassistant: 8 to 17.\n\
                    user: I have a pain in my chest.\nassistant: Call 112. [EMERGENCY]\n\
                    assistant: This is nurse Cy. I am calling you now.\n";
    assert_eq!(ended.stdout, expected);
    let (agent, workflow) = only_agent(&emulator);
    assert_eq!(
        agent.escalation_email.as_deref(),
        Some("nurse@clinic.example.com")
    );
    assert_eq!(workflow.rules[0].id, "emergency");
    let conversations = client(&emulator).conversations();
    let paused = conversations.list(&agent.id).is_ai_chat_paused(true);
    assert_eq!(paused.all().unwrap().len(), 2, "one in each run");
}

#[test]
fn tickets_are_sorted_each_in_a_conversation_of_its_own() {
    let builder = Emulator::builder()
        .replies("invoice", "Billing.")
        .replies("down", "outage")
        .replies("", "It depends.");
    let emulator = builder.start().unwrap();
    for _ in 0..2 {
        let mut running = Running::start(&mut recipe("support_triage", Some(&emulator)));
        for ticket in ["My invoice is wrong", "", "The site is down", "Hello"] {
            running.type_line(ticket);
        }
        running.stdin = None;
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let expected = "billing  My invoice is wrong\noutage   The site is down\nother    Hello\n";
        assert_eq!(ended.stdout, expected);
    }
    let (agent, _) = only_agent(&emulator);
    let conversations = client(&emulator).conversations().list(&agent.id);
    let tests = conversations.is_test_channel(true).all().unwrap();
    assert!(tests.len() >= 6, "{tests:?}");
}

#[test]
fn recipes_run_without_a_key() {
    for (name, last) in [
        ("booking", "On Tuesday. -> Tuesday at 15:00 is free."),
        ("clinic", "assistant: This is nurse Cy."),
        ("lead_capture", "\"Ada\",\"ada@example.com\",250000"),
        ("restaurant", "Ordered."),
        ("returns", "Order 4711 can be returned"),
        ("support_triage", ""),
    ] {
        let ended = run(&mut recipe(name, None));
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        assert!(ended.stderr.contains("built-in emulator"), "{ended:?}");
        let said = ended.stdout.lines().last().unwrap_or_default();
        assert!(said.starts_with(last), "{name}: {ended:?}");
    }
}

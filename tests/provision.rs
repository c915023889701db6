//! Agents as data: apply, plan and export, on the emulator.

mod support;

use std::sync::{Arc, Mutex};

use bimpeai::agents::{
    CreateAgent, CreateKnowledgeBase, CustomApiCreateTool, IntegrationAuthConfig, ToolHttpMethod,
};
use bimpeai::emulator::{Emulator, Fault};
use bimpeai::provision::{AgentSpec, CustomApiSpec, KnowledgeSpec, WorkflowSpec};
use bimpeai::workflows::{CreateWorkflow, RuleInput, WorkflowScope};
use bimpeai::{Client, Error};
use serde_json::json;

fn start() -> (Emulator, Client) {
    let emulator = Emulator::start().unwrap();
    let client = emulator.client_builder().max_retries(0).build().unwrap();
    (emulator, client)
}

fn tool(url: &str) -> CustomApiCreateTool {
    CustomApiCreateTool::new("find_order", ToolHttpMethod::Post, url)
        .description("Finds an order.")
        .body_template(json!({"number": "{{number}}"}))
}

fn orders(token: &str, url: &str) -> CustomApiSpec {
    CustomApiSpec::new("Orders")
        .base_url("https://orders.example.com")
        .auth_type("bearer")
        .auth_config(IntegrationAuthConfig::new().token(token))
        .tools([tool(url)])
}

fn spec() -> AgentSpec {
    AgentSpec::new("Scribe")
        .description("Takes notes.")
        .language("en")
        .workflow(
            WorkflowSpec::new()
                .system_prompt("You take notes.")
                .rules([RuleInput::new(
                    "late",
                    "Late",
                    "after ten",
                    "We are closed.",
                    true,
                )]),
        )
        .knowledge_bases([
            KnowledgeSpec::text("Glossary", "ETA: estimated time of arrival.").description("Terms"),
            KnowledgeSpec::page("Hours", "https://example.com/hours"),
        ])
        .custom_apis([orders("t_1", "/orders/{{number}}")])
}

fn plan(client: &Client, spec: &AgentSpec) -> Vec<String> {
    let changes = client.agents().apply(spec).plan().unwrap();
    changes.iter().map(ToString::to_string).collect()
}

fn send(client: &Client, spec: &AgentSpec) -> Vec<String> {
    let applied = client.agents().apply(spec).send().unwrap();
    applied.changes.iter().map(ToString::to_string).collect()
}

/// Returns the writes since the last call.
fn writes(emulator: &Emulator) -> Vec<String> {
    let requests = emulator.requests();
    emulator.clear_requests();
    let writes = requests.iter().filter(|request| request.method != "GET");
    writes
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

#[test]
fn a_new_agent_is_planned_created_and_then_unchanged() {
    let (emulator, client) = start();
    let expected = [
        r#"+ workflow "Scribe""#,
        r#"+ agent "Scribe""#,
        r#"+ knowledge base "Glossary""#,
        r#"+ knowledge base "Hours""#,
        r#"+ custom API "Orders""#,
        r#"+ tool "find_order""#,
    ];
    assert_eq!(plan(&client, &spec()), expected);
    assert_eq!(writes(&emulator), [""; 0], "a plan only reads");

    let reported = Arc::new(Mutex::new(Vec::new()));
    let log = reported.clone();
    let request = client.agents().apply(&spec());
    let applied = request.on_change(move |change| log.lock().unwrap().push(change.to_string()));
    let applied = applied.send().unwrap();
    assert_eq!(*reported.lock().unwrap(), expected);
    assert_eq!(applied.changes.len(), expected.len());
    let agent = client.agents().retrieve(&applied.agent_id).send().unwrap();
    assert_eq!(
        (&*agent.name, &*agent.description),
        ("Scribe", "Takes notes.")
    );
    assert_eq!(agent.workflow_id, applied.workflow_id);
    let workflow = client
        .workflows()
        .retrieve(applied.workflow_id.unwrap())
        .send()
        .unwrap();
    assert_eq!(workflow.system_prompt.as_deref(), Some("You take notes."));

    writes(&emulator);
    assert_eq!(plan(&client, &spec()), [""; 0]);
    assert_eq!(send(&client, &spec()), [""; 0]);
    assert_eq!(writes(&emulator), [""; 0], "an unchanged run only reads");
    // Names are compared without case and surrounding whitespace.
    let mut shouting = spec();
    shouting.name = " SCRIBE ".to_owned();
    assert_eq!(send(&client, &shouting), [""; 0]);
}

#[test]
fn only_fields_of_the_specification_are_changed() {
    let (emulator, client) = start();
    let id = client.agents().apply(&spec()).send().unwrap().agent_id;
    let knowledge_bases = client.agents().knowledge_bases();
    knowledge_bases
        .create(&id, CreateKnowledgeBase::text("By hand", "Kept."))
        .send()
        .unwrap();
    emulator.clear_requests();
    let changed = AgentSpec::new("scribe")
        .persona("concise")
        .workflow(WorkflowSpec::new().system_prompt("You take short notes."))
        .knowledge_bases([KnowledgeSpec::text("glossary", "ETA: arrival.")]);
    assert_eq!(
        send(&client, &changed),
        [
            r#"~ workflow "Scribe": system_prompt"#,
            r#"~ agent "scribe": persona"#,
            r#"~ knowledge base "glossary": content"#,
        ]
    );
    let agent = client.agents().retrieve(&id).send().unwrap();
    assert_eq!(
        (&*agent.description, agent.knowledge_bases.len()),
        ("Takes notes.", 3)
    );
    let workflow = client
        .workflows()
        .retrieve(agent.workflow_id.unwrap())
        .send()
        .unwrap();
    assert_eq!(
        workflow.rules.len(),
        1,
        "the rules are not in the specification"
    );
    // A list that is present but empty clears the list.
    let none = AgentSpec::new("Scribe").workflow(WorkflowSpec::new().rules([] as [RuleInput; 0]));
    assert_eq!(send(&client, &none), [r#"~ workflow "Scribe": rules"#]);
    assert_eq!(send(&client, &none), [""; 0]);
}

#[test]
fn a_run_that_failed_is_continued_by_the_next_one() {
    for (method, path, template) in [
        ("POST", "/workflows", false),
        ("POST", "/workflows/clone", true),
        ("PATCH", "/workflows/*", true),
        ("POST", "/agents", false),
        ("POST", "/agents", true),
        ("POST", "/agents/*/knowledge_bases", false),
        ("POST", "/agents/*/integrations/custom_api/configure", false),
        ("POST", "/agents/*/integrations/custom_api/*/tools", false),
    ] {
        let (emulator, client) = start();
        let mut spec = spec();
        if template {
            let public = client
                .workflows()
                .list()
                .scope(WorkflowScope::Public)
                .first()
                .unwrap();
            let workflow = spec.workflow.take().unwrap();
            spec.workflow = Some(workflow.template(public.unwrap().id));
        }
        emulator.fault(Fault::status(500).on(method, path));
        let error = client.agents().apply(&spec).send().unwrap_err();
        assert_eq!(error.status(), Some(500), "{method} {path}: {error}");
        client.agents().apply(&spec).send().unwrap();
        assert_eq!(send(&client, &spec), [""; 0], "{method} {path}");

        let owned = client
            .workflows()
            .list()
            .scope(WorkflowScope::Owned)
            .all()
            .unwrap();
        let agents = client.agents().list().all().unwrap();
        assert_eq!(
            (owned.len(), agents.len()),
            (1, 1),
            "{method} {path}: nothing is left over"
        );
        let knowledge = client
            .agents()
            .knowledge_bases()
            .list(&agents[0].id)
            .send()
            .unwrap();
        assert_eq!(knowledge.len(), 2, "{method} {path}");
    }
}

#[test]
fn an_agent_that_was_deleted_by_hand_is_created_again() {
    let (_emulator, client) = start();
    let first = client.agents().apply(&spec()).send().unwrap();
    client.agents().delete(&first.agent_id).send().unwrap();
    let second = client.agents().apply(&spec()).send().unwrap();
    assert_ne!(first.agent_id, second.agent_id);
    assert_eq!(
        first.workflow_id, second.workflow_id,
        "the workflow is still there"
    );
    client.agents().retrieve(&second.agent_id).send().unwrap();
}

#[test]
fn two_agents_of_one_name_are_an_error_that_lists_their_ids() {
    let (emulator, client) = start();
    let ids = ["Scribe", " scribe"].map(|name| {
        client
            .agents()
            .create(CreateAgent::new(name))
            .send()
            .unwrap()
            .id
    });
    emulator.clear_requests();
    let error = client.agents().apply(&spec()).send().unwrap_err();
    assert!(matches!(error, Error::User(_)), "{error}");
    assert!(
        ids.iter().all(|id| error.to_string().contains(id)),
        "{error}"
    );
    assert_eq!(writes(&emulator), [""; 0]);
}

#[test]
fn duplicate_names_in_a_specification_are_refused_before_sending() {
    let (emulator, client) = start();
    let text = |name| KnowledgeSpec::text(name, "text");
    let mut both = text("Both");
    both.url = Some("https://example.com".to_owned());
    for (spec, says) in [
        (AgentSpec::new(" "), "no agent name"),
        (
            AgentSpec::new("A").knowledge_bases([text("M"), text(" m ")]),
            "twice",
        ),
        (
            AgentSpec::new("A").knowledge_bases([KnowledgeSpec::new("None")]),
            "`content` or `url`",
        ),
        (
            AgentSpec::new("A").knowledge_bases([both]),
            "`content` or `url`",
        ),
        (
            AgentSpec::new("A").custom_apis([CustomApiSpec::new("x"), CustomApiSpec::new("X")]),
            "twice",
        ),
        (
            AgentSpec::new("A")
                .custom_apis([CustomApiSpec::new("x").tools([tool("/"), tool("/")])]),
            "twice",
        ),
    ] {
        let error = client.agents().apply(&spec).send().unwrap_err();
        assert!(
            matches!(error, Error::User(_)) && error.to_string().contains(says),
            "{error}"
        );
    }
    assert!(emulator.requests().is_empty());
}

#[test]
fn a_workflow_of_another_owner_is_copied_before_it_is_changed() {
    let (_emulator, client) = start();
    let public = client
        .workflows()
        .list()
        .scope(WorkflowScope::Public)
        .first()
        .unwrap()
        .unwrap();
    let template = spec()
        .workflow
        .unwrap()
        .template(&public.id)
        .rules([] as [RuleInput; 0]);
    let spec = spec().workflow(template);
    let applied = client.agents().apply(&spec).send().unwrap();
    let copy = client
        .workflows()
        .retrieve(applied.workflow_id.unwrap())
        .send()
        .unwrap();
    assert!(copy.is_owner && copy.id != public.id && copy.rules.is_empty());
    assert_eq!(copy.system_prompt.as_deref(), Some("You take notes."));
    let untouched = client.workflows().retrieve(&public.id).send().unwrap();
    assert_eq!(untouched, public);
    assert_eq!(send(&client, &spec), [""; 0]);
}

/// The agent "Scribe" follows a workflow of somebody else. Owned are these, with what they are
/// copies of; "Other" uses the second one.
fn foreign_workflow(owned: &'static [(&'static str, &'static str)]) -> support::Server {
    let agent = |id: &str, name: &str, workflow: &str| json!({"id": id, "name": name, "workflow_id": workflow});
    support::Server::responding(move |connection, request, _| {
        let data = match (&*request.method, request.path().rsplit('/').next().unwrap()) {
            ("GET", "agents") => json!([
                agent("a_1", "Scribe", "w_public"),
                agent("a_2", "Other", "w_used"),
            ]),
            ("GET", "workflows") => owned
                .iter()
                .map(|(id, source)| {
                    let name = format!("Copy of {source}");
                    json!({"id": id, "name": name, "is_owner": true, "source_workflow_id": source})
                })
                .collect(),
            ("GET" | "PATCH", "w_public") => json!({"id": "w_public", "name": "Notes"}),
            ("POST", "clone") => json!({"id": "w_new", "name": "Notes", "is_owner": true}),
            (_, id) => json!({"id": id, "name": "Notes", "is_owner": true}),
        };
        connection.data(&data.to_string());
    })
}

#[test]
fn an_agent_moves_from_a_workflow_of_another_owner_to_a_copy_that_nobody_uses() {
    const USED: &[(&str, &str)] = &[("w_else", "w_another"), ("w_used", "w_public")];
    const UNUSED: &[(&str, &str)] = &[USED[0], USED[1], ("w_free", "w_public")];
    let spec = AgentSpec::new("Scribe").workflow(WorkflowSpec::new().system_prompt("New."));
    for (owned, id, expected) in [
        (
            UNUSED,
            "w_free",
            &["PATCH /workflows/w_free", "PATCH /agents/a_1"][..],
        ),
        (
            USED,
            "w_new",
            &[
                "POST /workflows/clone",
                "PATCH /workflows/w_new",
                "PATCH /agents/a_1",
            ],
        ),
    ] {
        let server = foreign_workflow(owned);
        let applied = server.client().agents().apply(&spec).send().unwrap();
        assert_eq!(applied.workflow_id.as_deref(), Some(id));
        let requests = server.requests();
        let writes: Vec<_> = requests
            .iter()
            .filter(|sent| sent.method != "GET")
            .collect();
        let named: Vec<String> = writes
            .iter()
            .map(|sent| {
                format!(
                    "{} {}",
                    sent.method,
                    sent.path().replace("/api/v1/console", "")
                )
            })
            .collect();
        assert_eq!(named, expected);
        let moved = writes.last().unwrap().text();
        assert_eq!(moved, json!({"workflow_id": id}).to_string());
    }
}

#[test]
fn a_shared_workflow_is_reported_before_it_is_changed() {
    let (_emulator, client) = start();
    let workflow = CreateWorkflow::new("Front desk").system_prompt("Old.");
    let workflow = client.workflows().create(workflow).send().unwrap();
    for name in ["One", "Two"] {
        let agent = CreateAgent::new(name)
            .workflow_id(&workflow.id)
            .description("Answers.");
        client.agents().create(agent).send().unwrap();
    }
    let spec = AgentSpec::new("One").workflow(WorkflowSpec::new().system_prompt("New."));
    let line = r#"~ workflow "Front desk": system_prompt (shared with "Two")"#;
    assert_eq!(plan(&client, &spec), [line]);
    let applied = client.agents().apply(&spec).send().unwrap();
    assert_eq!(applied.changes[0].shared_with, ["Two"]);
    assert_eq!(applied.shared_with, ["Two"]);
}

#[test]
fn a_changed_tool_is_replaced_and_a_changed_token_needs_renew() {
    let (emulator, client) = start();
    let apply = |api: CustomApiSpec, renew: bool| {
        let spec = spec().custom_apis([api]);
        let request = client.agents().apply(&spec);
        let request = if renew { request.renew() } else { request };
        let applied = request.send().unwrap();
        let changes: Vec<String> = applied.changes.iter().map(ToString::to_string).collect();
        (applied.agent_id, changes)
    };
    let (agent, _) = apply(orders("t_1", "/orders/{{number}}"), false);
    let custom_api = client.agents().integrations().custom_api();
    let tools = |agent: &str| {
        let api = custom_api.list(agent).send().unwrap();
        assert_eq!(api.len(), 1);
        custom_api.tools().list(agent, &api[0].id).send().unwrap()
    };
    let mark = |tool: &bimpeai::agents::IntegrationTool| tool.description.clone().unwrap();
    let first = tools(&agent);
    assert!(
        mark(&first[0]).starts_with("Finds an order. [spec "),
        "{first:?}"
    );

    let (_, changes) = apply(orders("t_1", "/v2/orders/{{number}}"), false);
    assert_eq!(changes, [r#"~ tool "find_order": definition"#]);
    let second = tools(&agent);
    assert_eq!(second.len(), 1);
    assert_ne!(mark(&first[0]), mark(&second[0]));

    // The hash does not include secrets.
    let url = "/v2/orders/{{number}}";
    emulator.clear_requests();
    assert_eq!(apply(orders("t_2", url), false).1, [""; 0]);
    assert_eq!(writes(&emulator), [""; 0]);
    let (_, changes) = apply(orders("t_2", url), true);
    assert_eq!(
        changes,
        [
            r#"~ custom API "Orders": auth_config"#,
            r#"+ tool "find_order""#
        ]
    );
    let sent = emulator.requests();
    let sent = sent
        .iter()
        .find(|request| request.path.ends_with("/configure"))
        .unwrap();
    assert!(String::from_utf8_lossy(&sent.body).contains("t_2"));
    assert_eq!(mark(&tools(&agent)[0]), mark(&second[0]));

    let other_url = orders("t_2", url).base_url("https://orders.example.org");
    let (_, changes) = apply(other_url, false);
    assert_eq!(
        changes,
        [
            r#"~ custom API "Orders": base_url"#,
            r#"+ tool "find_order""#
        ]
    );
}

#[test]
fn renew_replaces_the_tools_that_have_secrets_of_their_own() {
    let (_emulator, client) = start();
    let secret = CustomApiCreateTool::new("pay", ToolHttpMethod::Post, "/payments")
        .headers_template(json!({"X-Token": "t_1"}));
    let api = orders("t_1", "/orders/{{number}}").tools([tool("/orders/{{number}}"), secret]);
    let spec = spec().custom_apis([api]);
    send(&client, &spec);
    assert_eq!(send(&client, &spec), [""; 0]);
    let custom_api = client.agents().integrations().custom_api();
    let agent = client.agents().list().first().unwrap().unwrap();
    let api = custom_api.list(&agent.id).send().unwrap().remove(0);
    // New secrets of the API would replace all of its tools.
    let without = CustomApiSpec::new("Orders")
        .base_url("https://orders.example.com")
        .auth_type("bearer")
        .tools(spec.custom_apis.as_ref().unwrap()[0].tools.clone().unwrap());
    let spec = spec.custom_apis([without]);
    let ids = || -> Vec<String> {
        let tools = custom_api.tools().list(&agent.id, &api.id).send().unwrap();
        tools.into_iter().map(|tool| tool.id).collect()
    };
    let before = ids();
    let applied = client.agents().apply(&spec).renew().send().unwrap();
    let changes: Vec<String> = applied.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, [r#"~ tool "pay": secrets"#]);
    let after = ids();
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}

#[test]
fn a_long_text_is_split_and_follows_the_text() {
    let (_emulator, client) = start();
    let text = |paragraphs: usize| {
        let paragraph = "All dishes are made to order, with what the season has. ".repeat(20);
        vec![paragraph.trim_end(); paragraphs].join("\n\n")
    };
    let with = |content: String| {
        AgentSpec::new("Cook").knowledge_bases([KnowledgeSpec::text("Menu", content)])
    };
    let names = |agent: &str| {
        let items = client
            .agents()
            .knowledge_bases()
            .list(agent)
            .send()
            .unwrap();
        assert!(
            items
                .iter()
                .all(|item| item.content.as_deref().unwrap().chars().count() <= 2500)
        );
        let mut names: Vec<String> = items.into_iter().map(|item| item.name).collect();
        names.sort();
        names
    };
    let agent = client
        .agents()
        .apply(&with(text(5)))
        .send()
        .unwrap()
        .agent_id;
    assert_eq!(names(&agent), ["Menu (1/3)", "Menu (2/3)", "Menu (3/3)"]);
    assert_eq!(send(&client, &with(text(5))), [""; 0]);
    send(&client, &with(text(7)));
    assert_eq!(
        names(&agent),
        ["Menu (1/4)", "Menu (2/4)", "Menu (3/4)", "Menu (4/4)"]
    );
    send(&client, &with(text(2)));
    assert_eq!(names(&agent), ["Menu"]);
    assert_eq!(send(&client, &with(text(2))), [""; 0]);
    send(&client, &with(text(5)));
    let exported = client.agents().export(&agent).send().unwrap();
    assert_eq!(
        exported.knowledge_bases.unwrap(),
        with(text(5)).knowledge_bases.unwrap()
    );
}

#[test]
fn an_export_applied_to_the_same_agent_changes_nothing() {
    let (emulator, client) = start();
    let public = client
        .workflows()
        .list()
        .scope(WorkflowScope::Public)
        .all()
        .unwrap();
    for workflow in &public {
        let agent = CreateAgent::new(&workflow.name)
            .workflow_id(&workflow.id)
            .description("x");
        client.agents().create(agent).send().unwrap();
    }
    client.agents().apply(&spec()).send().unwrap();
    for agent in client.agents().list().all().unwrap() {
        let exported = client.agents().export(&agent.id).send().unwrap();
        let json = serde_json::to_string(&exported).unwrap();
        let read: AgentSpec = serde_json::from_str(&json).unwrap();
        assert_eq!(read, exported);
        emulator.clear_requests();
        assert_eq!(send(&client, &read), [""; 0], "{}", agent.name);
        assert_eq!(writes(&emulator), [""; 0]);
    }
    // A twin under another name.
    let scribe = client
        .agents()
        .list()
        .find(|agent| agent.name == "Scribe")
        .unwrap()
        .unwrap();
    let mut twin = client.agents().export(&scribe.id).send().unwrap();
    twin.name = "Scribe two".to_owned();
    let applied = client.agents().apply(&twin).send().unwrap();
    assert_ne!(applied.agent_id, scribe.id);
    assert_eq!(
        applied.shared_with,
        ["Scribe"],
        "the twin found the workflow by its name"
    );
}

#[test]
fn a_typo_in_a_file_is_an_error() {
    let error = serde_json::from_value::<AgentSpec>(json!({"name": "A", "languge": "en"}));
    assert!(error.unwrap_err().to_string().contains("languge"));
}

//! Emulators of one generation of the API.

use bimpeai::emulator::Generation;
use serde_json::{Value, json};

use crate::support::{Api, RESTAURANT, Reply, api, id, quiet, start};

fn of(generation: Generation) -> Api {
    start(quiet().generation(generation))
}

/// The entries of a validation error.
fn entries(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.code(), (400, "validation_error".to_owned()));
    let entries = reply.json()["message"].as_array().unwrap().clone();
    entries
        .iter()
        .map(|entry| entry.as_str().unwrap().to_owned())
        .collect()
}

/// An agent of the current generation.
fn agent(api: &Api) -> Value {
    let body = json!({ "workflow_id": RESTAURANT, "name": "A", "description": "B" });
    api.post("/agents", body).data()
}

#[test]
fn the_current_generation_refuses_agents_of_the_first() {
    let api = of(Generation::Current);
    let refused = entries(&api.post("/agents", json!({ "name": "A" })));
    assert_eq!(
        refused,
        [
            "workflow_id: must not be empty",
            "description: must not be empty"
        ]
    );
    let agent = format!("/agents/{}", id(&agent(&api)));
    let rules =
        json!([{ "id": "r", "name": "n", "trigger": "t", "response": "x", "enabled": true }]);
    for (field, value, entry) in [
        (
            "system_prompt",
            json!("Be kind."),
            "system_prompt: should not exist",
        ),
        (
            "agent_workflow_id",
            json!(RESTAURANT),
            "agent_workflow_id: should not exist",
        ),
        ("rules", rules, "rules: should not exist"),
        ("rules", json!(null), "rules: should not exist"),
        ("description", json!(null), "description: must be a string"),
        ("language", json!(null), "language: must be a string"),
        ("logo", json!(null), "logo: must be a URL address"),
        (
            "persona",
            json!("wise"),
            "persona: must be one of the following values: professional, friendly, concise",
        ),
    ] {
        let mut body = json!({ "workflow_id": RESTAURANT, "name": "A", "description": "B" });
        body[field] = value.clone();
        assert_eq!(entries(&api.post("/agents", body)), [entry]);
        let mut change = json!({});
        change[field] = value;
        assert_eq!(entries(&api.patch(&agent, change)), [entry]);
    }
}

#[test]
fn the_current_generation_refuses_other_bodies_of_the_first() {
    let api = of(Generation::Current);
    let created = agent(&api);
    let agent = format!("/agents/{}", id(&created));
    let refused = api.post("/workflows", json!({ "name": "W" }));
    assert_eq!(entries(&refused), ["system_prompt: must not be empty"]);
    let body = json!({ "name": "W", "system_prompt": "P", "prompt_config": {} });
    let refused = api.post("/workflows", body);
    assert_eq!(entries(&refused), ["prompt_config: should not exist"]);
    let workflow = format!("/workflows/{}", created["workflow_id"].as_str().unwrap());
    let refused = api.patch(&workflow, json!({ "prompt_config": {} }));
    assert_eq!(entries(&refused), ["prompt_config: should not exist"]);
    let flows = json!({ "name": "W", "system_prompt": "P", "flows": [{ "anything": 1 }] });
    assert_eq!(
        entries(&api.post("/workflows", flows)),
        ["flows.0.name: must not be empty"]
    );

    let conversations = format!("{agent}/conversations");
    let conversation = id(&api.get(&conversations).data()[0]);
    let attachments = json!({
        "message": "Look",
        "attachments": [{ "type": "image", "url": "https://example.com/a.png" }],
    });
    let refused = api.post(
        &format!("{conversations}/{conversation}/messages"),
        attachments,
    );
    assert_eq!(entries(&refused), ["attachments: should not exist"]);
    for channel in ["messenger", "instagram", "test_messenger", "test_instagram"] {
        let refused = api.get(&format!("{conversations}?channel={channel}"));
        assert_eq!(refused.status, 400, "{channel}");
    }
    for channel in ["telephony", "test_webchat"] {
        let found = api.get(&format!("{conversations}?channel={channel}"));
        assert_eq!(found.status, 200, "{channel}");
    }

    let bases = format!("{agent}/knowledge_bases");
    let base = json!({ "type": "text", "name": "N", "content": "C", "description": null });
    let refused = api.post(&bases, base);
    assert_eq!(entries(&refused), ["description: must be a string"]);
    let base = json!({ "type": "text", "name": "N", "content": "C" });
    let base = id(&api.post(&bases, base).data());
    let refused = api.patch(&format!("{bases}/{base}"), json!({ "description": null }));
    assert_eq!(entries(&refused), ["description: must be a string"]);
}

#[test]
fn the_current_generation_has_no_operations_of_the_first() {
    let api = of(Generation::Current);
    let agent = format!("/agents/{}", id(&agent(&api)));
    for path in [format!("{agent}/conversation_flows"), "/calls".to_owned()] {
        assert_eq!(
            api.get(&path).code(),
            (404, "not_found".to_owned()),
            "{path}"
        );
    }
    let call = json!({ "destination": "+2348012345678", "is_test_call": true });
    assert_eq!(api.post(&format!("{agent}/calls"), call).status, 201);
    assert_eq!(api.delete(&agent).status, 200);
}

#[test]
fn the_current_generation_returns_no_fields_of_the_first() {
    let api = of(Generation::Current);
    let created = agent(&api);
    let path = format!("/agents/{}", id(&created));
    let detail = api.get(&path).data();
    let listed = api.get("/agents").data()[0].clone();
    let changed = api.patch(&path, json!({ "name": "C" })).data();
    for shown in [&created, &detail, &listed, &changed] {
        assert!(shown["workflow_id"].is_string(), "{shown}");
        for name in ["system_prompt", "rules", "agent_workflow_id"] {
            assert_eq!(shown.get(name), None, "{name} in {shown}");
        }
    }
    assert!(created["workflow"].is_object());
    for name in ["integration", "channel", "conversation_flow", "actions"] {
        assert_eq!(detail.get(name), None, "{name}");
    }
    assert!(detail["integrations"].is_array() && detail["channels"].is_array());

    let conversations = format!("{path}/conversations");
    let listed = api.get(&conversations).data()[0].clone();
    let detail = api.get(&format!("{conversations}/{}", id(&listed))).data();
    for name in ["full_name", "email", "phone_number", "channel_username"] {
        assert_eq!(listed.get(name), None, "{name}");
        assert!(detail.get(name).is_some(), "{name}");
    }
    assert_eq!(listed["channel_user_username"], "Ada");
}

#[test]
fn the_first_generation_has_no_operations_and_fields_of_the_current_one() {
    let api = of(Generation::First);
    let created = api.post(
        "/agents",
        json!({ "name": "A", "system_prompt": "Be kind." }),
    );
    let created = created.data();
    assert_eq!(created["system_prompt"], "Be kind.");
    assert_eq!(
        (created.get("workflow_id"), created.get("workflow")),
        (None, None)
    );
    let agent = format!("/agents/{}", id(&created));
    let detail = api.get(&agent).data();
    assert!(detail["integration"].is_array() && detail.get("integrations").is_none());
    assert_eq!(api.get("/calls").status, 501);
    assert_eq!(api.get(&format!("{agent}/conversation_flows")).status, 200);

    let body = json!({ "workflow_id": RESTAURANT, "name": "A", "description": "B" });
    let refused = entries(&api.post("/agents", body));
    assert_eq!(refused, ["workflow_id: should not exist"]);
    let refused = entries(&api.patch(&agent, json!({ "workflow_id": RESTAURANT })));
    assert_eq!(refused, ["workflow_id: should not exist"]);
    let linked = json!({ "agent_workflow_id": RESTAURANT, "persona": "wise", "logo": null });
    assert_eq!(api.patch(&agent, linked).data()["persona"], "wise");
    let workflow = api.post(
        "/workflows",
        json!({ "name": "W", "flows": [{ "any": 1 }] }),
    );
    assert_eq!(workflow.status, 201);
    let faq = json!({ "name": "W", "faq": [] });
    assert_eq!(
        entries(&api.post("/workflows", faq)),
        ["faq: should not exist"]
    );

    let conversations = format!("{agent}/conversations");
    let conversation = id(&api.get(&conversations).data()[0]);
    let status = api.patch(
        &format!("{conversations}/{conversation}/ai-status"),
        json!({ "is_ai_chat_paused": true }),
    );
    let clone = api.post(
        "/workflows/clone",
        json!({ "source_workflow_id": RESTAURANT }),
    );
    for refused in [
        status,
        clone,
        api.get(&format!("{agent}/calls")),
        api.get("/phone-numbers"),
        api.get(&format!("{agent}/integrations/bimpeai")),
        api.get(&format!("{conversations}/{conversation}/stream?ticket=t")),
        api.delete(&agent),
    ] {
        assert_eq!(refused.code(), (404, "not_found".to_owned()));
    }
    let stream = format!("{conversations}/{conversation}/messages/stream?ticket=t");
    assert_eq!(api.get(&stream).status, 401);
}

#[test]
fn both_generations_are_served_by_default() {
    let api = api();
    let first = json!({ "name": "A", "rules": null });
    assert_eq!(api.post("/agents", first).status, 201);
    let created = agent(&api);
    assert!(created.get("rules").is_some() && created.get("workflow_id").is_some());
}

#[test]
fn each_generation_has_the_operations_that_are_documented_for_it() {
    let wire: Value = serde_json::from_str(include_str!("../data/wire.json")).unwrap();
    let operations = wire["operations"].as_array().unwrap();
    assert!(operations.len() >= 60);
    let releases = |operation: &Value| -> Vec<String> {
        let releases = operation["generation"].as_array().unwrap().iter();
        releases
            .map(|release| release.as_str().unwrap().to_owned())
            .collect()
    };
    let (first, current) = (of(Generation::First), of(Generation::Current));
    for operation in operations {
        let method = operation["method"].as_str().unwrap();
        let path: Vec<&str> = operation["path"].as_str().unwrap().split('/').collect();
        let path: Vec<&str> = path
            .into_iter()
            .map(|segment| {
                if segment.starts_with('{') {
                    "x"
                } else {
                    segment
                }
            })
            .collect();
        let path = path.join("/");
        // Without an API key, an operation is refused with 401 and an unknown path with 404.
        let has = |api: &Api| api.send(method, &path, &[("X-Api-Key", "")], "").status == 401;
        let releases = releases(operation);
        let is_first = releases.iter().any(|release| release == "0.1");
        let is_current = releases.iter().any(|release| release != "0.1");
        assert_eq!(has(&first), is_first, "{method} {path} in the first");
        assert_eq!(has(&current), is_current, "{method} {path} in the current");
    }
}

//! Workflows and agents, with knowledge bases, actions and channels.

use serde_json::{Value, json};

use crate::support::{RESTAURANT, Reply, api, id, quiet, start};

/// The paths that a validation error names.
fn wrong_fields(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.code(), (400, "validation_error".to_owned()));
    let messages = reply.json()["message"].as_array().unwrap().clone();
    let path = |message: &Value| {
        message
            .as_str()
            .unwrap()
            .split(':')
            .next()
            .unwrap()
            .to_owned()
    };
    messages.iter().map(path).collect()
}

#[test]
fn the_first_generation_creates_agents_by_name() {
    let api = api();
    let agent = api
        .post(
            "/agents",
            json!({ "name": "Ada", "description": null, "rules": null }),
        )
        .data();
    assert_eq!(agent["status"], "development");
    assert_eq!(agent["workflow_id"], Value::Null);
    assert_eq!(agent["workflow"], Value::Null);
    let body = json!({
        "name": "Ada",
        "system_prompt": "Be kind.",
        "rules": [{ "id": "r", "name": "R", "trigger": "t", "response": "x", "enabled": false }],
    });
    let agent = api.post("/agents", body.clone()).data();
    assert_eq!(agent["rules"], body["rules"]);
    assert_eq!(agent["system_prompt"], "Be kind.");
}

#[test]
fn the_current_generation_needs_workflow_name_and_description() {
    let api = api();
    let refused = api.post("/agents", json!({ "workflow_id": RESTAURANT }));
    assert_eq!(wrong_fields(&refused), ["name", "description"]);
    let unknown = json!({ "workflow_id": "none", "name": "A", "description": "B" });
    assert_eq!(
        api.post("/agents", unknown).code(),
        (404, "not_found".to_owned())
    );
}

#[test]
fn a_workflow_of_others_is_cloned_and_an_own_one_is_linked() {
    let api = api();
    let body = json!({ "workflow_id": RESTAURANT, "name": "A", "description": "B" });
    let agent = api.post("/agents", body).data();
    let workflow = agent["workflow"].clone();
    assert_ne!(agent["workflow_id"], RESTAURANT);
    assert_eq!(agent["workflow_id"], workflow["id"]);
    assert_eq!(agent["agent_workflow_id"], workflow["id"]);
    assert_eq!(workflow["source_workflow_id"], RESTAURANT);
    assert_eq!(workflow["visibility"], "private");
    let body = json!({ "agent_workflow_id": workflow["id"], "name": "A" });
    assert_eq!(
        api.post("/agents", body).data()["workflow_id"],
        workflow["id"]
    );
    assert_eq!(
        api.get("/workflows?scope=owned").json()["meta"]["total_count"],
        1
    );
}

#[test]
fn each_rule_of_an_agent_is_checked() {
    let api = api();
    for (field, value) in [
        ("workflow_id", json!("x".repeat(51))),
        ("name", json!("é".repeat(256))),
        ("name", json!(7)),
        ("description", json!("x".repeat(2001))),
        ("language", json!("x".repeat(11))),
        ("persona", json!("rude")),
        ("timezone", json!("x".repeat(65))),
        ("logo", json!("no url")),
        ("business_email", json!("nobody")),
        ("escalation_email", json!("a b@c.d")),
        ("rules", json!({})),
    ] {
        let mut body = json!({ "workflow_id": RESTAURANT, "name": "A", "description": "B" });
        body[field] = value;
        assert_eq!(wrong_fields(&api.post("/agents", body)), [field]);
    }
    let rules =
        json!([{ "id": "r", "name": "n", "trigger": "t", "response": "x", "enabled": "yes" }]);
    let refused = api.post("/agents", json!({ "name": "A", "rules": rules }));
    assert_eq!(wrong_fields(&refused), ["rules.0.enabled"]);
    assert_eq!(
        api.post("/agents", json!({ "name": "é".repeat(255) }))
            .status,
        201
    );
}

#[test]
fn the_first_generation_takes_any_persona() {
    let api = api();
    let made = api
        .post(
            "/agents",
            json!({ "name": "A", "persona": "wise 🦉", "logo": "none" }),
        )
        .data();
    assert_eq!(made["persona"], "wise 🦉");
    let path = format!("/agents/{}", id(&made));
    let changed = api
        .patch(&path, json!({ "persona": "rude", "rules": null }))
        .data();
    assert_eq!(changed["persona"], "rude");
    assert_eq!(
        wrong_fields(&api.patch(&path, json!({ "persona": "rude" }))),
        ["persona"]
    );
}

#[test]
fn an_agent_is_changed_and_deleted() {
    let api = api();
    let path = format!("/agents/{}", api.agent());
    let changed = api
        .patch(
            &path,
            json!({ "business_name": "Chez Ada", "description": null }),
        )
        .data();
    assert_eq!(changed["business_name"], "Chez Ada");
    assert_eq!(
        wrong_fields(&api.patch(&path, json!({ "name": null }))),
        ["name"]
    );
    assert_eq!(
        wrong_fields(&api.patch(&path, json!({ "workflow_id": null }))),
        ["workflow_id"]
    );
    let unlinked = api
        .patch(&path, json!({ "agent_workflow_id": null }))
        .data();
    assert_eq!(unlinked["workflow_id"], Value::Null);
    assert_eq!(
        api.delete(&path).json(),
        json!({ "message": "Success", "data": null })
    );
    assert_eq!(api.get(&path).code(), (404, "not_found".to_owned()));
}

#[test]
fn a_live_status_has_a_reason() {
    let api = api();
    let path = format!("/agents/{}/live-status", api.agent());
    let body = json!({ "status": "paused", "status_reason": "holiday" });
    assert_eq!(api.patch(&path, body.clone()).data(), body);
    let live = json!({ "status": "live", "status_reason": null });
    assert_eq!(api.patch(&path, json!({ "status": "live" })).data(), live);
    assert_eq!(
        wrong_fields(&api.patch(&path, json!({ "status": "on" }))),
        ["status"]
    );
}

#[test]
fn a_test_code_is_created_once() {
    let api = api();
    let agent = format!("/agents/{}", api.agent());
    assert_eq!(api.get(&agent).data()["test_channel_code"], Value::Null);
    let code = api
        .get(&format!("{agent}/deployment/agent-test-code"))
        .data();
    assert_eq!(
        code["channels"]["whatsapp"]["start_message"],
        format!("start {}", code["code"].as_str().unwrap())
    );
    assert_eq!(
        api.get(&format!("{agent}/deployment/agent-test-code"))
            .data(),
        code
    );
    assert_eq!(api.get(&agent).data()["test_channel_code"], code["code"]);
}

#[test]
fn agents_have_a_limit() {
    for (builder, status) in [(quiet(), 400), (quiet().agent_limit_status(403), 403)] {
        let api = start(builder.agent_limit(1));
        api.agent();
        let refused = api.post("/agents", json!({ "name": "Two" }));
        assert_eq!(refused.code(), (status, "agent_limit_reached".to_owned()));
        // The text of the live API.
        let message = "Agent limit reached for your plan. Please upgrade to create more agents.";
        assert_eq!(refused.json()["message"], message);
    }
}

#[test]
fn knowledge_bases_are_created_and_deleted() {
    let api = api();
    let agent = api.agent();
    let path = format!("/agents/{agent}/knowledge_bases");
    let body = json!({ "type": "text", "name": "Menu", "content": "Pizza £12." });
    let made = api.post(&path, body).data();
    assert_eq!(made["url"], Value::Null);
    let page = json!({ "type": "url", "name": "Site", "url": "https://example.com/faq" });
    assert_eq!(api.post(&path, page).status, 201);
    assert_eq!(api.get(&path).data().as_array().unwrap().len(), 2);
    let one = format!("{path}/{}", id(&made));
    assert_eq!(
        api.patch(&one, json!({ "content": "Pizza £13." })).data()["content"],
        "Pizza £13."
    );
    let detail = api.get(&format!("/agents/{agent}")).data();
    assert_eq!(detail["knowledge_bases"][0]["name"], "Menu");
    assert_eq!(api.delete(&one).status, 200);
    assert_eq!(api.delete(&one).status, 404);
}

#[test]
fn each_rule_of_a_knowledge_base_is_checked() {
    let api = api();
    let path = format!("/agents/{}/knowledge_bases", api.agent());
    for (body, wrong) in [
        (json!({ "type": "text", "name": "A" }), "content"),
        (json!({ "type": "url", "name": "A" }), "url"),
        (
            json!({ "type": "url", "name": "A", "url": "example.com" }),
            "url",
        ),
        (
            json!({ "type": "file", "name": "A", "content": "x" }),
            "type",
        ),
        (
            json!({ "type": "text", "name": "A", "content": "x".repeat(2501) }),
            "content",
        ),
        (
            json!({ "type": "text", "name": "A", "content": "x", "description": "x".repeat(1001) }),
            "description",
        ),
    ] {
        assert_eq!(wrong_fields(&api.post(&path, body)), [wrong]);
    }
}

#[test]
fn integrations_and_channels_come_from_the_workflow() {
    let api = api();
    let agent = format!("/agents/{}", api.agent());
    let integrations = api.get(&format!("{agent}/integrations")).data();
    assert_eq!(integrations[0]["type"], "bumpa");
    assert_eq!(integrations[0]["status"], "disconnected");
    assert_eq!(integrations[0]["config_fields"][0]["key"], "token");
    let channels = api.get(&format!("{agent}/channels")).data();
    assert_eq!(channels[0]["name"], "WhatsApp");
    let flows = api.get(&format!("{agent}/conversation_flows")).data();
    assert_eq!(flows[0]["name"], "Take an order");
    assert_eq!(flows[0]["priority"], 9);
    let detail = api.get(&agent).data();
    assert_eq!(detail["conversation_flow"], flows);
    assert_eq!(detail["channels"], channels);
    assert_eq!(detail["integration"], integrations);
}

#[test]
fn actions_get_an_id_when_they_are_switched() {
    let api = api();
    let path = format!("/agents/{}/actions", api.agent());
    let first = api.get(&path).data()[0].clone();
    assert_eq!(first["id"], "bumpa:search_products");
    assert_eq!(first["is_enabled"], true);
    let ids = json!({ "action_ids": [first["id"], "unknown"] });
    assert_eq!(
        api.post(&format!("{path}/disable"), ids.clone()).data(),
        json!({ "updated_count": 1 })
    );
    let disabled = api.get(&path).data()[0].clone();
    assert_eq!(disabled["is_enabled"], false);
    assert_ne!(disabled["id"], first["id"]);
    let by_new_id = json!({ "action_ids": [disabled["id"]] });
    assert_eq!(
        api.post(&format!("{path}/enable"), by_new_id).data()["updated_count"],
        1
    );
    assert_eq!(api.get(&path).data()[0]["is_enabled"], true);
    assert_eq!(
        wrong_fields(&api.post(&format!("{path}/enable"), json!({ "action_ids": [] }))),
        ["action_ids"]
    );
}

#[test]
fn workflows_are_created_cloned_changed_and_deleted() {
    let api = api();
    let body = json!({
        "name": "Mine",
        "system_prompt": "Be brief.",
        "rules": [{ "id": "r", "name": "n", "trigger": "t", "response": "x", "enabled": true }],
        "flows": [{ "name": "f", "priority": 10, "trigger_keywords": [{ "keyword": "k", "weight": "high" }],
                    "conversation_steps": [{ "type": "action", "action": "a" }] }],
        "guide": { "youtubeUrl": "https://youtu.be/x", "steps": ["one"] },
        "faq": [{ "question": "q", "answer": "a" }],
        "setup_steps": ["one", { "title": "two" }],
        "setup_time": 5,
        "video_url": "https://example.com/v.mp4",
        "tags": ["t"],
    });
    let made = api.post("/workflows", body.clone()).data();
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(made[name], *value, "{name}");
    }
    assert_eq!(
        (&made["visibility"], &made["is_owner"]),
        (&json!("private"), &json!(true))
    );
    let path = format!("/workflows/{}", id(&made));
    assert_eq!(api.get(&path).data(), made);
    assert_eq!(
        api.patch(&path, json!({ "category": "c" })).data()["category"],
        "c"
    );
    let copy = api
        .post(
            "/workflows/clone",
            json!({ "source_workflow_id": made["id"] }),
        )
        .data();
    assert_eq!(copy["source_workflow_id"], made["id"]);
    assert_eq!(api.delete(&path).status, 200);
    assert_eq!(api.get(&path).status, 404);
    let public = format!("/workflows/{RESTAURANT}");
    assert_eq!(api.patch(&public, json!({ "name": "x" })).status, 404);
    assert_eq!(api.delete(&public).status, 404);
}

#[test]
fn each_rule_of_a_workflow_is_checked() {
    let api = api();
    for (field, value, wrong) in [
        ("name", json!(""), "name"),
        ("system_prompt", json!("  "), "system_prompt"),
        ("rules", json!([{ "id": "r" }]), "rules.0.name"),
        (
            "flows",
            json!([{ "name": "f", "priority": 11 }]),
            "flows.0.priority",
        ),
        ("flows", json!([[]]), "flows.0"),
        ("guide", json!({}), "guide.steps"),
        ("faq", json!([{ "question": "q" }]), "faq.0.answer"),
        ("setup_steps", json!([1]), "setup_steps.0"),
        ("setup_time", json!(0), "setup_time"),
        ("setup_time", json!(1.5), "setup_time"),
        ("video_url", json!("x"), "video_url"),
        ("tags", json!([1]), "tags.0"),
    ] {
        let mut body = json!({ "name": "W", "system_prompt": "P" });
        body[field] = value;
        assert_eq!(wrong_fields(&api.post("/workflows", body))[0], wrong);
    }
    assert_eq!(
        wrong_fields(&api.post("/workflows", json!({ "name": "W" }))),
        ["system_prompt"]
    );
    let first = json!({ "name": "W", "prompt_config": {}, "flows": [{ "anything": 1 }] });
    assert_eq!(api.post("/workflows", first).status, 201);
}

#[test]
fn placeholders_are_listed_beside_the_real_items() {
    let api = start(quiet().placeholders(true));
    let workflow = api.get(&format!("/workflows/{RESTAURANT}")).data();
    for name in ["rules", "flows", "faq"] {
        assert_eq!(
            workflow[name].as_array().unwrap().last(),
            Some(&json!([])),
            "{name}"
        );
    }
    assert_eq!(
        api.get(&format!("/agents/{}/conversation_flows", api.agent()))
            .status,
        200
    );
}

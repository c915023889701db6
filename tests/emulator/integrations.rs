//! The four kinds of integrations.

use serde_json::{Value, json};

use crate::support::{Api, api, id, quiet, start};

fn integrations(api: &Api) -> String {
    format!("/agents/{}/integrations", api.agent())
}

#[test]
fn first_party_integrations_are_always_five() {
    let api = api();
    let path = format!("{}/bimpeai", integrations(&api));
    let types = |data: &Value| -> Vec<String> {
        data.as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["type"].as_str().unwrap().to_owned())
            .collect()
    };
    let listed = api.get(&path).data();
    assert_eq!(
        types(&listed),
        [
            "bumpa",
            "google_calendar",
            "google_sheets",
            "paystack",
            "stripe"
        ]
    );
    assert_eq!(listed[4]["id"], Value::Null);

    let keys =
        json!({ "type": "stripe", "public_key": "pk", "secret_key": "sk_1", "currency": "USD" });
    let reply = api.post(&format!("{path}/configure"), keys);
    assert_eq!(
        (reply.status, &reply.data()["success"]),
        (201, &json!(true))
    );
    let channel = reply.data()["channel_id"].clone();
    let listed = api.get(&path).data();
    assert_eq!(
        (&listed[4]["id"], &listed[4]["is_connected"]),
        (&channel, &json!(true))
    );

    assert_eq!(
        api.delete(&format!("{path}/{}", channel.as_str().unwrap()))
            .status,
        200
    );
    let listed = api.get(&path).data();
    assert_eq!(
        (&listed[4]["id"], &listed[4]["status"]),
        (&Value::Null, &json!("disconnected"))
    );
}

#[test]
fn google_types_have_an_onboarding_url() {
    let api = start(quiet().manual_onboarding(true));
    let agent = api.agent();
    let path = format!("/agents/{agent}/integrations/bimpeai");
    let reply = api.post(
        &format!("{path}/configure"),
        json!({ "type": "google_calendar" }),
    );
    let url = format!("https://agent.bimpe.ai/agents/{agent}/integrations?connect=google_calendar");
    assert_eq!(
        (reply.status, reply.data()),
        (200, json!({ "onboarding_url": url }))
    );
    assert_eq!(api.get(&path).data()[1]["is_connected"], false);
    api.complete_onboarding(&agent, "google_calendar");
    assert_eq!(api.get(&path).data()[1]["is_connected"], true);
}

#[test]
fn first_party_types_need_their_credentials() {
    let api = api();
    let path = format!("{}/bimpeai/configure", integrations(&api));
    for (body, wrong) in [
        (json!({ "type": "bumpa" }), "token"),
        (
            json!({ "type": "paystack", "secret_key": "s", "currency": "NGN" }),
            "public_key",
        ),
        (
            json!({ "type": "stripe", "public_key": "p", "secret_key": "s" }),
            "currency",
        ),
        (json!({ "type": "paypal" }), "type"),
    ] {
        let refused = api.post(&path, body);
        assert_eq!(refused.code(), (400, "validation_error".to_owned()));
        assert!(
            refused.json()["message"][0]
                .as_str()
                .unwrap()
                .starts_with(wrong)
        );
    }
    let refused = api.post(&path, json!({ "type": "bumpa", "token": "invalid" }));
    assert_eq!(
        refused.code(),
        (400, "integration_connection_failed".to_owned())
    );
}

#[test]
fn pipedream_apps_are_listed_with_their_server() {
    let api = api();
    let path = format!("{}/pipedream", integrations(&api));
    let body =
        json!({ "app_slug": "slack", "app_name": "Slack", "app_icon": "https://x.io/i.png" });
    assert!(api.post(&format!("{path}/configure"), body).data()["onboarding_url"].is_string());
    let listed = api.get(&path).data();
    assert_eq!(listed[0]["channel_type"], "mcp_server");
    assert_eq!(listed[0]["config"]["app_name"], "Slack");
    assert_eq!(
        api.delete(&format!("{path}/{}", id(&listed[0]))).status,
        200
    );
    assert_eq!(api.get(&path).data(), json!([]));
}

#[test]
fn mcp_servers_are_tested_and_discovered() {
    let api = api();
    let path = format!("{}/mcp_server", integrations(&api));
    let body = json!({ "name": "Docs", "server_url": "https://mcp.example.com",
                       "auth_type": "bearer", "auth_config": { "token": "s3cret" } });
    let made = api.post(&format!("{path}/configure"), body);
    assert!(!String::from_utf8_lossy(&made.body).contains("s3cret"));
    let made = made.data();
    assert_eq!(made["config"]["transport"], "streamable_http");
    assert_eq!(api.get(&path).data(), json!([made]));
    let one = format!("{path}/{}", id(&made));
    assert_eq!(
        api.post(&format!("{one}/test"), json!({})).data()["success"],
        true
    );
    let first = json!({ "discovered": 3, "created": 3, "updated": 0, "disabled": 0 });
    assert_eq!(
        api.send("POST", &format!("{one}/discover"), &[], "").data(),
        first
    );
    let later = json!({ "discovered": 3, "created": 0, "updated": 3, "disabled": 0 });
    assert_eq!(
        api.send("POST", &format!("{one}/discover"), &[], "").data(),
        later
    );
    assert_eq!(
        api.get(&format!("{one}/tools")).data()[0]["action_name"],
        "search_documents"
    );

    let bad =
        json!({ "name": "D", "server_url": "https://x.io", "auth_config": { "token": "bad" } });
    let bad = id(&api.post(&format!("{path}/configure"), bad).data());
    let refused = api.post(&format!("{path}/{bad}/test"), json!({}));
    assert_eq!(
        refused.code(),
        (400, "integration_connection_failed".to_owned())
    );
}

#[test]
fn custom_apis_have_tools() {
    let api = api();
    let path = format!("{}/custom_api", integrations(&api));
    let made = api
        .post(&format!("{path}/configure"), json!({ "name": "Stock" }))
        .data();
    assert_eq!(
        made["config"],
        json!({ "name": "Stock", "auth_type": "none" })
    );
    let tools = format!("{path}/{}/tools", id(&made));
    let items = json!({ "name": "i", "type": "string", "description": "d" });
    let tool = json!({
        "name": "Get stock",
        "http_method": "GET",
        "url_template": "/stock/{{sku}}",
        "url_params": [{ "name": "sku", "type": "array", "description": "d", "required": true, "items": items }],
        "timeout": 1000,
    });
    let added = api.post(&tools, tool.clone()).data();
    assert_eq!(
        (&added["action_name"], &added["category"]),
        (&json!("get_stock"), &json!("custom"))
    );
    assert_eq!(api.get(&tools).data(), json!([added]));
    for (pointer, value, wrong) in [
        ("/name", json!("x".repeat(81)), "name"),
        ("/http_method", json!("HEAD"), "http_method"),
        ("/timeout", json!(999), "timeout"),
        ("/timeout", json!(1000.5), "timeout"),
        (
            "/url_params/0/items/type",
            json!("date"),
            "url_params.0.items.type",
        ),
    ] {
        let mut body = tool.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        let message = api.post(&tools, body).json()["message"][0]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.starts_with(&format!("{wrong}: ")), "{message}");
    }
    let one = format!("{tools}/{}", id(&added));
    assert_eq!(
        (api.delete(&one).status, api.delete(&one).status),
        (200, 404)
    );
}

#[test]
fn an_id_of_another_kind_is_a_bad_request() {
    let api = api();
    let path = integrations(&api);
    let made = api
        .post(
            &format!("{path}/custom_api/configure"),
            json!({ "name": "Stock" }),
        )
        .data();
    let id = id(&made);
    for reply in [
        api.delete(&format!("{path}/bimpeai/{id}")),
        api.delete(&format!("{path}/pipedream/{id}")),
        api.get(&format!("{path}/mcp_server/{id}/tools")),
        api.post(&format!("{path}/mcp_server/{id}/discover"), json!({})),
    ] {
        assert_eq!(reply.code(), (400, "bad_request".to_owned()));
    }
    assert_eq!(
        api.delete(&format!("{path}/custom_api/none")).code(),
        (404, "not_found".to_owned())
    );
}

#[test]
fn an_agent_without_a_workflow_has_no_integrations() {
    let api = api();
    let agent = id(&api.post("/agents", json!({ "name": "A" })).data());
    for family in ["bimpeai", "pipedream", "mcp_server", "custom_api"] {
        let refused = api.get(&format!("/agents/{agent}/integrations/{family}"));
        assert_eq!(
            refused.code(),
            (400, "workflow_required".to_owned()),
            "{family}"
        );
    }
    assert_eq!(
        api.get(&format!("/agents/{agent}/integrations")).data(),
        json!([])
    );
}

#[test]
fn integrations_have_a_limit() {
    let api = start(quiet().integration_limit(1));
    let path = format!("{}/custom_api/configure", integrations(&api));
    assert_eq!(api.post(&path, json!({ "name": "One" })).status, 201);
    let refused = api.post(&path, json!({ "name": "Two" }));
    assert_eq!(
        refused.code(),
        (409, "integration_limit_reached".to_owned())
    );
}

#[test]
fn connected_integrations_are_listed_for_the_agent() {
    let api = api();
    let agent = api.agent();
    let path = format!("/agents/{agent}/integrations");
    let made = api
        .post(
            &format!("{path}/custom_api/configure"),
            json!({ "name": "Stock" }),
        )
        .data();
    let tool = json!({ "name": "Get stock", "http_method": "GET", "url_template": "/s" });
    api.post(&format!("{path}/custom_api/{}/tools", id(&made)), tool);
    let listed = api.get(&path).data();
    let last = listed.as_array().unwrap().last().unwrap();
    assert_eq!((&last["id"], &last["name"]), (&made["id"], &json!("Stock")));
    assert_eq!(last["actions"][0]["action_name"], "get_stock");
    let actions = api.get(&format!("/agents/{agent}/actions")).data();
    assert_eq!(
        actions.as_array().unwrap().last().unwrap()["integration_id"],
        made["id"]
    );
}

#[test]
fn documented_successes_without_a_body_are_available() {
    let api = start(quiet().bodyless_successes(true));
    let agent = api.agent();
    let path = format!("/agents/{agent}/integrations");
    let server = json!({ "name": "D", "server_url": "https://x.io" });
    let server = id(&api
        .post(&format!("{path}/mcp_server/configure"), server)
        .data());
    for (path, body) in [
        (
            format!("/agents/{agent}/actions/enable"),
            json!({ "action_ids": ["x"] }),
        ),
        (
            format!("/agents/{agent}/actions/disable"),
            json!({ "action_ids": ["x"] }),
        ),
        (
            format!("{path}/pipedream/configure"),
            json!({ "app_slug": "slack" }),
        ),
        (format!("{path}/mcp_server/{server}/test"), json!({})),
        (format!("{path}/mcp_server/{server}/discover"), json!({})),
    ] {
        let reply = api.post(&path, body);
        assert_eq!(
            (reply.status, reply.body.as_slice()),
            (201, b"".as_slice()),
            "{path}"
        );
    }
}

//! Calls and phone numbers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Api, api, id, quiet, start};

#[test]
fn a_call_rings_and_ends() {
    let api = api();
    let path = format!("/agents/{}/calls", api.agent());
    let made = api
        .post(
            &path,
            json!({ "destination": "+2348012345678", "is_test_call": true }),
        )
        .data();
    assert_eq!(made["status"], "initiated");
    let one = format!("{path}/{}", made["call_id"].as_str().unwrap());
    let looks: Vec<Value> = (0..5).map(|_| api.get(&one).data()).collect();
    let statuses: Vec<&str> = looks
        .iter()
        .map(|call| call["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses,
        ["queued", "ringing", "answered", "ended", "ended"]
    );
    assert_eq!(looks[0]["duration_seconds"], Value::Null);
    assert_eq!(looks[4]["duration_seconds"], 42);
    assert_eq!(looks[4]["conversation_logs"].as_array().unwrap().len(), 3);
    let listed = api
        .get(&format!("{path}?status=ended&is_test_call=true"))
        .data();
    assert_eq!(listed[0].as_object().unwrap().len(), 12);
    assert_eq!(api.get(&format!("{path}?status=queued")).data(), json!([]));
}

/// Places a test call and returns its path.
fn call(api: &Api, destination: &str) -> String {
    let path = format!("/agents/{}/calls", api.agent());
    let body = json!({ "destination": destination, "is_test_call": true });
    let made = api.post(&path, body).data();
    format!("{path}/{}", made["call_id"].as_str().unwrap())
}

fn status(call: &Value) -> &str {
    call["status"].as_str().unwrap()
}

#[test]
fn an_unanswered_call_ends_without_answered_at() {
    let api = api();
    let path = call(&api, "+2348012348888");
    let looks: Vec<Value> = (0..4).map(|_| api.get(&path).data()).collect();
    let statuses: Vec<&str> = looks.iter().map(status).collect();
    assert_eq!(statuses, ["queued", "ringing", "ended", "ended"]);
    let ended = &looks[3];
    assert_eq!(ended["answered_at"], Value::Null);
    assert_eq!(ended["duration_seconds"], Value::Null);
    assert_eq!(ended["conversation_logs"], json!([]));
    assert!(ended["ended_at"].is_string() && ended["ringing_at"].is_string());
}

#[test]
fn some_numbers_have_a_status_that_is_not_documented() {
    let api = api();
    let path = call(&api, "+2348012347777");
    let looks: Vec<Value> = (0..4).map(|_| api.get(&path).data()).collect();
    let statuses: Vec<&str> = looks.iter().map(status).collect();
    assert_eq!(statuses, ["queued", "ringing", "voicemail", "voicemail"]);
    assert!(looks[3]["ended_at"].is_string());

    let path = call(&api, "+2348012346666");
    let looks: Vec<Value> = (0..5).map(|_| api.get(&path).data()).collect();
    let statuses: Vec<&str> = looks.iter().map(status).collect();
    assert_eq!(
        statuses,
        ["queued", "ringing", "answered", "transferring", "ended"]
    );
    assert_eq!(looks[3]["ended_at"], Value::Null);
}

#[test]
fn calls_progress_with_the_clock() {
    let minute = Duration::from_secs(60);
    let api = start(quiet().call_step(minute));
    let path = call(&api, "+2348012345678");
    let list = path.rsplit_once('/').unwrap().0;
    for expected in ["queued", "ringing", "answered", "ended", "ended"] {
        // Retrieving a call changes nothing.
        for _ in 0..2 {
            assert_eq!(status(&api.get(&path).data()), expected);
            assert_eq!(status(&api.get(list).data()[0]), expected);
        }
        api.advance_clock(minute);
    }
    let call = api.get(&path).data();
    let time = |name: &str| {
        let text = call[name].as_str().unwrap();
        let time = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
        time(11..13) * 3600 + time(14..16) * 60 + time(17..19)
    };
    // Each step has its own time, independent of when the call is retrieved.
    let answered = (time("answered_at") - time("ringing_at")).rem_euclid(86_400);
    let ended = (time("ended_at") - time("answered_at")).rem_euclid(86_400);
    assert_eq!((answered, ended), (60, 60));
    assert_eq!(call["conversation_logs"].as_array().unwrap().len(), 3);
}

#[test]
fn calls_progress_without_being_retrieved() {
    let api = start(quiet().call_step(Duration::from_secs(1)));
    let path = call(&api, "+2348012345678");
    api.advance_clock(Duration::from_secs(3600));
    let ended = path.replace(path.rsplit('/').next().unwrap(), "");
    let ended = api.get(&format!("{}?status=ended", ended.trim_end_matches('/')));
    assert_eq!(ended.json()["meta"]["total_count"], 1);
    assert_eq!(status(&api.get(&path).data()), "ended");
}

#[test]
fn a_transcript_can_be_delayed() {
    let api = start(quiet().late_transcripts(true));
    let path = call(&api, "+2348012345678");
    let lines: Vec<(String, usize)> = (0..6)
        .map(|_| {
            let call = api.get(&path).data();
            let lines = call["conversation_logs"].as_array().unwrap().len();
            (status(&call).to_owned(), lines)
        })
        .collect();
    let lines: Vec<(&str, usize)> = lines.iter().map(|(s, n)| (s.as_str(), *n)).collect();
    assert_eq!(
        lines,
        [
            ("queued", 0),
            ("ringing", 0),
            ("answered", 0),
            ("ended", 0),
            ("ended", 3),
            ("ended", 3)
        ]
    );

    let minute = Duration::from_secs(60);
    let api = start(quiet().late_transcripts(true).call_step(minute));
    let path = call(&api, "+2348012345678");
    api.advance_clock(3 * minute);
    assert_eq!(api.get(&path).data()["conversation_logs"], json!([]));
    api.advance_clock(minute);
    let lines = api.get(&path).data()["conversation_logs"].clone();
    assert_eq!(lines[0]["role"], "assistant");
    assert_eq!(lines.as_array().unwrap().len(), 3);
}

#[test]
fn head_requests_do_not_advance_a_call() {
    let api = api();
    let path = call(&api, "+2348012345678");
    for _ in 0..3 {
        assert_eq!(api.send("HEAD", &path, &[], "").status, 200);
    }
    assert_eq!(status(&api.get(&path).data()), "queued");
}

#[test]
fn some_numbers_are_busy_or_fail() {
    let api = api();
    let path = format!("/agents/{}/calls", api.agent());
    for (destination, status) in [("+2348012340000", "busy"), ("+2348012349999", "failed")] {
        let made = api
            .post(
                &path,
                json!({ "destination": destination, "is_test_call": true }),
            )
            .data();
        assert_eq!(made["status"], status);
        let call = api
            .get(&format!("{path}/{}", made["call_id"].as_str().unwrap()))
            .data();
        assert_eq!(call["status"], status);
        assert!(call["error_reason"].is_string());
    }
}

#[test]
fn a_live_call_needs_a_channel() {
    let api = api();
    let agent = api.agent();
    let path = format!("/agents/{agent}/calls");
    let live = json!({ "destination": "+2348012345678", "is_test_call": false });
    assert_eq!(
        api.post(&path, live.clone()).code(),
        (400, "channel_not_configured".to_owned())
    );
    api.assign_phone_number("+14155550123", Some(&agent));
    let made = api.post(&path, live.clone()).data();
    let call = api
        .get(&format!("{path}/{}", made["call_id"].as_str().unwrap()))
        .data();
    assert_eq!(call["source"], "+14155550123");

    let other = api.agent();
    api.connect_channel(&other, "telephony");
    assert_eq!(
        api.post(&format!("/agents/{other}/calls"), live).status,
        201
    );
}

#[test]
fn each_rule_of_a_call_is_checked() {
    let api = api();
    let path = format!("/agents/{}/calls", api.agent());
    for destination in [
        "08012345678",
        "+0801234567",
        "+123456",
        "+1234567890123456",
        "+1 415",
    ] {
        let refused = api.post(
            &path,
            json!({ "destination": destination, "is_test_call": true }),
        );
        assert_eq!(
            refused.code(),
            (400, "validation_error".to_owned()),
            "{destination}"
        );
    }
    let refused = api.post(&path, json!({ "destination": "+2348012345678" }));
    assert_eq!(
        refused.json()["message"],
        json!(["is_test_call: must be a boolean value"])
    );
}

#[test]
fn the_first_generations_list_is_not_implemented() {
    assert_eq!(
        api().get("/calls").code(),
        (501, "not_implemented".to_owned())
    );
}

#[test]
fn a_phone_number_is_requested_and_assigned() {
    let api = api();
    let body = json!({
        "business_name": "Chez Ada",
        "intended_use": "Bookings",
        "region": "ng",
        "agent_count": 1,
        "outbound_minutes": 0,
    });
    let reply = api.post("/phone-numbers/request", body);
    assert_eq!((reply.status, reply.body.as_slice()), (201, b"".as_slice()));
    let requests = || api.get("/phone-numbers/request").data();
    assert_eq!(requests()[0]["status"], "under_review");
    let agent = api.agent();
    let number = api.assign_phone_number("+14155550123", Some(&agent));
    assert_eq!(
        (&requests()[0]["status"], &requests()[0]["e164"]),
        (&json!("assigned"), &json!("+14155550123"))
    );
    let listed = json!({ "id": number, "agent_id": agent, "label": null, "e164": "+14155550123" });
    assert_eq!(api.get("/phone-numbers").data(), json!([listed]));
    assert_eq!(
        api.get(&format!("/phone-numbers/{number}")).data()["inbound_enabled"],
        true
    );
}

#[test]
fn null_unassigns_a_number_and_absent_does_not() {
    let api = api();
    let agent = api.agent();
    let path = format!(
        "/phone-numbers/{}",
        api.assign_phone_number("+14155550123", Some(&agent))
    );
    let labelled = api.patch(&path, json!({ "label": "Front desk" })).data();
    assert_eq!(
        (&labelled["agent_id"], &labelled["label"]),
        (&json!(agent), &json!("Front desk"))
    );
    assert_eq!(
        api.patch(&path, json!({ "agent_id": null })).data()["agent_id"],
        Value::Null
    );
    assert_eq!(
        api.patch(&path, json!({ "agent_id": "none" })).code(),
        (404, "not_found".to_owned())
    );
    assert_eq!(
        api.patch(&path, json!({ "label": "x".repeat(129) })).status,
        400
    );
    api.patch(&path, json!({ "agent_id": agent }));
    api.delete(&format!("/agents/{agent}"));
    assert_eq!(api.get(&path).data()["agent_id"], Value::Null);
}

#[test]
fn each_rule_of_a_number_request_is_checked() {
    let api = api();
    let good = json!({ "business_name": "A", "intended_use": "B", "region": "us",
                       "agent_count": 50.0, "outbound_minutes": 10000 });
    for (field, value) in [
        ("business_name", json!("x".repeat(192))),
        ("intended_use", json!("")),
        ("region", json!("fr")),
        ("agent_count", json!(51)),
        ("agent_count", json!(0)),
        ("agent_count", json!("1")),
        ("outbound_minutes", json!(10001)),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let message = api.post("/phone-numbers/request", body).json()["message"].clone();
        assert!(
            message[0]
                .as_str()
                .unwrap()
                .starts_with(&format!("{field}: ")),
            "{message}"
        );
    }
    assert_eq!(api.post("/phone-numbers/request", good).status, 201);
}

#[test]
fn phone_number_responses_have_both_documented_forms() {
    let api = start(
        quiet()
            .phone_number_request_body(true)
            .empty_phone_number_meta(true),
    );
    let body = json!({ "business_name": "A", "intended_use": "B", "region": "us",
                       "agent_count": 1, "outbound_minutes": 5 });
    let made = api.post("/phone-numbers/request", body).data();
    assert_eq!(made["status"], "under_review");
    assert!(!id(&made).is_empty());
    for path in ["/phone-numbers", "/phone-numbers/request"] {
        assert_eq!(api.get(path).json()["meta"], json!({}), "{path}");
    }
}

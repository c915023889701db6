//! Every type of the wire, as `tests/data/wire.json` declares it: responses decode and encode back to
//! equal JSON whatever grows, is null or is missing; bodies write what was set and nothing else.

#[path = "support/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::fmt::Debug;

use bimpeai::agents::*;
use bimpeai::calls::{
    Call, CallDetail, CallMessage, CallMessageAttachment, MakeCall, MakeCallResult,
};
use bimpeai::conversations::{
    ChannelType, Conversation, ConversationAiStatus, ConversationChannel, ConversationDetail,
    CreateConversationMessage, Message, MessageAttachment, SendMessage, StreamHeartbeatEvent,
    StreamMessageEvent, StreamTicket,
};
use bimpeai::pagination::PaginationMeta;
use bimpeai::phone_numbers::{
    CreatePhoneNumberRequest, PhoneNumber, PhoneNumberDetail, PhoneNumberRegion,
    PhoneNumberRequest, UpdatePhoneNumber,
};
use bimpeai::types::Patch;
use bimpeai::workflows::{
    CreateWorkflow, Flow, FlowInput, FlowStep, FlowStepInput, FlowTriggerKeyword,
    FlowTriggerKeywordInput, SetupStep, SetupStepDetail, UpdateWorkflow, Workflow, WorkflowFaq,
    WorkflowFaqInput, WorkflowGuide, WorkflowGuideInput, WorkflowScope, WorkflowSummary,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use wire::{body_fields, equal, fields, flag, list, object, text, wire};

/// Decodes JSON. Returns its encoding and its `Debug` text, or the error of decoding.
type Trip = fn(&Value) -> Result<(Value, String), String>;

fn trip<T: DeserializeOwned + Serialize + Debug>(json: &Value) -> Result<(Value, String), String> {
    let decoded: T = serde_json::from_str(&json.to_string()).map_err(|error| error.to_string())?;
    let written = serde_json::to_value(&decoded).expect("it encodes");
    Ok((written, format!("{decoded:?}")))
}

/// The types of the wire and ours.
const ANSWERS: &[(&str, Trip)] = &[
    ("Rule", trip::<Rule>),
    ("IntegrationConfigField", trip::<IntegrationConfigField>),
    ("IntegrationAction", trip::<IntegrationAction>),
    ("Integration", trip::<Integration>),
    ("Channel", trip::<Channel>),
    ("ConversationFlow", trip::<ConversationFlow>),
    ("AgentAction", trip::<AgentAction>),
    ("KnowledgeBase", trip::<KnowledgeBase>),
    ("Agent", trip::<Agent>),
    ("AgentDetail", trip::<AgentDetail>),
    ("Call", trip::<Call>),
    ("Conversation", trip::<Conversation>),
    ("Message", trip::<Message>),
    ("StreamTicket", trip::<StreamTicket>),
    ("StreamMessageEvent", trip::<StreamMessageEvent>),
    ("StreamHeartbeatEvent", trip::<StreamHeartbeatEvent>),
    ("WorkflowSummary", trip::<WorkflowSummary>),
    ("Workflow", trip::<Workflow>),
    ("PaginationMeta", trip::<PaginationMeta>),
    ("IntegrationSummary", trip::<IntegrationSummary>),
    ("AgentIntegration", trip::<AgentIntegration>),
    ("AgentChannel", trip::<AgentChannel>),
    ("KnowledgeBaseSummary", trip::<KnowledgeBaseSummary>),
    ("KnowledgeBaseItem", trip::<KnowledgeBaseItem>),
    ("AgentCreateResponse", trip::<AgentCreateResponse>),
    ("AgentLiveStatus", trip::<AgentLiveStatus>),
    ("BulkActionUpdate", trip::<BulkActionUpdate>),
    ("CallMessageAttachment", trip::<CallMessageAttachment>),
    ("CallMessage", trip::<CallMessage>),
    ("CallDetail", trip::<CallDetail>),
    ("MakeCallResult", trip::<MakeCallResult>),
    ("ConversationDetail", trip::<ConversationDetail>),
    ("MessageAttachment", trip::<MessageAttachment>),
    ("ConversationAiStatus", trip::<ConversationAiStatus>),
    ("FlowStep", trip::<FlowStep>),
    ("FlowTriggerKeyword", trip::<FlowTriggerKeyword>),
    ("Flow", trip::<Flow>),
    ("WorkflowGuide", trip::<WorkflowGuide>),
    ("WorkflowFaq", trip::<WorkflowFaq>),
    ("BimpeaiIntegration", trip::<BimpeaiIntegration>),
    ("OnboardingUrl", trip::<OnboardingUrl>),
    (
        "DeploymentWhatsAppChannel",
        trip::<DeploymentWhatsAppChannel>,
    ),
    (
        "DeploymentInstagramChannel",
        trip::<DeploymentInstagramChannel>,
    ),
    (
        "DeploymentMessengerChannel",
        trip::<DeploymentMessengerChannel>,
    ),
    (
        "DeploymentTelephonyChannel",
        trip::<DeploymentTelephonyChannel>,
    ),
    ("DeploymentChannels", trip::<DeploymentChannels>),
    ("AgentTestCode", trip::<AgentTestCode>),
    ("IntegrationTool", trip::<IntegrationTool>),
    ("CustomApiConfig", trip::<CustomApiConfig>),
    ("CustomApiIntegration", trip::<CustomApiIntegration>),
    ("McpServerConfig", trip::<McpServerConfig>),
    ("McpServerIntegration", trip::<McpServerIntegration>),
    ("McpServerTestResult", trip::<McpServerTestResult>),
    ("McpServerDiscoverResult", trip::<McpServerDiscoverResult>),
    (
        "PipedreamIntegrationConfig",
        trip::<PipedreamIntegrationConfig>,
    ),
    ("PipedreamIntegration", trip::<PipedreamIntegration>),
    ("PhoneNumber", trip::<PhoneNumber>),
    ("PhoneNumberDetail", trip::<PhoneNumberDetail>),
    ("PhoneNumberRequest", trip::<PhoneNumberRequest>),
    ("BimpeaiConnectResult", trip::<BimpeaiConnectResult>),
];

/// Types of the wire that are not data: the error and the envelope are taken apart elsewhere.
const NO_DATA: &[&str] = &["ErrorBody", "Envelope"];

/// The operations whose body is a type, and the types that bodies are made of.
const BODIES: &[(&str, Trip)] = &[
    ("client.agents.create", trip::<CreateAgent>),
    ("client.agents.update", trip::<UpdateAgent>),
    ("client.agents.update_live_status", trip::<UpdateLiveStatus>),
    (
        "client.agents.knowledge_bases.create",
        trip::<CreateKnowledgeBase>,
    ),
    (
        "client.agents.knowledge_bases.update",
        trip::<UpdateKnowledgeBase>,
    ),
    (
        "client.agents.integrations.bimpeai.configure",
        trip::<BimpeaiConfigure>,
    ),
    (
        "client.agents.integrations.pipedream.configure",
        trip::<PipedreamConfigure>,
    ),
    (
        "client.agents.integrations.mcp_server.configure",
        trip::<McpServerConfigure>,
    ),
    (
        "client.agents.integrations.custom_api.configure",
        trip::<CustomApiConfigure>,
    ),
    (
        "client.agents.integrations.custom_api.tools.add",
        trip::<CustomApiCreateTool>,
    ),
    ("client.workflows.create", trip::<CreateWorkflow>),
    ("client.workflows.update", trip::<UpdateWorkflow>),
    (
        "client.conversations.send",
        trip::<CreateConversationMessage>,
    ),
    ("client.conversations.messages.send", trip::<SendMessage>),
    ("client.calls.make", trip::<MakeCall>),
    (
        "client.phone_numbers.requests.create",
        trip::<CreatePhoneNumberRequest>,
    ),
    ("client.phone_numbers.update", trip::<UpdatePhoneNumber>),
    ("RuleInput", trip::<RuleInput>),
    ("FlowInput", trip::<FlowInput>),
    ("FlowStepInput", trip::<FlowStepInput>),
    ("FlowTriggerKeywordInput", trip::<FlowTriggerKeywordInput>),
    ("WorkflowGuideInput", trip::<WorkflowGuideInput>),
    ("WorkflowFaqInput", trip::<WorkflowFaqInput>),
    ("IntegrationAuthConfig", trip::<IntegrationAuthConfig>),
    ("ToolResponseMapping", trip::<ToolResponseMapping>),
    ("ParameterDefinition", trip::<ParameterDefinition>),
];

/// Bodies with one field: that value is an argument of the operation.
const ARGUMENTS: &[&str] = &[
    "client.agents.actions.enable",
    "client.agents.actions.disable",
    "client.workflows.clone",
    "client.conversations.set_ai_status",
];

#[track_caller]
fn comes_back(name: &str, trip: Trip, json: &Value) {
    match trip(json) {
        Ok((written, _)) => assert!(
            equal(json, &written),
            "{name}\n read {json}\nwrote {written}"
        ),
        Err(error) => panic!("{name} refuses {json}: {error}"),
    }
}

#[track_caller]
fn parse<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_str(&json.to_string()).expect("it decodes")
}

#[track_caller]
fn written(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("it encodes")
}

/// Calls `change` on each object in a JSON, the innermost first.
fn each_object(json: &mut Value, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    match json {
        Value::Object(fields) => {
            fields
                .values_mut()
                .for_each(|value| each_object(value, change));
            change(fields);
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|value| each_object(value, change)),
        _ => {}
    }
}

fn response_types() -> Vec<(&'static str, Trip, Vec<Value>, Value)> {
    let wire = wire();
    ANSWERS
        .iter()
        .map(|(name, trip)| {
            let fields = fields(wire, name);
            let full = object(wire, &fields, 0);
            (*name, *trip, fields, full)
        })
        .collect()
}

fn bodies() -> Vec<(&'static str, Trip, Vec<Value>, Value)> {
    let wire = wire();
    BODIES
        .iter()
        .map(|(name, trip)| {
            let fields = body_fields(wire, name);
            let full = object(wire, &fields, 0);
            (*name, *trip, fields, full)
        })
        .collect()
}

#[test]
fn every_type_and_every_body_of_the_wire_has_its_row() {
    let wire = wire();
    let declared: BTreeSet<&str> = wire["types"]
        .as_object()
        .expect("types")
        .keys()
        .map(String::as_str)
        .collect();
    let ours: BTreeSet<&str> = ANSWERS
        .iter()
        .map(|row| row.0)
        .chain(NO_DATA.iter().copied())
        .collect();
    assert_eq!(declared, ours);

    let mut declared: BTreeSet<&str> = list(&wire["operations"])
        .iter()
        .filter(|operation| !list(&operation["body"]).is_empty())
        .map(|operation| text(operation, "python"))
        .collect();
    declared.extend(
        wire["input_types"]
            .as_object()
            .expect("input types")
            .keys()
            .map(String::as_str),
    );
    let ours: BTreeSet<&str> = BODIES
        .iter()
        .map(|row| row.0)
        .chain(ARGUMENTS.iter().copied())
        .collect();
    let no_row: Vec<_> = declared.difference(&ours).collect();
    assert!(no_row.is_empty(), "no row in this file for {no_row:?}");
    assert_eq!(declared, ours);
}

#[test]
fn each_type_round_trips() {
    for (name, trip, _, full) in response_types() {
        comes_back(name, trip, &full);
    }
}

#[test]
fn each_declared_field_is_a_field_here() {
    for (name, trip, _, mut full) in response_types().into_iter().chain(bodies()) {
        // Python's name of the guide's film, which the wire does not have.
        each_object(&mut full, &mut |fields| {
            fields.remove("youtube_url");
        });
        let (_, printed) = trip(&full).expect(name);
        assert!(!printed.contains("extra: {\""), "{name}: {printed}");
    }
}

#[test]
fn unknown_fields_are_kept_at_every_depth() {
    for (name, trip, _, full) in response_types() {
        let mut grown = full.clone();
        each_object(&mut grown, &mut |fields| {
            fields.insert(
                "field_of_tomorrow".to_owned(),
                json!({"deep": [null, 1.5, "x"]}),
            );
        });
        assert_ne!(grown, full);
        comes_back(name, trip, &grown);
    }
    let detail: AgentDetail = parse(json!({
        "id": "agt_1", "tomorrow": 1, "integrations": [{"id": "int_1", "tomorrow": [2]}],
    }));
    assert_eq!(detail.extra["tomorrow"], 1);
    assert_eq!(detail.integrations[0].extra["tomorrow"], json!([2]));
    assert!(format!("{detail:?}").contains("tomorrow"));
}

#[test]
fn unknown_enum_values_are_kept() {
    let mut seen = 0;
    for (name, trip, fields, full) in response_types() {
        for field in fields.iter().filter(|field| field["enum"].is_array()) {
            let mut grown = full.clone();
            grown[text(field, "name")] = json!("value_of_tomorrow");
            comes_back(name, trip, &grown);
            for known in list(&field["enum"]) {
                grown[text(field, "name")] = known.clone();
                comes_back(name, trip, &grown);
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 19, "fields with an enum");
}

#[test]
fn null_and_absent_round_trip() {
    for (name, trip, fields, full) in response_types() {
        let mut bare = full.clone();
        for field in &fields {
            let key = text(field, "name");
            let must_be = key == "id" && !flag(field, "nullable");
            let mut null = full.clone();
            null[key] = Value::Null;
            let mut absent = full.clone();
            absent.as_object_mut().expect("an object").remove(key);
            if must_be {
                assert!(trip(&null).is_err(), "{name} takes null for its id");
                let error = trip(&absent).expect_err(name);
                assert!(error.contains("missing field `id`"), "{name}: {error}");
            } else {
                // What is documented as required may be missing all the same.
                comes_back(name, trip, &null);
                comes_back(name, trip, &absent);
                bare[key] = Value::Null;
            }
        }
        comes_back(name, trip, &bare);
        let id_only = match full.get("id") {
            Some(id) => json!({ "id": id }),
            None => json!({}),
        };
        comes_back(name, trip, &id_only);
    }
}

#[test]
fn integers_may_arrive_as_fractions() {
    let mut seen = 0;
    for (name, trip, fields, full) in response_types() {
        for field in fields.iter().filter(|field| field["type"] == "integer") {
            let key = text(field, "name");
            let mut number = full.clone();
            number[key] = json!(12.0);
            comes_back(name, trip, &number);
            if matches!(key, "duration_seconds" | "setup_time") {
                number[key] = json!(12.5);
                comes_back(name, trip, &number);
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 19, "fields with a number");

    let call: Call = parse(json!({"id": "call_1", "duration_seconds": 12.5}));
    assert_eq!(call.duration_seconds, Some(12.5));
    let ticket: StreamTicket = parse(json!({"ticket": "t", "expires_in": 60.0}));
    assert_eq!(ticket.expires_in, 60);
    let agent: Agent = parse(json!({"id": 17}));
    assert_eq!(agent.id, "17");
}

#[test]
fn missing_fields_decode_to_their_empty_value() {
    let agent: AgentDetail = parse(json!({"id": "agt_1", "name": null, "status": null}));
    assert_eq!((agent.name.as_str(), agent.created_at.as_str()), ("", ""));
    assert_eq!(agent.status, None);
    assert!(agent.knowledge_bases.is_empty() && agent.rules.is_none());
    let code: AgentTestCode = parse(json!({"code": "ABC"}));
    assert!(!code.channels.whatsapp.is_enabled);
}

#[test]
fn a_changed_field_is_always_written() {
    let mut workflow: Workflow = parse(json!({"id": "wf_1", "category": null, "tags": ["old"]}));
    workflow.name = "New".to_owned();
    workflow.category = Some("Food".to_owned());
    workflow.tags = None;
    let expected = json!({"id": "wf_1", "name": "New", "category": "Food", "tags": null});
    assert_eq!(written(&workflow), expected);
}

#[test]
fn documented_examples_round_trip() {
    let wire = wire();
    let examples = list(&wire["examples"]);
    assert_eq!(examples.len(), 20);
    for example in examples {
        let name = text(example, "name");
        let body = &example["body"];
        let (trip, data): (Trip, &Value) = match name {
            "list meta" => (trip::<PaginationMeta>, &body["meta"]),
            "delete" => (trip::<()>, &body["data"]),
            "agents.create" => (trip::<AgentCreateResponse>, &body["data"]),
            "agent test code" => (trip::<AgentTestCode>, &body["data"]),
            "bimpeai.configure google" | "bimpeai.configure stripe" => {
                (trip::<BimpeaiConfigureResult>, &body["data"])
            }
            "stream ticket" => (trip::<StreamTicket>, &body["data"]),
            "stream frames" => {
                let mut data = text(example, "text").lines().filter_map(|line| {
                    line.strip_prefix("data: ")
                        .map(|data| data.parse().expect("JSON"))
                });
                comes_back(
                    name,
                    trip::<StreamMessageEvent>,
                    &data.next().expect("a message"),
                );
                comes_back(
                    name,
                    trip::<StreamHeartbeatEvent>,
                    &data.next().expect("a heartbeat"),
                );
                continue;
            }
            "conversations.send reply" => (trip::<Message>, &body["data"]),
            "calls.make" => (trip::<MakeCallResult>, &body["data"]),
            "call list item" => (trip::<Call>, body),
            "phone number list" => (trip::<Vec<PhoneNumber>>, &body["data"]),
            "pipedream list item" => (trip::<PipedreamIntegration>, body),
            error if error.starts_with("error ") => continue,
            _ => panic!("no type for the example {name:?}"),
        };
        comes_back(name, trip, data);
    }
}

#[test]
fn junk_among_rules_flows_and_faq_is_skipped() {
    let junk = [
        json!([]),
        json!(null),
        json!("x"),
        json!(1),
        json!({"name": {"no": "text"}}),
    ];
    let with_junk = |good: Value| {
        let mut items = junk.to_vec();
        items.insert(2, good);
        Value::Array(items)
    };
    let flow = json!({
        "name": "Order",
        "trigger_keywords": with_junk(json!({"keyword": "menu"})),
        "conversation_steps": with_junk(json!({"type": "action", "action": "book"})),
    });
    let mut flow_with_junk = junk.to_vec();
    flow_with_junk.push(flow);
    let workflow: Workflow = parse(json!({
        "id": "wf_1",
        "name": "Restaurant",
        "rules": with_junk(json!({"id": "r1", "enabled": true})),
        "flows": flow_with_junk,
        "faq": [[], {"question": "Open?", "answer": "Daily."}, 7],
        "tags": ["food"],
    }));
    assert_eq!(workflow.name, "Restaurant");
    assert_eq!(workflow.tags.as_deref(), Some(&["food".to_owned()][..]));
    assert_eq!(workflow.rules.len(), 1);
    assert!(workflow.rules[0].enabled);
    assert_eq!(workflow.flows.len(), 1);
    let flow = &workflow.flows[0];
    let keywords: Vec<&str> = flow
        .trigger_keywords
        .iter()
        .map(|k| k.keyword.as_str())
        .collect();
    assert!(keywords.contains(&"menu"), "{keywords:?}");
    assert!(
        flow.conversation_steps
            .iter()
            .any(|step| step.action.as_deref() == Some("book"))
    );
    assert_eq!(workflow.faq.as_ref().map(Vec::len), Some(1));

    // A whole list that is none does not spoil the rest either.
    let workflow: Workflow = parse(json!({"id": "wf_1", "rules": "none", "flows": {}, "faq": 0}));
    assert!(workflow.rules.is_empty() && workflow.flows.is_empty());
    let agent: Agent = parse(json!({"id": "agt_1", "rules": [[], {"id": "r1"}]}));
    assert_eq!(agent.rules.map(|rules| rules.len()), Some(1));
}

#[test]
fn the_video_of_a_guide_is_renamed_from_camel_case() {
    let json = json!({"youtubeUrl": "https://youtu.be/1", "steps": ["Open", "Close"]});
    let guide: WorkflowGuide = parse(json.clone());
    assert_eq!(guide.youtube_url.as_deref(), Some("https://youtu.be/1"));
    assert_eq!(written(&WorkflowGuideInput::from(guide)), json);
    let guide = WorkflowGuideInput::new(["Open", "Close"]).youtube_url("https://youtu.be/1");
    assert_eq!(written(&guide), json);
}

#[test]
fn setup_steps_keep_every_form() {
    let steps = json!([
        "Plain",
        {"title": "Title", "description": "Text", "icon": "x"},
        {"title": "Only a title"},
        {"title": 7},
        ["a list"],
        null,
        3.5,
    ]);
    let workflow: Workflow = parse(json!({"id": "wf_1", "setup_steps": steps}));
    let [text, detail, title, odd, ..] = &workflow.setup_steps[..] else {
        panic!("{:?}", workflow.setup_steps);
    };
    assert_eq!(text, &SetupStep::from("Plain"));
    let SetupStep::Detail(detail) = detail else {
        panic!("{detail:?}");
    };
    assert_eq!(
        (detail.title.as_str(), detail.description.as_str()),
        ("Title", "Text")
    );
    assert_eq!(detail.extra["icon"], "x");
    assert!(matches!(title, SetupStep::Detail(_)));
    assert!(matches!(odd, SetupStep::Other(_)));
    assert_eq!(written(&workflow)["setup_steps"], steps);

    let body = CreateWorkflow::new("x").setup_steps([
        SetupStep::from("Plain"),
        SetupStep::from(SetupStepDetail::new("Title", "Text")),
    ]);
    let expected = json!(["Plain", {"title": "Title", "description": "Text"}]);
    assert_eq!(written(&body)["setup_steps"], expected);
}

#[test]
fn both_responses_of_bimpeai_configure_are_distinguished() {
    let google: BimpeaiConfigureResult = parse(json!({"onboarding_url": "https://a.example/1"}));
    assert_eq!(google.onboarding_url(), Some("https://a.example/1"));
    let stripe: BimpeaiConfigureResult = parse(json!({"success": true, "channel_id": "ch_1"}));
    assert_eq!(stripe.onboarding_url(), None);
    let BimpeaiConfigureResult::Connected(connected) = stripe else {
        panic!("{stripe:?}");
    };
    assert!(connected.success && connected.channel_id == "ch_1");
    for odd in [
        json!({}),
        json!("x"),
        json!(null),
        json!({"success": "yes"}),
        json!([1]),
    ] {
        comes_back(
            "BimpeaiConfigureResult",
            trip::<BimpeaiConfigureResult>,
            &odd,
        );
        assert!(matches!(parse(odd), BimpeaiConfigureResult::Other(_)));
    }
    let grown = json!({"onboarding_url": "u", "tomorrow": 1});
    comes_back(
        "BimpeaiConfigureResult",
        trip::<BimpeaiConfigureResult>,
        &grown,
    );
}

#[test]
fn each_request_body_round_trips_through_a_file() {
    for (name, trip, _, full) in bodies() {
        comes_back(name, trip, &full);
    }
}

#[test]
fn only_fields_that_both_generations_require_are_required() {
    for (name, trip, fields, full) in bodies() {
        let mut least = full.clone();
        for field in &fields {
            let key = text(field, "name");
            let without = |json: &Value| {
                let mut json = json.clone();
                json.as_object_mut().expect("an object").remove(key);
                json
            };
            if flag(field, "required") {
                let error = trip(&without(&full)).expect_err(name);
                assert!(
                    error.contains(&format!("missing field `{key}`")),
                    "{name}: {error}"
                );
            } else {
                comes_back(name, trip, &without(&full));
                least = without(&least);
            }
        }
        comes_back(name, trip, &least);
    }
}

#[test]
fn null_in_a_request_body_is_sent_where_the_api_accepts_it() {
    let mut seen = 0;
    for (name, trip, fields, full) in bodies() {
        for field in fields.iter().filter(|field| flag(field, "nullable")) {
            let mut null = full.clone();
            null[text(field, "name")] = Value::Null;
            comes_back(name, trip, &null);
            seen += 1;
        }
    }
    assert!(seen >= 30, "{seen} nullable fields");
}

#[test]
fn unknown_fields_of_a_request_body_are_refused_by_name() {
    for (name, trip, _, full) in bodies() {
        let mut wrong = full.clone();
        wrong["wrokflow_id"] = json!("wf_1");
        if name == "FlowInput" {
            comes_back(name, trip, &wrong);
        } else {
            let error = trip(&wrong).expect_err(name);
            assert!(
                error.contains("unknown field `wrokflow_id`"),
                "{name}: {error}"
            );
        }
    }
    let nested = json!({"name": "x", "rules": [{"id": "r", "name": "n", "trigger": "t",
        "response": "r", "enabled": true, "enabeld": false}]});
    let error = trip::<CreateWorkflow>(&nested).expect_err("a nested slip");
    assert!(error.contains("unknown field `enabeld`"), "{error}");
}

#[test]
fn absent_null_and_set_differ_on_the_wire() {
    let body = UpdateAgent::new();
    assert_eq!(written(&body), json!({}));
    let body = body.description("d").clear_logo().clear_rules();
    assert_eq!(
        written(&body),
        json!({"description": "d", "logo": null, "rules": null})
    );
    let body = body
        .clear_description()
        .logo("")
        .rules(Vec::<RuleInput>::new());
    assert_eq!(
        written(&body),
        json!({"description": null, "logo": "", "rules": []})
    );
    assert_eq!(body.logo, Patch::Set(String::new()));

    let rule = RuleInput::new("r", "n", "t", "a", false).clear_action();
    let expected = json!({"id": "r", "name": "n", "trigger": "t", "response": "a",
        "enabled": false, "action": null});
    assert_eq!(written(&rule), expected);
    let number = UpdatePhoneNumber::new();
    assert_eq!(written(&number), json!({}));
    assert_eq!(
        written(&number.clone().clear_agent_id()),
        json!({"agent_id": null})
    );
    assert_eq!(
        written(&number.agent_id("agt_1")),
        json!({"agent_id": "agt_1"})
    );
}

#[test]
fn bodies_are_written_by_their_setters() {
    let created = CreateAgent::new("Table booking")
        .workflow_id("wf_1")
        .agent_workflow_id("wf_1")
        .system_prompt("Book tables.")
        .persona("concise")
        .rules([RuleInput::new("r", "n", "t", "a", true).condition("after six")]);
    let expected = json!({
        "name": "Table booking", "workflow_id": "wf_1", "agent_workflow_id": "wf_1",
        "system_prompt": "Book tables.", "persona": "concise",
        "rules": [{"id": "r", "name": "n", "trigger": "t", "response": "a", "enabled": true,
            "condition": "after six"}],
    });
    assert_eq!(written(&created), expected);

    let text = CreateKnowledgeBase::text("Menu", "Pizza £12.").description("Food");
    let expected = json!({"type": "text", "name": "Menu", "content": "Pizza £12.",
        "description": "Food"});
    assert_eq!(written(&text), expected);
    let page = CreateKnowledgeBase::url("Hours", "https://a.example");
    let expected = json!({"type": "url", "name": "Hours", "url": "https://a.example"});
    assert_eq!(written(&page), expected);

    let stripe = BimpeaiConfigure::stripe("pk", "sk", "USD");
    let expected = json!({"type": "stripe", "public_key": "pk", "secret_key": "sk",
        "currency": "USD"});
    assert_eq!(written(&stripe), expected);
    assert_eq!(
        written(&BimpeaiConfigure::bumpa("t")),
        json!({"type": "bumpa", "token": "t"})
    );
    assert_eq!(
        written(&BimpeaiConfigure::google_sheets()),
        json!({"type": "google_sheets"})
    );

    let flow = FlowInput::new("Order")
        .priority(9)
        .is_active(false)
        .trigger_keywords(["menu"])
        .conversation_steps([FlowStepInput::new("text_response").content("Hello")])
        .extra("nodes", json!([1]));
    let expected = json!({"name": "Order", "priority": 9, "is_active": false, "nodes": [1],
        "trigger_keywords": [{"keyword": "menu"}],
        "conversation_steps": [{"type": "text_response", "content": "Hello"}]});
    assert_eq!(written(&flow), expected);

    let sent = SendMessage::new("Hi")
        .role("assistant")
        .attachments([MessageAttachment::new("image", "https://a.example/1.png")]);
    let expected = json!({"message": "Hi", "role": "assistant",
        "attachments": [{"type": "image", "url": "https://a.example/1.png"}]});
    assert_eq!(written(&sent), expected);

    let sent = CreateConversationMessage::new("Hi")
        .channel_type(ChannelType::Webchat)
        .channel_user_id("u")
        .is_test_channel(false);
    let expected = json!({"message": "Hi", "channel_type": "webchat", "channel_user_id": "u",
        "is_test_channel": false});
    assert_eq!(written(&sent), expected);

    let request = CreatePhoneNumberRequest::new("b", "u", PhoneNumberRegion::Uk, 2, 0);
    let expected = json!({"business_name": "b", "intended_use": "u", "region": "uk",
        "agent_count": 2, "outbound_minutes": 0});
    assert_eq!(written(&request), expected);

    let items = ParameterDefinition::new("n", ParameterType::Integer, "a number");
    let parameter = ParameterDefinition::new("ns", "array", "numbers")
        .items(items)
        .required(true);
    let expected = json!({"name": "ns", "type": "array", "description": "numbers",
        "required": true,
        "items": {"name": "n", "type": "integer", "description": "a number"}});
    assert_eq!(written(&parameter), expected);
}

#[test]
fn decoded_values_can_be_encoded() {
    let wire = wire();
    let full: Workflow = parse(object(wire, &fields(wire, "Workflow"), 0));
    let again = written(&full);
    let update = UpdateWorkflow::new()
        .rules(full.rules)
        .flows(full.flows)
        .faq(full.faq.unwrap_or_default())
        .guide(full.guide.expect("a guide"))
        .setup_steps(full.setup_steps);
    let update = written(&update);
    for key in ["rules", "flows", "faq", "setup_steps"] {
        assert_eq!(update[key], again[key], "{key}");
    }
    assert_eq!(update["guide"]["youtubeUrl"], again["guide"]["youtubeUrl"]);

    let old: Flow = parse(json!({"name": "free", "nodes": [{"x": 1.5}], "description": null}));
    assert_eq!(
        written(&FlowInput::from(old)),
        json!({"name": "free", "nodes": [{"x": 1.5}]})
    );
    let bare: Rule = parse(json!({"id": "r", "condition": null}));
    assert_eq!(RuleInput::from(bare).condition, Patch::Absent);
}

#[test]
fn secrets_are_written_and_not_printed() {
    const SECRET: &str = "s3cr3t";

    #[track_caller]
    fn silent<T: Debug + Serialize>(value: &T) {
        let printed = format!("{value:?} {value:#?}");
        assert!(!printed.contains(SECRET), "{printed}");
        assert!(written(value).to_string().contains(SECRET));
    }

    silent(&parse::<StreamTicket>(
        json!({"ticket": SECRET, "expires_in": 60}),
    ));
    silent(&BimpeaiConfigure::bumpa(SECRET));
    silent(&BimpeaiConfigure::paystack("pk", SECRET, "NGN"));
    let config = IntegrationAuthConfig::new()
        .token(SECRET)
        .api_key(SECRET)
        .password(SECRET);
    silent(&config);
    silent(&McpServerConfigure::new("n", "https://a.example").auth_config(config.clone()));
    silent(&CustomApiConfigure::new("n").auth_config(config.clone()));
    let tool = CustomApiCreateTool::new("n", ToolHttpMethod::Post, "/x");
    silent(&tool.clone().auth_config(config));
    silent(&tool.clone().auth_config(json!({"token": SECRET})));
    silent(&tool.clone().headers_template(json!({"X-Api-Key": SECRET})));
    silent(&tool.body_template(json!({"deep": [{"key": SECRET}]})));
}

#[test]
fn an_enum_lists_its_known_values() {
    let refused = "voice"
        .parse::<ConversationChannel>()
        .expect_err("voice is not a channel");
    let mut known = refused.known().to_vec();
    let message = refused.to_string();
    assert!(message.contains("\"voice\" is not a channel"), "{message}");
    for value in &known {
        assert!(message.contains(value), "{message}");
        let channel: ConversationChannel = value.parse().expect("a known value");
        assert_eq!(channel.as_str(), *value);
        assert!(!matches!(channel, ConversationChannel::Other(_)));
    }
    known.sort_unstable();
    let mut expected: Vec<String> = ["whatsapp", "messenger", "instagram", "webchat", "telephony"]
        .iter()
        .flat_map(|channel| [(*channel).to_owned(), format!("test_{channel}")])
        .collect();
    expected.sort_unstable();
    assert_eq!(known, expected);
    assert_eq!(ConversationChannel::from("voice").to_string(), "voice");
    assert!("Owned".parse::<WorkflowScope>().is_err());
}

#[test]
fn each_enum_knows_the_values_of_the_wire() {
    /// Whether a value is one that the type of this field knows.
    fn knows(name: &str, field: &str, value: &str) -> bool {
        use bimpeai::calls::{CallStatus, MakeCallStatus};
        use bimpeai::conversations::MessageRole;
        use bimpeai::workflows::{KeywordWeight, WorkflowVisibility};
        match (name, field) {
            (_, "persona") => value.parse::<AgentPersona>().is_ok(),
            ("Call" | "CallDetail" | "client.calls.list", "status") => {
                value.parse::<CallStatus>().is_ok()
            }
            ("MakeCallResult", "status") => value.parse::<MakeCallStatus>().is_ok(),
            (_, "status") => value.parse::<AgentLiveStatusValue>().is_ok(),
            ("BimpeaiIntegration" | "client.agents.integrations.bimpeai.configure", "type") => {
                value.parse::<BimpeaiIntegrationType>().is_ok()
            }
            ("ParameterDefinition", "type") => value.parse::<ParameterType>().is_ok(),
            (_, "type") => value.parse::<KnowledgeBaseType>().is_ok(),
            (_, "role") => value.parse::<MessageRole>().is_ok(),
            (_, "visibility") => value.parse::<WorkflowVisibility>().is_ok(),
            (_, "weight") => value.parse::<KeywordWeight>().is_ok(),
            (_, "transport") => value.parse::<McpServerTransport>().is_ok(),
            (_, "auth_type") => value.parse::<IntegrationAuthType>().is_ok(),
            (_, "http_method") => value.parse::<ToolHttpMethod>().is_ok(),
            (_, "region") => value.parse::<PhoneNumberRegion>().is_ok(),
            (_, "channel_type") => value.parse::<ChannelType>().is_ok(),
            (_, "channel") => value.parse::<ConversationChannel>().is_ok(),
            (_, "scope") => value.parse::<WorkflowScope>().is_ok(),
            _ => panic!("no enum for {field} of {name}"),
        }
    }

    let wire = wire();
    let mut declared: Vec<(&str, &Value)> = Vec::new();
    for (name, answer) in wire["types"].as_object().expect("types") {
        declared.extend(
            list(&answer["fields"])
                .iter()
                .map(|field| (name.as_str(), field)),
        );
    }
    for (name, fields) in wire["input_types"].as_object().expect("input types") {
        declared.extend(list(fields).iter().map(|field| (name.as_str(), field)));
    }
    for operation in list(&wire["operations"]) {
        for part in ["query", "body", "body_0_1"] {
            let fields = list(&operation[part]).iter();
            declared.extend(fields.map(|field| (text(operation, "python"), field)));
        }
    }
    for (name, field) in declared {
        for part in ["enum", "enum_0_1"] {
            for value in list(&field[part]) {
                let value = value.as_str().expect("a text");
                assert!(
                    knows(name, text(field, "name"), value),
                    "{name} {field} {value}"
                );
            }
        }
    }
}

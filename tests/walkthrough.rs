//! The five steps of a workflow agent, from the first call to an interrupted stream, and typical
//! mistakes of a newcomer.

mod support;

use std::collections::HashSet;

use bimpeai::agents::{CreateAgent, CreateKnowledgeBase, UpdateAgent, UpdateKnowledgeBase};
use bimpeai::conversations::{ConversationChannel, MessageRole, SendMessage};
use bimpeai::emulator::Emulator;
use bimpeai::error::{ApiErrorKind, ErrorCode};
use bimpeai::workflows::WorkflowScope;
use bimpeai::{Client, Error};
use support::Server;

fn emulated(emulator: &Emulator) -> Client {
    emulator.client_builder().build().unwrap()
}

#[test]
fn the_public_library_is_found_filtered_and_paged() {
    let emulator = Emulator::start().unwrap();
    let client = emulated(&emulator);
    let public = client.workflows().list().scope(WorkflowScope::Public);
    let all: Vec<_> = public
        .clone()
        .limit(4)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(all.len() >= 10);
    let ids: HashSet<_> = all.iter().map(|workflow| &workflow.id).collect();
    assert_eq!(ids.len(), all.len());
    let sizes: Vec<_> = public
        .clone()
        .limit(4)
        .pages()
        .map(|page| page.unwrap().data.len())
        .collect();
    assert!(sizes.len() >= 3 && sizes[0] == 4, "{sizes:?}");
    let ahead: Vec<_> = public
        .clone()
        .limit(4)
        .prefetch()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(ahead, all);
    let first = public.limit(4).send().unwrap();
    assert!(first.has_next_page());
    let second = first.get_next_page().unwrap().unwrap();
    assert_eq!(second.data[0].id, all[4].id);
    let walked: Vec<_> = first
        .into_iter()
        .map(|workflow| workflow.unwrap().id)
        .collect();
    assert_eq!(walked.len(), all.len());
    let found = client
        .workflows()
        .list()
        .search("restaurant")
        .send()
        .unwrap();
    let one = client
        .workflows()
        .retrieve(&found.data[0].id)
        .send()
        .unwrap();
    assert_eq!(one.name, found.data[0].name);
    assert!(one.system_prompt.is_some_and(|prompt| !prompt.is_empty()));
}

#[test]
fn both_generations_create_an_agent_on_a_workflow() {
    let emulator = Emulator::start().unwrap();
    let client = emulated(&emulator);
    let workflow = &client
        .workflows()
        .list()
        .scope(WorkflowScope::Public)
        .send()
        .unwrap()
        .data[0];

    let first_generation = client
        .agents()
        .create(
            CreateAgent::new("Restaurant assistant")
                .system_prompt("You help customers.")
                .agent_workflow_id(&workflow.id),
        )
        .send()
        .unwrap();
    let flows = client
        .agents()
        .conversation_flows()
        .list(&first_generation.id)
        .send()
        .unwrap();
    assert_eq!(flows.len(), workflow.flows.len());

    let current = client
        .agents()
        .create(
            CreateAgent::new("Restaurant assistant")
                .description("Books tables.")
                .workflow_id(&workflow.id),
        )
        .send()
        .unwrap();
    let clone = current.workflow.as_ref().unwrap();
    assert_eq!(current.workflow_id.as_ref(), Some(&clone.id));
    assert_ne!(clone.id, workflow.id);
    assert_eq!(clone.extra["source_workflow_id"], *workflow.id);

    let renamed = client
        .agents()
        .update(&current.id, UpdateAgent::new().name("Maître d'hôtel"))
        .send()
        .unwrap();
    assert_eq!(renamed.name, "Maître d'hôtel");
    let detail = client.agents().retrieve(&current.id).send().unwrap();
    assert_eq!(detail.name, "Maître d'hôtel");
    client.agents().delete(&current.id).send().unwrap();
    let error = client.agents().retrieve(&current.id).send().unwrap_err();
    assert_eq!(error.status(), Some(404));
    assert_eq!(client.agents().list().into_iter().count(), 1);
}

#[test]
fn knowledge_is_created_changed_listed_and_deleted() {
    let emulator = Emulator::start().unwrap();
    let client = emulated(&emulator);
    let agent = client
        .agents()
        .create(CreateAgent::new("A"))
        .send()
        .unwrap();
    let knowledge_bases = client.agents().knowledge_bases();
    let menu = knowledge_bases
        .create(
            &agent.id,
            CreateKnowledgeBase::text("Menu", "Margherita £12."),
        )
        .send()
        .unwrap();
    let site = knowledge_bases
        .create(
            &agent.id,
            CreateKnowledgeBase::url("Site", "https://example.com/"),
        )
        .send()
        .unwrap();
    let update = UpdateKnowledgeBase::new().content("Margherita £13.");
    knowledge_bases
        .update(&agent.id, &menu.id, update)
        .send()
        .unwrap();
    let listed = knowledge_bases.list(&agent.id).send().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].content.as_deref(), Some("Margherita £13."));
    knowledge_bases.delete(&agent.id, &site.id).send().unwrap();
    assert_eq!(knowledge_bases.list(&agent.id).send().unwrap().len(), 1);
}

#[test]
fn two_runs_with_the_same_idempotency_key_create_one_agent() {
    let emulator = Emulator::start().unwrap();
    let run = || {
        emulated(&emulator)
            .agents()
            .create(CreateAgent::new("Restaurant assistant"))
            .idempotency_key("create-restaurant-agent-v1")
            .send_with_response()
            .unwrap()
    };
    let (first, second) = (run(), run());
    assert_eq!(first.data.id, second.data.id);
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(emulated(&emulator).agents().list().into_iter().count(), 1);
    let keys: Vec<_> = emulator
        .requests()
        .iter()
        .filter_map(|request| request.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!(keys, ["create-restaurant-agent-v1"; 2]);
}

#[test]
fn a_conversation_continues_after_a_cut_in_mid_event() {
    let emulator = Emulator::start().unwrap();
    let client = emulated(&emulator);
    let agent = client
        .agents()
        .create(CreateAgent::new("A"))
        .send()
        .unwrap();
    let knowledge = CreateKnowledgeBase::text("Menu", "Margherita pizza £12.");
    client
        .agents()
        .knowledge_bases()
        .create(&agent.id, knowledge)
        .send()
        .unwrap();
    let conversations: Vec<_> = client
        .conversations()
        .list(&agent.id)
        .channel(ConversationChannel::TestWebchat)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let [conversation] = &conversations[..] else {
        panic!("{conversations:?}");
    };
    let detail = client
        .conversations()
        .retrieve(&agent.id, &conversation.id)
        .send()
        .unwrap();
    assert!(detail.is_test_channel);

    let messages = client.conversations().messages();
    emulator.cut_stream_in_mid_event(1);
    let stream = messages.stream(&agent.id, &conversation.id).open().unwrap();
    let sender = std::thread::spawn({
        let (messages, agent, conversation) =
            (messages.clone(), agent.id.clone(), conversation.id.clone());
        move || {
            for n in 0..5 {
                let text = SendMessage::new(format!("How much is a Margherita, asked {n}?"));
                messages.send(&agent, &conversation, text).send().unwrap();
            }
        }
    });
    let mut received = Vec::new();
    let mut answers = 0;
    for message in stream {
        let message = message.unwrap();
        let text = message.message.unwrap_or_default();
        answers += usize::from(message.role == MessageRole::Assistant && text.contains("£12"));
        received.push(message.id);
        if answers == 5 {
            break;
        }
    }
    sender.join().unwrap();
    assert!(
        emulator.opened_streams() >= 2,
        "the stream was cut and opened again"
    );
    let different: HashSet<_> = received.iter().collect();
    assert_eq!(different.len(), received.len(), "no duplicates");
    let known: Vec<_> = messages
        .list(&agent.id, &conversation.id)
        .sort("created_at")
        .into_iter()
        .map(|message| message.unwrap().id)
        .collect();
    let start = known.iter().position(|id| *id == received[0]).unwrap();
    assert_eq!(
        known[start..start + received.len()],
        received,
        "no message was lost"
    );
    for request in emulator.requests() {
        let is_stream = request.path.ends_with("/stream");
        assert_eq!(
            request.header("authorization").is_none(),
            is_stream,
            "{request:?}"
        );
    }
}

#[test]
fn a_dropped_stream_leaves_nothing_open() {
    let emulator = Emulator::builder().customer_writes(false).start().unwrap();
    let client = emulated(&emulator);
    let agent = client
        .agents()
        .create(CreateAgent::new("A"))
        .send()
        .unwrap();
    let conversation = &client.conversations().list(&agent.id).send().unwrap().data[0];
    let mut stream = client
        .conversations()
        .messages()
        .stream(&agent.id, &conversation.id)
        .open()
        .unwrap();
    let nothing = stream.try_recv().unwrap();
    assert_eq!(nothing, bimpeai::stream::Received::Nothing);
    assert_eq!(emulator.open_streams(), 1);
    drop(stream);
    support::eventually("the stream is closed", || emulator.open_streams() == 0);
}

#[test]
fn each_kind_of_invalid_api_key_is_distinguished() {
    let emulator = Emulator::builder()
        .expired_key("sk_expired")
        .scoped_key("sk_reader", ["agents:read"])
        .start()
        .unwrap();
    let with = |key: &str| {
        let client = Client::builder(key)
            .base_url(emulator.base_url())
            .build()
            .unwrap();
        client
            .agents()
            .create(CreateAgent::new("A"))
            .send()
            .unwrap_err()
    };
    for (key, status, code, advice) in [
        (
            "sk_wrong",
            401,
            ErrorCode::ApiKeyInvalid,
            "check the key, usually in BIMPEAI_API_KEY",
        ),
        (
            "sk_expired",
            401,
            ErrorCode::ApiKeyExpired,
            "create a new key in the console",
        ),
        (
            "sk_reader",
            403,
            ErrorCode::InsufficientScope,
            "agents:write",
        ),
    ] {
        let error = with(key);
        let line = error.to_string();
        let Error::Api(error) = error else {
            panic!("{line}")
        };
        assert_eq!((error.status(), error.code()), (status, Some(&code)));
        assert!(
            line.starts_with(&format!("POST /agents: {status} {code}: ")),
            "{line}"
        );
        assert!(line.contains(advice), "{line}");
        assert!(!line.contains(key), "{line}");
        assert!(!emulator.requests().is_empty());
    }
    for code in ["unauthorized", "api_key_missing"] {
        let server = Server::responding(move |connection, _, _| {
            let body = format!(r#"{{"message":"No.","code":"{code}","statusCode":401}}"#);
            connection.respond(401, &[], body);
        });
        let error = server.client().agents().list().send().unwrap_err();
        let Error::Api(api) = &error else {
            panic!("{error}")
        };
        assert_eq!(api.kind(), &ApiErrorKind::Authentication);
        assert_eq!(api.code().unwrap().as_str(), code);
        assert!(error.to_string().contains("check the key"), "{error}");
        assert_eq!(server.requests().len(), 1, "no retry mends a key");
    }
}

#[test]
fn invalid_ids_are_refused_before_sending() {
    let emulator = Emulator::start().unwrap();
    let client = emulated(&emulator);
    for (id, says) in [
        ("", "kb_id is empty"),
        ("..", "kb_id is \"..\""),
        (".", "kb_id is \".\""),
    ] {
        let error = client
            .agents()
            .knowledge_bases()
            .delete("agt_1", id)
            .send()
            .unwrap_err();
        assert!(matches!(error, Error::User(_)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(
            error
                .operation()
                .unwrap()
                .starts_with("DELETE /agents/agt_1/knowledge_bases/")
        );
        assert!(!error.may_have_been_sent());
    }
    assert!(emulator.requests().is_empty());
}

#[test]
fn an_unknown_agent_error_says_what_to_check() {
    let emulator = Emulator::start().unwrap();
    let error = emulated(&emulator)
        .agents()
        .retrieve("agt_typo")
        .send()
        .unwrap_err();
    let line = error.to_string();
    assert!(
        line.starts_with("GET /agents/agt_typo: 404 not_found: "),
        "{line}"
    );
    assert!(line.contains("check the ids"), "{line}");
    assert!(line.contains(error.request_id().unwrap()), "{line}");
    assert_eq!(format!("{error:?}"), line);
}

#[test]
fn responses_from_another_server_are_reported() {
    for (status, headers, body, says) in [
        (
            200,
            &["Content-Type: text/html"][..],
            "<html>Welcome</html>",
            "an HTML page, not JSON",
        ),
        (204, &[], "", "empty response body; expected `data`"),
        (
            200,
            &[],
            r#"{"message":"Success","data":null}"#,
            "`data` is missing or null",
        ),
        (
            200,
            &[],
            r#"{"message":"Success","data":{"name":"x"}}"#,
            "missing field `id` at data",
        ),
        (
            502,
            &["Content-Type: text/html"],
            "<html>Bad</html>",
            "Bad Gateway (an HTML page",
        ),
    ] {
        let server = Server::responding(move |connection, _, _| {
            connection.respond(status, headers, body);
        });
        let client = server.builder().max_retries(0).build().unwrap();
        let error = client.agents().retrieve("agt_1").send().unwrap_err();
        let line = error.to_string();
        assert!(line.contains(says), "{line}");
        assert_eq!(error.status(), Some(status));
        assert!(error.may_have_been_sent());
    }
}

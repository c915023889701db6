//! Ids are data: whatever is in one, it is one segment of the intended path, or nothing is sent.

#[path = "../../support/mod.rs"]
mod support;

use bimpeai::agents::{
    BimpeaiConfigure, CustomApiConfigure, CustomApiCreateTool, McpServerConfigure,
    PipedreamConfigure, UpdateLiveStatus,
};
use bimpeai::agents::{CreateKnowledgeBase, UpdateAgent, UpdateKnowledgeBase};
use bimpeai::calls::MakeCall;
use bimpeai::conversations::{CreateConversationMessage, SendMessage};
use bimpeai::phone_numbers::UpdatePhoneNumber;
use bimpeai::workflows::UpdateWorkflow;
use bimpeai::{Client, Error};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::Server;

type Send = Box<dyn Fn(&Client, &[&str]) -> Result<(), Error>>;

/// Every operation with an id in its path: its method, its route (`{}` is an id), and the call.
fn operations() -> Vec<(&'static str, &'static str, Send)> {
    macro_rules! operations {
        ($($method:literal $route:literal, |$client:ident, $ids:ident| $call:expr;)*) => {
            vec![$( (
                $method,
                $route,
                Box::new(|$client: &Client, $ids: &[&str]| ignore($call.send())) as Send,
            ), )*]
        };
    }
    let mut operations: Vec<(&str, &str, Send)> = operations! {
        "GET" "/agents/{}", |c, i| c.agents().retrieve(i[0]);
        "PATCH" "/agents/{}", |c, i| c.agents().update(i[0], UpdateAgent::new());
        "DELETE" "/agents/{}", |c, i| c.agents().delete(i[0]);
        "PATCH" "/agents/{}/live-status",
            |c, i| c.agents().update_live_status(i[0], UpdateLiveStatus::new("live"));
        "GET" "/agents/{}/deployment/agent-test-code", |c, i| c.agents().get_test_code(i[0]);
        "GET" "/agents/{}/knowledge_bases", |c, i| c.agents().knowledge_bases().list(i[0]);
        "POST" "/agents/{}/knowledge_bases",
            |c, i| c.agents().knowledge_bases().create(i[0], CreateKnowledgeBase::text("n", "c"));
        "PATCH" "/agents/{}/knowledge_bases/{}", |c, i| c.agents().knowledge_bases()
            .update(i[0], i[1], UpdateKnowledgeBase::new());
        "DELETE" "/agents/{}/knowledge_bases/{}",
            |c, i| c.agents().knowledge_bases().delete(i[0], i[1]);
        "GET" "/agents/{}/integrations", |c, i| c.agents().integrations().list(i[0]);
        "GET" "/agents/{}/channels", |c, i| c.agents().channels().list(i[0]);
        "GET" "/agents/{}/conversation_flows",
            |c, i| c.agents().conversation_flows().list(i[0]);
        "GET" "/agents/{}/actions", |c, i| c.agents().actions().list(i[0]);
        "POST" "/agents/{}/actions/enable", |c, i| c.agents().actions().enable(i[0], ["a"]);
        "POST" "/agents/{}/actions/disable", |c, i| c.agents().actions().disable(i[0], ["a"]);
        "GET" "/agents/{}/integrations/bimpeai",
            |c, i| c.agents().integrations().bimpeai().list(i[0]);
        "POST" "/agents/{}/integrations/bimpeai/configure", |c, i| c.agents().integrations()
            .bimpeai().configure(i[0], BimpeaiConfigure::bumpa("t"));
        "DELETE" "/agents/{}/integrations/bimpeai/{}",
            |c, i| c.agents().integrations().bimpeai().disconnect(i[0], i[1]);
        "GET" "/agents/{}/integrations/pipedream",
            |c, i| c.agents().integrations().pipedream().list(i[0]);
        "POST" "/agents/{}/integrations/pipedream/configure", |c, i| c.agents().integrations()
            .pipedream().configure(i[0], PipedreamConfigure::new("slack"));
        "DELETE" "/agents/{}/integrations/pipedream/{}",
            |c, i| c.agents().integrations().pipedream().disconnect(i[0], i[1]);
        "GET" "/agents/{}/integrations/mcp_server",
            |c, i| c.agents().integrations().mcp_server().list(i[0]);
        "POST" "/agents/{}/integrations/mcp_server/configure", |c, i| c.agents().integrations()
            .mcp_server().configure(i[0], McpServerConfigure::new("n", "https://x"));
        "POST" "/agents/{}/integrations/mcp_server/{}/test",
            |c, i| c.agents().integrations().mcp_server().test(i[0], i[1]);
        "POST" "/agents/{}/integrations/mcp_server/{}/discover",
            |c, i| c.agents().integrations().mcp_server().discover(i[0], i[1]);
        "DELETE" "/agents/{}/integrations/mcp_server/{}",
            |c, i| c.agents().integrations().mcp_server().disconnect(i[0], i[1]);
        "GET" "/agents/{}/integrations/mcp_server/{}/tools",
            |c, i| c.agents().integrations().mcp_server().tools().list(i[0], i[1]);
        "GET" "/agents/{}/integrations/custom_api",
            |c, i| c.agents().integrations().custom_api().list(i[0]);
        "POST" "/agents/{}/integrations/custom_api/configure", |c, i| c.agents().integrations()
            .custom_api().configure(i[0], CustomApiConfigure::new("n"));
        "DELETE" "/agents/{}/integrations/custom_api/{}",
            |c, i| c.agents().integrations().custom_api().disconnect(i[0], i[1]);
        "GET" "/agents/{}/integrations/custom_api/{}/tools",
            |c, i| c.agents().integrations().custom_api().tools().list(i[0], i[1]);
        "POST" "/agents/{}/integrations/custom_api/{}/tools", |c, i| c.agents().integrations()
            .custom_api().tools()
            .add(i[0], i[1], CustomApiCreateTool::new("n", "GET", "https://x"));
        "DELETE" "/agents/{}/integrations/custom_api/{}/tools/{}",
            |c, i| c.agents().integrations().custom_api().tools().delete(i[0], i[1], i[2]);
        "GET" "/workflows/{}", |c, i| c.workflows().retrieve(i[0]);
        "PATCH" "/workflows/{}", |c, i| c.workflows().update(i[0], UpdateWorkflow::new());
        "DELETE" "/workflows/{}", |c, i| c.workflows().delete(i[0]);
        "GET" "/agents/{}/conversations", |c, i| c.conversations().list(i[0]);
        "GET" "/agents/{}/conversations/{}", |c, i| c.conversations().retrieve(i[0], i[1]);
        "PATCH" "/agents/{}/conversations/{}/ai-status",
            |c, i| c.conversations().set_ai_status(i[0], i[1], true);
        "GET" "/agents/{}/conversations/{}/messages",
            |c, i| c.conversations().messages().list(i[0], i[1]);
        "POST" "/agents/{}/conversations/{}/messages",
            |c, i| c.conversations().messages().send(i[0], i[1], SendMessage::new("m"));
        "GET" "/agents/{}/conversations/{}/messages/{}",
            |c, i| c.conversations().messages().retrieve(i[0], i[1], i[2]);
        "POST" "/agents/{}/conversations/{}/stream-ticket",
            |c, i| c.conversations().messages().stream_ticket(i[0], i[1]);
        "POST" "/agents/{}/conversations/messages", |c, i| c.conversations()
            .send(i[0], CreateConversationMessage::new("m"));
        "GET" "/agents/{}/calls", |c, i| c.calls().list(i[0]);
        "POST" "/agents/{}/calls", |c, i| c.calls().make(i[0], MakeCall::new("+447700900123", true));
        "GET" "/agents/{}/calls/{}", |c, i| c.calls().retrieve(i[0], i[1]);
        "GET" "/phone-numbers/{}", |c, i| c.phone_numbers().retrieve(i[0]);
        "PATCH" "/phone-numbers/{}",
            |c, i| c.phone_numbers().update(i[0], UpdatePhoneNumber::new());
    };
    // A stream's first call is for its ticket; without one it ends there.
    operations.push((
        "POST",
        "/agents/{}/conversations/{}/stream-ticket",
        Box::new(|client, ids| {
            let stream = client.conversations().messages().stream(ids[0], ids[1]);
            ignore(stream.max_retries(0).open())
        }),
    ));
    operations
}

fn ignore<T>(result: Result<T, Error>) -> Result<(), Error> {
    result.map(|_| ())
}

fn server() -> Server {
    Server::answering(|connection, _, _| {
        connection.answer(404, &[], r#"{"message":"none"}"#);
    })
}

/// The ids in a path that follows the route, decoded; `None` where it is another path.
fn ids_in(path: &str, route: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix("/api/v1/console")?;
    let mut segments = path.split('/');
    let mut ids = Vec::new();
    for expected in route.split('/') {
        let segment = segments.next()?;
        if expected == "{}" {
            ids.push(percent_decode_str(segment).decode_utf8().ok()?.into_owned());
        } else if segment != expected {
            return None;
        }
    }
    segments.next().is_none().then_some(ids)
}

/// Sends one call and checks that it came as meant, or not at all.
fn check(
    server: &Server,
    client: &Client,
    (method, route, send): &(&str, &str, Send),
    ids: &[&str],
) -> Result<(), String> {
    let result = send(client, ids);
    let requests = server.take_requests();
    let shown: Vec<String> = ids.iter().map(|id| id.chars().take(60).collect()).collect();
    let describe = |what: &str| format!("{method} {route} with {shown:?}: {what}");
    let wanted: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    match (&result, &requests[..]) {
        (Err(Error::User(_)), []) => Ok(()),
        (Err(Error::Api(_)), [request]) => {
            if request.method != *method {
                return Err(describe(&format!("was sent as {}", request.method)));
            }
            let target = &request.target;
            if target.contains('?') && target != &format!("{}?page=1", request.path()) {
                return Err(describe(&format!("has a query: {target}")));
            }
            match ids_in(request.path(), route) {
                Some(ids) if ids == wanted => Ok(()),
                _ => Err(describe(&format!("went to {target}"))),
            }
        }
        _ => Err(describe(&format!(
            "{result:?}, {} requests",
            requests.len()
        ))),
    }
}

/// What a careless or hostile caller passes for an id.
fn id() -> impl Strategy<Value = String> {
    let tricks = prop::sample::select(vec![
        "",
        ".",
        "..",
        "...",
        "../..",
        "../agt_2",
        "%2e%2e",
        "%2E.",
        "..%2f",
        "a/b",
        "/",
        "//",
        "a?b=1",
        "a#b",
        "a&b",
        "a%2Fb",
        "%",
        "%%",
        "%00",
        "\0",
        "a\0b",
        "\r\nX: y",
        "a b",
        " ",
        "+",
        "\\",
        "..\\",
        "request",
        "clone",
        "configure",
        "messages",
        ";a=b",
        "@",
        "user@host",
        ":80",
        "é",
        "🍕",
        "\u{202e}",
        "..;/",
        "%c0%ae%c0%ae",
        "\u{ff0e}\u{ff0e}",
        "\u{2215}",
        "*",
        "~",
        "agt_1",
        "cmlqacdwm0001zovcpe6656cg",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        4 => tricks.clone(),
        2 => prop::collection::vec(tricks, 2..4).prop_map(|parts| parts.concat()),
        4 => "\\PC{0,24}",
        2 => prop::collection::vec(any::<char>(), 0..16).prop_map(String::from_iter),
    ]
}

#[test]
fn ten_thousand_ids_each_reach_the_intended_route_or_nothing() {
    let server = server();
    let client = server.builder().max_retries(0).build().unwrap();
    let operations = operations();
    let mut runner = TestRunner::new(Config {
        cases: 10_000,
        failure_persistence: None,
        ..Config::default()
    });
    let which = 0..operations.len();
    runner
        .run(&(which, [id(), id(), id()]), |(which, ids)| {
            let operation = &operations[which];
            let count = operation.1.matches("{}").count();
            let ids: Vec<&str> = ids.iter().take(count).map(String::as_str).collect();
            check(&server, &client, operation, &ids).map_err(TestCaseError::fail)
        })
        .unwrap();
}

#[test]
fn item_01_no_id_leaves_its_segment_on_any_operation() {
    let server = server();
    let client = server.builder().max_retries(0).build().unwrap();
    for operation in &operations() {
        let count = operation.1.matches("{}").count();
        for trick in [
            "..",
            ".",
            "",
            "../../agt_2",
            "a?limit=1",
            "a#x",
            "x/conversations/messages",
        ] {
            for at in 0..count {
                let mut ids = vec!["agt_1"; count];
                ids[at] = trick;
                check(&server, &client, operation, &ids).unwrap();
            }
        }
        // And an escaped id is escaped again: it is data to the last percent sign.
        check(&server, &client, operation, &vec!["a%2Fb"; count]).unwrap();
    }
}

#[test]
fn ids_of_ten_kilobytes_are_sent_whole_or_refused() {
    let server = server();
    let client = server.builder().max_retries(0).build().unwrap();
    for operation in &operations() {
        let count = operation.1.matches("{}").count();
        for unit in ["a", "%", "🍕"] {
            let id = unit.repeat(10_240 / unit.len());
            check(&server, &client, operation, &vec![id.as_str(); count]).unwrap();
        }
    }
    let long = "a".repeat(10_240);
    let retrieve = client
        .conversations()
        .messages()
        .retrieve(&long, &long, &long);
    assert!(
        matches!(retrieve.send(), Err(Error::Api(_))),
        "30 kB fit, and are sent"
    );
    let long = "🍕".repeat(2_560);
    let retrieve = client
        .conversations()
        .messages()
        .retrieve(&long, &long, &long);
    let error = retrieve.send().unwrap_err().to_string();
    assert!(
        error.contains("bytes long, and 65534 is the most"),
        "{error}"
    );
}

#[test]
fn a_refusal_says_which_id_and_what_is_wrong_with_it() {
    let server = server();
    let client = server.client();
    for (result, says) in [
        (
            client.agents().delete("").send(),
            "DELETE /agents/: not sent: agent_id is empty; an id is needed here",
        ),
        (
            client
                .agents()
                .knowledge_bases()
                .delete("agt_1", "..")
                .send(),
            "not sent: kb_id is \"..\", which is a step in a path and no id",
        ),
        (
            ignore(client.phone_numbers().retrieve("request").send()),
            "not sent: phone_number_id is \"request\", which is another route of the API",
        ),
    ] {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.may_have_been_sent());
        assert_eq!(error.attempts(), 0);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn every_route_with_an_id_is_in_the_table() {
    // What the resources' own documentation says of their routes.
    let mut documented = std::collections::BTreeSet::new();
    for entry in walk(concat!(env!("CARGO_MANIFEST_DIR"), "/../../src")) {
        let text = std::fs::read_to_string(entry).unwrap();
        for line in text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("/// `"))
        {
            let Some((route, _)) = line.split_once('`') else {
                continue;
            };
            let Some((method, path)) = route.split_once(' ') else {
                continue;
            };
            let is_route = ["GET", "POST", "PATCH", "DELETE", "PUT"].contains(&method);
            if is_route && path.starts_with('/') && path.contains('{') {
                let segments = path.split('/');
                let plain: Vec<_> = segments
                    .map(|one| if one.starts_with('{') { "{}" } else { one })
                    .collect();
                documented.insert(format!("{method} {}", plain.join("/")));
            }
        }
    }
    let table: std::collections::BTreeSet<_> = operations()
        .iter()
        .map(|(method, route, _)| format!("{method} {route}"))
        .collect();
    let missing: Vec<_> = documented.difference(&table).collect();
    assert!(documented.len() > 40, "{documented:?}");
    assert!(missing.is_empty(), "{missing:?}");
}

fn walk(folder: &str) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(walk(path.to_str().unwrap()));
        } else {
            files.push(path);
        }
    }
    files
}

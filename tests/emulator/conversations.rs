//! Conversations and messages, and the replies of agents.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Api, Reply, api, eventually, id, quiet, start};

fn messages(api: &Api, agent: &str, conversation: &str) -> Vec<(String, String)> {
    let path = format!("/agents/{agent}/conversations/{conversation}/messages?limit=100");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let data = api.get(&path).data();
    data.as_array()
        .unwrap()
        .iter()
        .map(|m| (text(&m["role"]), text(&m["message"])))
        .collect()
}

#[test]
fn an_agent_replies_from_its_knowledge_bases() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let content = "Opening hours: noon to 22:00.\nMargherita pizza £12.50. Tiramisu £6.";
    let base = json!({ "type": "text", "name": "Menu", "content": content });
    api.post(&format!("/agents/{agent}/knowledge_bases"), base);
    let path = format!("/agents/{agent}/conversations/{conversation}/messages");
    for (question, answer) in [
        ("How much is a Margherita?", "Margherita pizza £12.50."),
        ("And the tiramisu, please?", "Tiramisu £6."),
        (
            "What are your opening hours?",
            "Opening hours: noon to 22:00.",
        ),
        (
            "Do you deliver?",
            "We deliver within five kilometres, every day from noon to 22:00.",
        ),
        (
            "I have an allergy",
            "Please tell me exactly what you are allergic to, and I will check each dish with the kitchen before we go on.",
        ),
        (
            "I need a reservation",
            "I would love to book you a table. For which day and time, and for how many guests?",
        ),
        ("Hello", "Hello! This is Ada. How can I help you today?"),
        (
            "Quantum chromodynamics?",
            "Thank you for your message. I do not have that at hand; a colleague at Ada will get back to you.",
        ),
    ] {
        let before = messages(&api, &agent, &conversation).len();
        let sent = api.post(&path, json!({ "message": question })).data();
        assert_eq!(
            (&sent["role"], &sent["message"]),
            (&json!("user"), &json!(question))
        );
        eventually("a reply arrives", || {
            messages(&api, &agent, &conversation).len() == before + 2
        });
        let all = messages(&api, &agent, &conversation);
        assert_eq!(
            all.last(),
            Some(&("assistant".to_owned(), answer.to_owned()))
        );
    }
    let waiting = format!("/agents/{agent}/conversations?needs_attention=true");
    assert_eq!(api.get(&waiting).json()["meta"]["total_count"], 1);
}

#[test]
fn an_assistant_message_needs_a_paused_ai() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let path = format!("/agents/{agent}/conversations/{conversation}");
    let speak = json!({ "message": "It is me.", "role": "assistant" });
    let refused = api.post(&format!("{path}/messages"), speak.clone());
    assert_eq!(refused.code(), (400, "bad_request".to_owned()));
    // The text of the live API.
    let message = "Assistant messages are only allowed when AI is paused";
    assert_eq!(refused.json()["message"], message);
    let paused = json!({ "is_ai_chat_paused": true });
    assert_eq!(
        api.patch(&format!("{path}/ai-status"), paused.clone())
            .data(),
        paused
    );
    assert_eq!(
        api.post(&format!("{path}/messages"), speak).data()["role"],
        "assistant"
    );
    // The agent does not reply now, so the response is the caller's own message.
    let body = json!({ "message": "Pizza?", "conversation_id": conversation });
    let reply = api
        .post(&format!("/agents/{agent}/conversations/messages"), body)
        .data();
    assert_eq!(
        (&reply["role"], &reply["message"]),
        (&json!("user"), &json!("Pizza?"))
    );
}

#[test]
fn a_refused_assistant_opens_no_conversation() {
    let api = api();
    let agent = api.agent();
    let body = json!({
        "message": "x",
        "role": "assistant",
        "channel_type": "whatsapp",
        "channel_user_id": "+2348012345678",
    });
    let refused = api.post(&format!("/agents/{agent}/conversations/messages"), body);
    assert_eq!(refused.code(), (400, "bad_request".to_owned()));
    let listed = api.get(&format!("/agents/{agent}/conversations")).json();
    assert_eq!(listed["meta"]["total_count"], 1);
}

#[test]
#[should_panic = "Conversation not found"]
fn pushing_to_an_unknown_conversation_panics() {
    let api = api();
    api.push_message(&api.agent(), "none", "user", "x");
}

#[test]
fn send_opens_a_conversation_and_returns_the_reply() {
    let api = api();
    let agent = api.agent();
    let path = format!("/agents/{agent}/conversations/messages");
    let body = json!({
        "message": "Do you deliver?",
        "channel_type": "whatsapp",
        "channel_user_id": "+2348012345678",
        "channel_username": "Bola",
        "is_test_channel": true,
    });
    let reply = api.post(&path, body.clone());
    assert_eq!(reply.json()["message"], "Message sent successfully");
    let reply = reply.data();
    assert_eq!(reply["role"], "assistant");
    assert!(
        reply["message"]
            .as_str()
            .unwrap()
            .contains("five kilometres")
    );
    let again = api.post(&path, body).data();
    assert_eq!(again["conversation_id"], reply["conversation_id"]);
    let conversation = reply["conversation_id"].as_str().unwrap();
    let detail = api
        .get(&format!("/agents/{agent}/conversations/{conversation}"))
        .data();
    assert_eq!(detail["channel_user_id"], "2348012345678");
    assert_eq!(detail["full_name"], "Bola");
    assert_eq!(detail["profile_picture"], Value::Null);
    assert_eq!(messages(&api, &agent, conversation).len(), 4);
}

/// Asks an agent on the test WhatsApp channel, and returns the response.
fn ask(api: &Api, agent: &str, question: &str) -> Reply {
    let body = json!({
        "message": question,
        "channel_type": "whatsapp",
        "channel_user_id": "+2348012345678",
        "is_test_channel": true,
    });
    api.post(&format!("/agents/{agent}/conversations/messages"), body)
}

#[test]
fn a_late_reply_follows_the_callers_own_message() {
    let api = start(quiet().late_replies(true));
    let agent = api.agent();
    let sent = ask(&api, &agent, "Do you deliver?");
    assert_eq!(sent.status, 201);
    assert_eq!(sent.json()["message"], "Message sent successfully");
    let sent = sent.data();
    assert_eq!(
        (&sent["role"], &sent["message"]),
        (&json!("user"), &json!("Do you deliver?"))
    );
    let conversation = sent["conversation_id"].as_str().unwrap();
    let mut stream = api.stream(&agent, conversation, &format!("&after={}", id(&sent)));
    let reply = stream.message();
    assert_eq!(reply["role"], "assistant");
    assert!(
        reply["message"]
            .as_str()
            .unwrap()
            .contains("five kilometres")
    );
    let path = format!(
        "/agents/{agent}/conversations/{conversation}/messages/{}",
        id(&reply)
    );
    assert_eq!(api.get(&path).data()["message"], reply["message"]);
}

#[test]
fn a_late_reply_takes_its_delay() {
    let api = start(
        quiet()
            .late_replies(true)
            .reply_delay(Duration::from_secs(3600)),
    );
    let agent = api.agent();
    let sent = ask(&api, &agent, "Do you deliver?").data();
    let conversation = sent["conversation_id"].as_str().unwrap();
    assert_eq!(messages(&api, &agent, conversation).len(), 1);
}

#[test]
fn the_conversation_id_can_be_missing_from_a_reply() {
    for late in [false, true] {
        let api = start(quiet().conversation_ids(false).late_replies(late));
        let sent = ask(&api, &api.agent(), "Do you deliver?").data();
        assert_eq!(sent.get("conversation_id"), None);
        assert!(sent["message"].is_string());
    }
}

#[test]
fn scripted_replies_precede_knowledge_base_replies() {
    let builder = quiet()
        .replies("deliver", "Not today.")
        .replies("Order STATUS", "On its way. [DONE]")
        .replies("order", "Which order?")
        .replies("silence", "");
    let api = start(builder);
    let agent = api.agent();
    for (question, reply) in [
        ("Do you deliver?", "Not today."),
        ("What's the status of my order?", "On its way. [DONE]"),
        ("My ORDER, please", "Which order?"),
        (
            "I need a reservation",
            "I would love to book you a table. For which day and time, and for how many guests?",
        ),
        (
            "Borders and reorders",
            "Thank you for your message. I do not have that at hand; a colleague at Ada will get back to you.",
        ),
    ] {
        let said = ask(&api, &agent, question).data();
        assert_eq!(
            (&said["role"], &said["message"]),
            (&json!("assistant"), &json!(reply))
        );
    }
    // The agent does not reply, so the response is the caller's own message.
    assert_eq!(ask(&api, &agent, "Silence!").data()["role"], "user");

    let api = start(quiet().replies("", "Always this."));
    let (agent, conversation) = api.conversation();
    api.customer_says(&agent, &conversation, "Hello");
    eventually("a reply arrives", || {
        messages(&api, &agent, &conversation).len() == 2
    });
    assert_eq!(messages(&api, &agent, &conversation)[1].1, "Always this.");
}

#[test]
fn the_test_whatsapp_channel_can_refuse_numbers_that_never_wrote_first() {
    let api = start(quiet().test_whatsapp_opt_in(true));
    let agent = api.agent();
    let refused = ask(&api, &agent, "Hello");
    assert_eq!(refused.code(), (400, "bad_request".to_owned()));
    let listed = api.get(&format!(
        "/agents/{agent}/conversations?channel=test_whatsapp"
    ));
    assert_eq!(listed.json()["meta"]["total_count"], 0);

    let conversation = api.customer_contacts(&agent, "test_whatsapp", "+2348012345678", "Hi");
    let accepted = ask(&api, &agent, "Do you deliver?").data();
    assert_eq!(accepted["conversation_id"], conversation);
    // Another number, and the other channels, are as before.
    let body = |channel: &str, user: &str, test: bool| json!({ "message": "x", "channel_type": channel, "channel_user_id": user, "is_test_channel": test });
    let path = format!("/agents/{agent}/conversations/messages");
    assert_eq!(
        api.post(&path, body("whatsapp", "+2348012345679", true))
            .status,
        400
    );
    assert_eq!(
        api.post(&path, body("whatsapp", "+2348012345679", false))
            .status,
        201
    );
    assert_eq!(
        api.post(&path, body("telephony", "+2348012345679", true))
            .status,
        201
    );
    // By default, every number accepts messages.
    let open = self::api();
    assert_eq!(ask(&open, &open.agent(), "Hello").status, 201);
}

#[test]
fn a_customer_who_contacts_an_agent_again_is_the_same() {
    let api = api();
    let agent = api.agent();
    let first = api.customer_contacts(&agent, "whatsapp", "+2348012345678", "Do you deliver?");
    eventually("a reply arrives", || {
        messages(&api, &agent, &first).len() == 2
    });
    assert_eq!(
        api.customer_contacts(&agent, "whatsapp", "2348012345678", "Hi"),
        first
    );
    assert_ne!(
        api.customer_contacts(&agent, "test_whatsapp", "+2348012345678", "Hi"),
        first
    );
    let visitor = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    let visit = |id: &str| api.customer_contacts(&agent, "webchat", id, "Hi");
    assert_eq!(visit(visitor), visit(&visitor.to_uppercase()));
}

#[test]
fn visitor_ids_ignore_case() {
    let api = api();
    let path = format!("/agents/{}/conversations/messages", api.agent());
    let conversation = |visitor: &str| {
        let body =
            json!({ "message": "Hello", "channel_type": "webchat", "channel_user_id": visitor });
        api.post(&path, body).data()["conversation_id"].clone()
    };
    let visitor = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    assert_eq!(conversation(visitor), conversation(&visitor.to_uppercase()));
    assert_ne!(
        conversation(visitor),
        conversation("3fa85f64-5717-4562-b3fc-2c963f66afa7")
    );
}

#[test]
fn each_rule_of_send_is_checked() {
    let api = api();
    let path = format!("/agents/{}/conversations/messages", api.agent());
    for (body, wrong) in [
        (json!({ "message": "x" }), "channel_type"),
        (json!({ "message": "", "conversation_id": "c" }), "message"),
        (
            json!({ "message": "x".repeat(4097), "conversation_id": "c" }),
            "message",
        ),
        (
            json!({ "message": "x", "conversation_id": "c", "role": "customer" }),
            "role",
        ),
        (
            json!({ "message": "x", "channel_type": "webchat", "channel_user_id": "me" }),
            "channel_user_id",
        ),
        (
            json!({ "message": "x", "channel_type": "whatsapp", "channel_user_id": "0801" }),
            "channel_user_id",
        ),
        (
            json!({ "message": "x", "channel_type": "voice", "channel_user_id": "+2348012345678" }),
            "channel_type",
        ),
    ] {
        let refused = api.post(&path, body);
        assert_eq!(refused.code(), (400, "validation_error".to_owned()));
        let message = refused.json()["message"][0].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("{wrong}: ")), "{message}");
    }
    // The text of the live API.
    let local = json!({ "message": "x", "channel_type": "telephony", "channel_user_id": "0801" });
    let message = "channel_user_id: must be international E.164 for whatsapp/telephony";
    assert_eq!(api.post(&path, local).json()["message"], json!([message]));
    let unknown = json!({ "message": "x", "conversation_id": "none" });
    assert_eq!(
        api.post(&path, unknown).code(),
        (404, "not_found".to_owned())
    );
}

#[test]
fn conversations_are_filtered_by_channel() {
    let api = api();
    let (agent, _) = api.conversation();
    for channel in [
        "whatsapp",
        "test_whatsapp",
        "messenger",
        "instagram",
        "test_instagram",
    ] {
        api.add_conversation(&agent, channel);
    }
    let count = |query: &str| {
        let page = api
            .get(&format!("/agents/{agent}/conversations?{query}"))
            .json();
        page["meta"]["total_count"].as_u64().unwrap()
    };
    for (query, found) in [
        ("channel=test_webchat", 1),
        ("channel=webchat", 0),
        ("channel=whatsapp", 1),
        ("channel=test_whatsapp", 1),
        ("channel=messenger", 1),
        ("channel=instagram&is_test_channel=false", 1),
        ("is_test_channel=true", 3),
        ("is_ai_chat_paused=true", 0),
        ("channel=test_telephony", 0),
    ] {
        assert_eq!(count(query), found, "{query}");
    }
}

#[test]
fn messages_are_listed_searched_and_retrieved() {
    let api = api();
    let (agent, conversation) = api.conversation();
    for text in ["One apple", "Two pears", "Three apples"] {
        api.push_message(&agent, &conversation, "user", text);
    }
    let path = format!("/agents/{agent}/conversations/{conversation}/messages");
    let found = api
        .get(&format!("{path}?search=apple&sort=-created_at"))
        .data();
    assert_eq!(found[0]["message"], "Three apples");
    assert_eq!(found.as_array().unwrap().len(), 2);
    assert_eq!(
        api.get(&format!("{path}/{}", id(&found[0]))).data(),
        found[0]
    );
    assert_eq!(
        api.get(&format!("{path}/none")).code(),
        (404, "not_found".to_owned())
    );
}

#[test]
fn attachments_of_the_first_generation_are_kept() {
    let api = api();
    let (agent, conversation) = api.conversation();
    let path = format!("/agents/{agent}/conversations/{conversation}/messages");
    let body = json!({ "message": "Look", "attachments": [{ "type": "image", "url": "https://example.com/a.png" }] });
    let sent = api.post(&path, body.clone()).data();
    assert_eq!(sent["attachments"], body["attachments"]);
    assert_eq!(api.get(&path).data()[0], sent);
}

#[test]
fn a_first_conversation_is_there_unless_switched_off() {
    let api = start(quiet().customer_writes(true));
    let (agent, conversation) = api.conversation();
    let said = messages(&api, &agent, &conversation);
    assert_eq!(
        said[0],
        ("user".to_owned(), "Hello! Is anybody there?".to_owned())
    );
    assert_eq!(said[1].0, "assistant");

    let api = start(quiet().first_conversation(false));
    let path = format!("/agents/{}/conversations", api.agent());
    assert_eq!(api.get(&path).json()["meta"]["total_count"], 0);
}

#[test]
fn the_customer_writes_when_a_stream_opens() {
    let builder = quiet()
        .customer_writes(true)
        .customer_pause(Duration::from_millis(1));
    let api = start(builder);
    let (agent, conversation) = api.conversation();
    let base = json!({ "type": "text", "name": "Menu", "content": "Margherita pizza £12." });
    api.post(&format!("/agents/{agent}/knowledge_bases"), base);
    let mut stream = api.stream(&agent, &conversation, "");
    let mut said = stream.messages(4);
    said.sort();
    assert_eq!(
        said,
        [
            "And what can you tell me about Menu?",
            "Do you have a table for four this evening?",
            "For this evening we still have tables for four at 18:30 and 20:45. Which one may I book for you?",
            "Margherita pizza £12.",
        ]
    );
}

#[test]
fn an_agent_replies_to_a_customer_from_outside() {
    let api = api();
    let agent = api.agent();
    let conversation = api.add_conversation(&agent, "whatsapp");
    let message = api.customer_says(&agent, &conversation, "Do you deliver?");
    let path = format!("/agents/{agent}/conversations/{conversation}/messages");
    assert_eq!(api.get(&format!("{path}/{message}")).data()["role"], "user");
    eventually("a reply arrives", || {
        messages(&api, &agent, &conversation).len() == 2
    });
}

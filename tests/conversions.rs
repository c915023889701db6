//! Plain text, names and times, where the API takes an object.

use std::time::{Duration, SystemTime};

use bimpeai::agents::{Agent, CreateAgent};
use bimpeai::conversations::{CreateConversationMessage, Message, MessageRole, SendMessage};
use bimpeai::emulator::Emulator;
use bimpeai::types::Timestamp;

#[test]
fn a_text_alone_is_a_message() {
    let emulator = Emulator::start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let agent = client.agents().create("Desk").send().unwrap();
    let conversation = emulator.add_conversation(&agent.id, "webchat");
    let messages = client.conversations().messages();
    for body in [
        messages.send(&agent.id, &conversation, "Hello"),
        messages.send(&agent.id, &conversation, "Hello".to_owned()),
        messages.send(&agent.id, &conversation, SendMessage::new("Hello")),
    ] {
        let sent = body.send().unwrap();
        assert_eq!(sent.message.as_deref(), Some("Hello"));
        assert_eq!(sent.role, MessageRole::User);
    }
}

#[test]
fn a_text_alone_is_a_question_of_a_new_visitor_in_a_test_conversation() {
    let emulator = Emulator::start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let agent = client.agents().create("Desk").send().unwrap().id;
    let conversations = client.conversations();
    let first = conversations.ask(&agent, "Hello").send().unwrap();
    let second = conversations.ask(&agent, String::from("Hello"));
    let second = second.send().unwrap();
    assert_ne!(first.conversation_id, second.conversation_id);
    let opened = conversations.retrieve(&agent, &first.conversation_id);
    assert!(opened.send().unwrap().is_test_channel);
    let sent = conversations.send(&agent, "Hello").send().unwrap();
    assert_eq!(sent.role, MessageRole::Assistant);

    let body = CreateConversationMessage::from("Hello");
    let again = conversations.ask(&agent, body.clone());
    let (one, two) = (again.send().unwrap(), conversations.ask(&agent, body));
    let two = two.send().unwrap();
    assert_eq!(one.conversation_id, two.conversation_id, "one visitor");
}

#[test]
fn a_name_alone_is_a_new_agent_and_a_new_agent_is_an_agent() {
    let emulator = Emulator::start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let agents = client.agents();
    let mut all: Vec<Agent> = vec![
        agents.create("Ada").send().unwrap().into(),
        agents.create("Bo".to_owned()).send().unwrap().into(),
        agents.create(CreateAgent::new("Cy")).send().unwrap().into(),
    ];
    let detail = agents.retrieve(&all[0].id).send().unwrap();
    assert_eq!(Agent::from(detail).id, all[0].id);
    let mut listed = agents.list().all().unwrap();
    let key = |agent: &Agent| agent.name.clone();
    all.sort_by_key(key);
    listed.sort_by_key(key);
    for (created, listed) in all.iter().zip(&listed) {
        assert_eq!(
            (&created.id, &created.name, &created.created_at),
            (&listed.id, &listed.name, &listed.created_at)
        );
    }
    assert_eq!(all.len(), listed.len());
}

#[test]
fn a_stream_starts_after_a_time() {
    let emulator = Emulator::builder().customer_writes(false).start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let agent = client.agents().create("Desk").send().unwrap().id;
    let conversation = emulator.add_conversation(&agent, "webchat");
    emulator.push_message(&agent, &conversation, "user", "One");
    emulator.advance_clock(Duration::from_secs(3600));
    emulator.push_message(&agent, &conversation, "user", "Two");
    let messages = client.conversations().messages();
    let first_after = |request: bimpeai::stream::StreamRequest| {
        let first = request.into_iter().next().unwrap().unwrap();
        first.message.unwrap()
    };
    let stream = || messages.stream(&agent, &conversation);
    let now = SystemTime::now();
    let (before, between) = (
        now - Duration::from_secs(3600),
        now + Duration::from_secs(1800),
    );
    assert_eq!(first_after(stream().after(before)), "One");
    assert_eq!(first_after(stream().after(between)), "Two");
    assert_eq!(first_after(stream().after(Timestamp::from(between))), "Two");
    let all: Vec<Message> = messages.list(&agent, &conversation).all().unwrap();
    let one = all.iter().find(|it| it.message.as_deref() == Some("One"));
    let one = one.unwrap();
    // The server delivers what has the same time again.
    assert_eq!(first_after(stream().after(&one.created_at)), "One");
    assert_eq!(first_after(stream().after(&one.id)), "Two");
}

#[test]
fn the_times_of_the_emulator_are_read() {
    let emulator = Emulator::start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let before = SystemTime::now() - Duration::from_secs(1);
    let agent = client.agents().create("Ada").send().unwrap();
    let created = agent.created_at.to_system_time().unwrap();
    assert!(created > before && created <= SystemTime::now());
    assert!(agent.created_at <= agent.updated_at);
}

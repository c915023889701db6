//! A question and its reply, on the emulator.

use std::thread;
use std::time::{Duration, Instant};

use bimpeai::agents::CreateAgent;
use bimpeai::conversations::{AskRequest, CreateConversationMessage, MessageRole, Reply};
use bimpeai::emulator::{Emulator, EmulatorBuilder, Fault};
use bimpeai::{Client, Error};

const PATIENCE: Duration = Duration::from_secs(20);
const SEND: &str = "/agents/*/conversations/messages";

struct Desk {
    emulator: Emulator,
    client: Client,
    agent: String,
    conversation: String,
}

/// An agent with a conversation in which the assistant is paused: replies are the test's.
fn paused(builder: EmulatorBuilder) -> Desk {
    let emulator = builder.start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let agent = client.agents().create(CreateAgent::new("Desk"));
    let agent = agent.send().unwrap().id;
    let conversation = emulator.add_conversation(&agent, "webchat");
    client
        .conversations()
        .set_ai_status(&agent, &conversation, true)
        .send()
        .unwrap();
    emulator.clear_requests();
    Desk {
        emulator,
        client,
        agent,
        conversation,
    }
}

impl Desk {
    fn ask(&self) -> AskRequest {
        let question = CreateConversationMessage::new("Is anybody there?");
        let question = question.conversation_id(&self.conversation);
        self.client
            .conversations()
            .ask(&self.agent, question)
            .deadline(PATIENCE)
    }

    fn says(&self, role: &str, text: &str) {
        self.emulator
            .push_message(&self.agent, &self.conversation, role, text);
    }

    fn wait_for(&self, what: impl Fn(&Emulator) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !what(&self.emulator) {
            assert!(Instant::now() < until, "it does not happen");
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn sent(&self) -> usize {
        self.emulator.requests_to("POST", SEND).len()
    }

    /// Asks a question and runs `meanwhile` on another thread.
    fn ask_while(&self, meanwhile: impl FnOnce()) -> Result<Reply, Error> {
        thread::scope(|scope| {
            let asking = scope.spawn(|| self.ask().send());
            meanwhile();
            asking.join().unwrap()
        })
    }
}

#[test]
fn a_reply_in_the_response_is_returned() {
    let emulator = Emulator::start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let agent = client
        .agents()
        .create(CreateAgent::new("Desk"))
        .send()
        .unwrap()
        .id;
    let question = CreateConversationMessage::webchat("Hello", "customer 7");
    let reply = client.conversations().ask(&agent, question).send().unwrap();
    assert_eq!(reply.message.role, MessageRole::Assistant);
    assert!(reply.text().contains("Desk"), "{reply:?}");
    let conversation = client
        .conversations()
        .retrieve(&agent, &reply.conversation_id);
    let user = conversation.send().unwrap().channel_user_id.unwrap();
    assert_eq!(user, bimpeai::conversations::visitor_id("customer 7"));
    assert_eq!(emulator.opened_streams(), 0);
}

#[test]
fn a_late_reply_is_taken_from_the_stream() {
    let desk = paused(Emulator::builder());
    let reply = desk.ask_while(|| {
        desk.wait_for(|emulator| emulator.open_streams() == 1);
        desk.says("user", "Hello?");
        desk.says("restaurant_user", "Yes, I am.");
    });
    let reply = reply.unwrap();
    assert_eq!(
        (reply.text(), &*reply.conversation_id),
        ("Yes, I am.", &*desk.conversation)
    );
    assert_eq!(desk.sent(), 1);
}

#[test]
fn a_reply_between_the_response_and_the_stream_is_not_missed() {
    let desk = paused(Emulator::builder());
    let delay = Fault::delay(Duration::from_millis(300));
    desk.emulator
        .fault(delay.on("POST", "/agents/*/conversations/*/stream-ticket"));
    let reply = desk.ask_while(|| {
        desk.wait_for(|emulator| !emulator.requests_to("POST", SEND).is_empty());
        desk.says("assistant", "Already here.");
    });
    assert_eq!(reply.unwrap().text(), "Already here.");
}

#[test]
fn an_earlier_message_of_the_agent_is_not_the_reply() {
    let desk = paused(Emulator::builder());
    desk.says("assistant", "From before.");
    let reply = desk.ask_while(|| {
        desk.wait_for(|emulator| emulator.open_streams() == 1);
        desk.says("assistant", "The reply.");
    });
    assert_eq!(reply.unwrap().text(), "The reply.");
}

#[test]
fn a_lost_response_does_not_ask_twice() {
    let desk = paused(Emulator::builder());
    desk.emulator
        .fault(Fault::reset().on("POST", SEND).after_performing());
    let reply = desk.ask_while(|| {
        desk.wait_for(|emulator| emulator.open_streams() == 1);
        desk.says("assistant", "Once.");
    });
    assert_eq!(reply.unwrap().text(), "Once.");
    let messages = desk.client.conversations().messages();
    let messages = messages
        .list(&desk.agent, &desk.conversation)
        .all()
        .unwrap();
    let asked = messages
        .iter()
        .filter(|m| m.message.as_deref() == Some("Is anybody there?"));
    assert_eq!(asked.count(), 1);
}

#[test]
fn without_a_reply_the_error_says_that_the_question_was_delivered() {
    let desk = paused(Emulator::builder());
    let ask = desk.ask().deadline(Duration::from_millis(300));
    for _ in 0..2 {
        let error = ask.send().unwrap_err();
        assert!(matches!(error, Error::Timeout(_)), "{error}");
        assert!(
            error.to_string().contains("the question was delivered"),
            "{error}"
        );
        assert!(error.may_have_been_sent());
    }
    // The same request continues to wait.
    desk.says("assistant", "Sorry, I was out.");
    assert_eq!(ask.send().unwrap().text(), "Sorry, I was out.");
    assert_eq!(desk.sent(), 1, "it is asked once");
}

#[test]
fn a_reply_that_the_stream_cannot_decode_is_taken_from_the_list() {
    let desk = paused(Emulator::builder());
    desk.emulator.fault(Fault::malformed_message(0));
    let reply = desk.ask_while(|| {
        desk.wait_for(|emulator| emulator.opened_streams() == 1);
        desk.says("assistant", "Whole in the list.");
    });
    assert_eq!(reply.unwrap().text(), "Whole in the list.");
}

#[test]
fn messages_are_listed_if_the_stream_is_refused() {
    let desk = paused(Emulator::builder().max_streams(0));
    let reply = desk.ask_while(|| {
        desk.wait_for(|emulator| !emulator.requests_to("POST", SEND).is_empty());
        desk.says("assistant", "By the list.");
        desk.says("assistant", "And another.");
    });
    assert_eq!(reply.unwrap().text(), "By the list.");
    let error = desk
        .ask()
        .deadline(Duration::from_millis(200))
        .send()
        .unwrap_err();
    assert!(
        error.to_string().contains("the question was delivered"),
        "{error}"
    );
}

#[test]
fn a_question_that_is_refused_is_an_error_and_can_be_asked_again() {
    let desk = paused(Emulator::builder());
    desk.emulator
        .fault(Fault::status(400).message("No.").on("POST", SEND));
    let error = desk.ask().send().unwrap_err();
    assert_eq!(error.status(), Some(400));
    let as_assistant = CreateConversationMessage::new("x").role(MessageRole::Assistant);
    let refused = desk
        .client
        .conversations()
        .ask(&desk.agent, as_assistant)
        .send();
    assert!(matches!(refused, Err(Error::User(_))), "{refused:?}");
}

#[test]
fn a_reply_that_the_agent_writes_later_is_awaited() {
    for with_ids in [true, false] {
        let builder = Emulator::builder()
            .late_replies(true)
            .conversation_ids(with_ids)
            .replies("open", "From 12 to 22.");
        let emulator = builder.start().unwrap();
        let client = emulator.client_builder().build().unwrap();
        let agent = client.agents().create(CreateAgent::new("Desk"));
        let agent = agent.send().unwrap().id;
        let conversations = client.conversations();
        let question = CreateConversationMessage::webchat("Are you open?", "customer 7");
        let first = conversations
            .ask(&agent, question.clone())
            .deadline(PATIENCE);
        let first = first.send().unwrap();
        assert_eq!(first.text(), "From 12 to 22.");
        // The second reply is not the first one again.
        let second = conversations.ask(&agent, question).deadline(PATIENCE);
        let second = second.send().unwrap();
        assert_ne!(first.message.id, second.message.id);
        assert_eq!(first.conversation_id, second.conversation_id);
        assert_eq!(emulator.requests_to("POST", SEND).len(), 2);
    }
}

#[test]
fn messages_are_listed_if_the_stream_is_refused_with_429() {
    let builder = Emulator::builder().max_streams(0);
    let desk = paused(builder.too_many_requests_for_streams(true));
    let reply = desk.ask_while(|| {
        desk.wait_for(|emulator| !emulator.requests_to("POST", SEND).is_empty());
        desk.says("assistant", "By the list.");
    });
    assert_eq!(reply.unwrap().text(), "By the list.");
    assert_eq!(desk.sent(), 1);
}

#[test]
fn a_phone_number_without_its_plus_is_the_same_user() {
    let builder = Emulator::builder()
        .late_replies(true)
        .conversation_ids(false);
    let emulator = builder.replies("", "Yes.").start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let agent = client.agents().create(CreateAgent::new("Desk"));
    let agent = agent.send().unwrap().id;
    let question = CreateConversationMessage::new("Is anybody there?")
        .channel_type("whatsapp")
        .channel_user_id("+2348012345678");
    let ask = client.conversations().ask(&agent, question);
    assert_eq!(ask.deadline(PATIENCE).send().unwrap().text(), "Yes.");
}

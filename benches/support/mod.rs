//! Shared by all benchmarks: the server, its canned responses, the rival by hand, the method.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod canned;
pub mod decoders;
pub mod hand;
pub mod measure;
pub mod server;

use bimpeai::Client;
use bimpeai::agents::CreateAgent;

pub const KEY: &str = "sk_bench_0123456789abcdef";

/// This crate's client of the canned server: its defaults, so with a timeout of 30 s.
pub fn client(base: &str) -> Client {
    Client::builder(KEY)
        .base_url(base)
        .build()
        .expect("a client of the canned server")
}

/// What both sides send as a new agent.
pub fn new_agent() -> CreateAgent {
    CreateAgent::new("Restaurant assistant")
        .workflow_id("wf_01HZY3V5T8M2")
        .description("Takes orders and books tables for the restaurant at the harbour.")
        .language("en")
        .timezone("Europe/Lisbon")
        .business_name("Harbour Kitchen")
}

/// Reads a stream to its end. Returns the number of messages.
pub fn read_stream(client: &Client, conversation: &str) -> usize {
    let messages = client.conversations().messages();
    let stream = messages
        .stream("agt_1", conversation)
        .reconnect(false)
        .open()
        .expect("the canned stream opens");
    let mut count = 0;
    for message in stream {
        std::hint::black_box(message.expect("a canned message"));
        count += 1;
    }
    count
}

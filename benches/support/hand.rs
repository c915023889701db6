//! The rival: code with ureq and serde written by hand, for these calls only.
//!
//! The same bytes go over the wire. It keeps no unknown field, tells no null from absent, retries
//! nothing, and its ids are constants.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use bimpeai::agents::CreateAgent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::{Agent, AsSendBody, RequestBuilder};

use super::KEY;
use super::canned::PREFIX;

#[derive(Deserialize)]
pub struct Envelope<T> {
    pub data: T,
}

#[derive(Deserialize)]
pub struct PageOf<T> {
    pub data: Vec<T>,
    pub meta: Meta,
}

#[derive(Deserialize)]
pub struct Meta {
    pub total_count: u64,
    pub page_count: u64,
    pub current_page: u64,
    pub limit: u64,
    pub has_next_page: bool,
    pub has_previous_page: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persona {
    Professional,
    Friendly,
    Concise,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Development,
    Live,
    Paused,
    #[serde(other)]
    Other,
}

/// All that the current API sends of an agent.
#[derive(Deserialize)]
pub struct AgentItem {
    pub id: String,
    pub name: String,
    pub description: String,
    pub workflow_id: Option<String>,
    pub language: Option<String>,
    pub persona: Option<Persona>,
    pub timezone: Option<String>,
    pub logo: Option<String>,
    pub business_name: Option<String>,
    pub business_address: Option<String>,
    pub business_email: Option<String>,
    pub business_description: Option<String>,
    pub test_channel_code: Option<String>,
    pub status: Option<Status>,
    pub status_reason: Option<String>,
    pub escalation_email: Option<String>,
    pub created_at: String,
    pub updated_at: String,
}

#[derive(Deserialize)]
pub struct AgentDetail {
    pub id: String,
    pub name: String,
    pub description: String,
    pub workflow_id: Option<String>,
    pub language: Option<String>,
    pub persona: Option<Persona>,
    pub timezone: Option<String>,
    pub logo: Option<String>,
    pub business_name: Option<String>,
    pub business_address: Option<String>,
    pub business_email: Option<String>,
    pub business_description: Option<String>,
    pub test_channel_code: Option<String>,
    pub status: Option<Status>,
    pub status_reason: Option<String>,
    pub escalation_email: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub knowledge_bases: Vec<Knowledge>,
    pub integrations: Vec<serde_json::Value>,
    pub channels: Vec<Channel>,
}

#[derive(Deserialize)]
pub struct Knowledge {
    pub id: String,
    pub r#type: String,
    pub name: String,
    pub description: Option<String>,
}

#[derive(Deserialize)]
pub struct Channel {
    pub id: String,
    pub r#type: String,
    pub name: String,
    pub status: String,
    pub is_connected: bool,
}

#[derive(Deserialize)]
struct Ticket {
    ticket: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
    RestaurantUser,
    Customer,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub struct Message {
    pub id: String,
    pub conversation_id: String,
    pub role: Role,
    pub message: Option<String>,
    pub message_type: Option<String>,
    pub created_at: String,
}

pub struct ByHand {
    agent: Agent,
    base: String,
    bearer: String,
}

impl ByHand {
    pub fn new(base: &str, timeout: Option<Duration>) -> ByHand {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(timeout)
            .user_agent(format!(
                "bimpeai-rust/{} ({})",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::OS
            ))
            .accept("application/json")
            .accept_encoding("identity")
            .build()
            .new_agent();
        ByHand {
            agent,
            base: format!("{base}{PREFIX}"),
            bearer: format!("Bearer {KEY}"),
        }
    }

    fn with_headers<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request
            .header("authorization", &self.bearer)
            .header("x-request-id", "0c3f6a1e-5b7d-4c2a-9e8f-1a2b3c4d5e6f")
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let request = self.agent.get(format!("{}{path}", self.base));
        read(self.with_headers(request).call())
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: impl AsSendBody) -> T {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = self
            .with_headers(request)
            .header("content-type", "application/json")
            .header("idempotency-key", "5d9e0b7a-1c2f-4e3d-8a6b-9f8e7d6c5b4a");
        read(request.send(body))
    }

    pub fn retrieve(&self, id: &str) -> AgentDetail {
        self.get::<Envelope<_>>(&format!("/agents/{id}")).data
    }

    pub fn create(&self, agent: &CreateAgent) -> AgentItem {
        let body = serde_json::to_vec(agent).expect("a body");
        self.post::<Envelope<_>>("/agents", &body[..]).data
    }

    pub fn list(&self, page: usize, limit: usize) -> PageOf<AgentItem> {
        self.get(&format!("/agents?page={page}&limit={limit}"))
    }

    /// Reads a stream to its end. Returns the number of messages.
    pub fn stream(&self, conversation: &str) -> usize {
        let path = format!("/agents/agt_1/conversations/{conversation}");
        let ticket = self.post::<Envelope<Ticket>>(&format!("{path}/stream-ticket"), &b""[..]);
        let url = format!("{}{path}/stream?ticket={}", self.base, ticket.data.ticket);
        let response = self
            .agent
            .get(url)
            .header("accept", "text/event-stream")
            .header("cache-control", "no-cache")
            .config()
            .timeout_global(None)
            .build()
            .call()
            .expect("the canned stream");
        let mut body = BufReader::with_capacity(64 * 1024, response.into_body().into_reader());
        let mut line = Vec::new();
        let mut is_message = true;
        let mut count = 0;
        loop {
            line.clear();
            if body
                .read_until(b'\n', &mut line)
                .expect("the canned stream")
                == 0
            {
                return count;
            }
            if let Some(name) = line.strip_prefix(b"event: ") {
                is_message = name.trim_ascii_end() == b"message";
            } else if let Some(data) = line.strip_prefix(b"data: ") {
                if is_message {
                    let message: Message = serde_json::from_slice(data).expect("a canned message");
                    std::hint::black_box(message);
                    count += 1;
                }
            }
        }
    }
}

fn read<T: DeserializeOwned>(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> T {
    let mut response = response.expect("the canned response");
    assert!(response.status().is_success());
    let body = response.body_mut().read_to_vec().expect("the canned body");
    serde_json::from_slice(&body).expect("a canned response")
}

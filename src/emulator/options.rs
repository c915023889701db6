//! The settings of an emulator and its API keys.

use std::time::Duration;

use super::generation::Generation;
use super::rate_limit::RateLimit;
use super::response::ErrorResponse;
use super::{idempotency, ids, request_log};

pub(super) struct Options {
    pub(super) api_key: String,
    pub(super) keys: Vec<Key>,
    pub(super) generation: Generation,
    pub(super) heartbeat: Duration,
    pub(super) retry_line: Option<Duration>,
    pub(super) chunked_streams: bool,
    pub(super) max_streams: Option<usize>,
    pub(super) stream_limit_code: &'static str,
    pub(super) ticket_lifetime: Duration,
    pub(super) reply_delay: Duration,
    pub(super) late_replies: bool,
    pub(super) conversation_ids: bool,
    pub(super) replies: Vec<ScriptedReply>,
    pub(super) test_whatsapp_opt_in: bool,
    pub(super) call_step: Option<Duration>,
    pub(super) late_transcripts: bool,
    pub(super) first_conversation: bool,
    pub(super) customer_writes: bool,
    pub(super) customer_pause: Duration,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) guide_errors: bool,
    pub(super) bodyless_successes: bool,
    pub(super) phone_request_body: bool,
    pub(super) empty_phone_meta: bool,
    pub(super) agent_limit: Option<usize>,
    pub(super) agent_limit_status: u16,
    pub(super) integration_limit: Option<usize>,
    pub(super) manual_onboarding: bool,
    pub(super) placeholders: bool,
    pub(super) request_log_limit: usize,
    pub(super) idempotency: idempotency::Rules,
    pub(super) stored_validation_errors: bool,
}

/// A key beside the main one.
pub(super) struct Key {
    pub(super) text: String,
    /// `None` means all scopes.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) expired: bool,
}

/// A reply that is given to messages with certain words.
pub(super) struct ScriptedReply {
    pub(super) words: String,
    pub(super) text: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            api_key: ids::api_key(),
            keys: Vec::new(),
            generation: Generation::Both,
            heartbeat: Duration::from_secs(20),
            retry_line: None,
            chunked_streams: true,
            max_streams: None,
            stream_limit_code: "too_many_streams",
            ticket_lifetime: Duration::from_secs(60),
            reply_delay: Duration::from_millis(150),
            late_replies: false,
            conversation_ids: true,
            replies: Vec::new(),
            test_whatsapp_opt_in: false,
            call_step: None,
            late_transcripts: false,
            first_conversation: true,
            customer_writes: true,
            customer_pause: Duration::from_millis(400),
            rate_limit: None,
            guide_errors: false,
            bodyless_successes: false,
            phone_request_body: false,
            empty_phone_meta: false,
            agent_limit: None,
            agent_limit_status: 400,
            integration_limit: None,
            manual_onboarding: false,
            placeholders: false,
            request_log_limit: request_log::DEFAULT_LIMIT,
            idempotency: idempotency::Rules::default(),
            stored_validation_errors: false,
        }
    }
}

impl Options {
    /// Returns whether this is one of the emulator's keys, valid or expired.
    pub(super) fn knows(&self, key: &str) -> bool {
        key == self.api_key || self.keys.iter().any(|known| known.text == key)
    }

    /// Refuses a key that is missing, unknown, expired or without this scope.
    pub(super) fn authorize(&self, key: Option<&str>, scope: &str) -> Result<(), ErrorResponse> {
        let refused = |code, message| Err(ErrorResponse::new(401, code, message));
        let Some(key) = key else {
            return refused("api_key_missing", "API key is missing.");
        };
        if key == self.api_key {
            return Ok(());
        }
        let Some(known) = self.keys.iter().find(|known| known.text == key) else {
            return refused("api_key_invalid", "Invalid API key.");
        };
        if known.expired {
            return refused("api_key_expired", "This API key has expired.");
        }
        match &known.scopes {
            Some(scopes) if !scopes.iter().any(|has| has == scope) => {
                let message = format!("This API key is missing the required scope: {scope}.");
                Err(ErrorResponse::new(403, "insufficient_scope", message))
            }
            _ => Ok(()),
        }
    }
}

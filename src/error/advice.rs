//! What to do about a failed call: the end of an error's line.

use std::borrow::Cow;

use super::{ApiError, CallInfo, ConnectionError, ConnectionKind, DecodeError, ErrorCode};

/// What the advice depends on, beside the error itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallTraits {
    /// Whether the call carries an idempotency key.
    pub(crate) is_write: bool,
    /// Whether its path has an id in it.
    pub(crate) has_id: bool,
    /// Whether it carries the API key: a stream is opened with a ticket.
    pub(crate) has_key: bool,
    /// Whether it asks a stream to resume from a position.
    pub(crate) resumes: bool,
}

impl CallTraits {
    /// Of a request that changes nothing.
    pub(crate) const READ: CallTraits = CallTraits {
        is_write: false,
        has_id: true,
        has_key: true,
        resumes: false,
    };

    /// Of the request that opens an event stream.
    pub(crate) const STREAM: CallTraits = CallTraits {
        is_write: false,
        has_id: true,
        has_key: false,
        resumes: false,
    };
}

const REPEAT_WRITE: &str = "the write may have happened; sending this request again is safe, \
                            because it keeps its idempotency key";
const CHECK_KEY: &str = "check the key, usually in BIMPEAI_API_KEY";

type Advice = Option<Cow<'static, str>>;

impl CallInfo {
    /// For a call that ended without its response.
    pub(super) fn repeat(&self) -> Advice {
        (self.sent && self.traits.is_write).then(|| REPEAT_WRITE.into())
    }

    /// For a call whose response was lost on the way.
    fn try_again(&self) -> Advice {
        // A stream reconnects by itself.
        let read = || self.traits.has_key.then(|| "retry".into());
        self.repeat().or_else(read)
    }
}

impl ConnectionError {
    pub(super) fn advice(&self) -> Advice {
        match self.kind {
            ConnectionKind::Lost if self.call.sent => self.call.try_again(),
            // It would be the same again.
            ConnectionKind::MalformedResponse if self.call.traits.is_write => {
                Some("the write may have happened".into())
            }
            _ => None,
        }
    }
}

impl DecodeError {
    pub(super) fn advice(&self) -> Advice {
        self.truncated.then(|| self.call.try_again()).flatten()
    }
}

impl ApiError {
    pub(super) fn advice(&self) -> Advice {
        use ErrorCode::*;
        let CallTraits {
            is_write,
            has_id,
            has_key,
            resumes,
        } = self.call.traits;
        let advice = match (&self.code, self.status) {
            (Some(ApiKeyMissing | ApiKeyInvalid), _) if has_key => CHECK_KEY,
            (Some(ApiKeyExpired), _) if has_key => "create a new key in the console",
            (Some(InsufficientScope), _) if has_key => "use a key with that scope",
            (Some(AgentLimitReached), _) => "delete an agent, or change the plan",
            (Some(IntegrationLimitReached), _) => "delete an integration, or change the plan",
            (Some(TooManyStreams), _) => "close another stream of the team first",
            (_, 400 | 404 | 410 | 422) if resumes => {
                "the position to resume from (`after`) was refused: start without it, or after a time"
            }
            (_, 401) if has_key => CHECK_KEY,
            (_, 401) => "the ticket of the stream has expired or was used; open the stream again",
            (_, 404) if !self.is_from_api && has_id => "check the base URL and the ids",
            (_, 404) if has_id => "check the ids",
            (_, 404) if is_write => "check the base URL, and the ids in the request body",
            (_, 404) => "check the base URL",
            (_, 300..=399) => "redirects are not followed: check the base URL",
            (_, 409) if self.in_progress => {
                "an earlier attempt may still be in progress; send this request again later"
            }
            (_, 409) if is_write => {
                "check the current state, and use an idempotency key for one request only"
            }
            (_, 409) => "check the current state",
            (_, 413) => "send a smaller request body",
            (_, 429) if self.retry_after.is_none() => "wait, and send fewer requests at a time",
            (_, 501) => "the API does not support this yet",
            (_, 408 | 500..=599) => return self.unavailable(),
            _ => return None,
        };
        Some(advice.into())
    }

    /// The server, or a gateway before it, failed for now.
    fn unavailable(&self) -> Advice {
        // The delay that the server asks for is named anyway.
        let later = self.retry_after.is_none().then_some("retry later");
        match (later, self.call.repeat()) {
            (Some(later), Some(repeat)) => Some(format!("{later}; {repeat}").into()),
            (later, repeat) => repeat.or(later.map(Cow::from)),
        }
    }
}

//! What a step needs from a request.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use ureq::http::Method;
use uuid::Uuid;

use crate::error::{CallInfo, Error};
use crate::headers::Headers;
use crate::http::{Response, Watch, envelope};
use crate::request::{Decode, Request};

use super::journal::record::Body;
use super::journal::state::StoredValue;
use super::key;

/// The least limit of the waits that the server asks for, in a step that does not set one.
const MAX_RETRY_WAIT: Duration = Duration::from_secs(24 * 3600);

impl<T> Request<T> {
    pub(super) fn is_write(&self) -> bool {
        self.operation.is_write()
    }

    /// Returns whether it makes a phone call, which must never happen twice.
    pub(super) fn rings_a_phone(&self) -> bool {
        let mut path = self.operation.path.as_str().split('/').skip(1);
        self.operation.method == Method::POST
            && path.next() == Some("agents")
            && path.next().is_some()
            && path.next() == Some("calls")
            && path.next().is_none()
    }

    /// Returns the hash that tells two different requests apart.
    pub(super) fn hash(&self) -> Uuid {
        let target = format!("{}{}", self.operation.path.as_str(), self.operation.query);
        key::hash(
            self.operation.method.as_str(),
            &target,
            self.operation.body.as_deref(),
        )
    }
}

impl<T: DeserializeOwned> Request<T> {
    pub(super) fn send_watched(&self, key: &Uuid, watch: &dyn Watch) -> Result<Response, Error> {
        let mut operation = self.operation.clone();
        operation.set_idempotency_key(&key.to_string());
        // A job has time.
        let of_client = self.http.retry.max_retry_wait;
        operation
            .max_retry_wait
            .get_or_insert(of_client.max(MAX_RETRY_WAIT));
        self.http.execute_watched(&operation, watch)
    }

    pub(super) fn decode(&self, response: &mut Response) -> Result<T, Error> {
        self.decode.decode(response)
    }

    /// Returns what the journal stores of a response.
    pub(super) fn to_store(&self, response: &Response) -> Result<StoredValue, Error> {
        Ok(match self.decode {
            Decode::Data(_) | Decode::DataOr(_) => {
                StoredValue::Data(envelope::open::<Box<RawValue>>(response)?)
            }
            Decode::Whole(_) => StoredValue::Body(match String::from_utf8(response.body.clone()) {
                Ok(text) => Body::Text(text),
                Err(error) => Body::Bytes(error.into_bytes()),
            }),
        })
    }

    /// Decodes what the journal stored, as if it were received now.
    pub(super) fn decode_stored(&self, value: &StoredValue) -> Result<T, Error> {
        let body = match value {
            StoredValue::Data(Some(data)) => format!(r#"{{"data":{data}}}"#).into_bytes(),
            StoredValue::Data(None) => Vec::new(),
            StoredValue::Body(Body::Text(text)) => text.clone().into_bytes(),
            StoredValue::Body(Body::Bytes(bytes)) => bytes.clone(),
        };
        let mut response = Response {
            call: CallInfo::new(self.operation.name(), self.operation.traits()),
            status: 200,
            headers: Headers::default(),
            body,
        };
        self.decode.decode(&mut response)
    }
}

#[cfg(test)]
mod tests {
    use crate::Client;

    #[test]
    fn only_a_request_for_a_phone_call_rings_a_phone() {
        let client = Client::builder("sk_1").base_url("http://127.0.0.1:1");
        let client = client.build().unwrap();
        for (method, path, rings) in [
            ("POST", "/agents/agt-1/calls", true),
            ("GET", "/agents/agt-1/calls", false),
            ("POST", "/agents/agt-1/calls/call-1", false),
            ("POST", "/agents/agt-1/messages", false),
            ("POST", "/agents/agt-1", false),
            ("POST", "/agents", false),
            ("POST", "/workflows/w-1/calls", false),
            ("POST", "/calls", false),
        ] {
            let request = client.request(method, path);
            assert_eq!(request.rings_a_phone(), rings, "{method} {path}");
            assert_eq!(request.is_write(), method != "GET");
        }
    }
}

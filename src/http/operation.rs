//! An operation of the API: what is requested, and the options that a caller sets for it.

use std::fmt;
use std::time::Duration;

use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use ureq::http::{HeaderName, HeaderValue, Method, Request};

use super::Http;
use super::headers::{self, CallerHeader};
use super::path::Path;
use crate::error::{CallTraits, Error, Excerpt};
use crate::headers::REQUEST_ID;
use crate::random;

pub(crate) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One call of the API, however many attempts it takes.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: Path,
    pub(crate) query: String,
    pub(crate) body: Option<Vec<u8>>,
    /// The maximum duration of one attempt, unless the caller or the client's builder sets one.
    pub(crate) default_timeout: Option<Duration>,
    pub(crate) idempotency_key: Option<HeaderValue>,
    /// If unset, each execution has a random one.
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) max_retry_wait: Option<Duration>,
    pub(crate) headers: HeaderMap,
    /// The first invalid option, reported when the operation is executed.
    refused: Option<String>,
}

impl Operation {
    /// A write gets its idempotency key here, so that executing it again is the same write.
    pub(crate) fn new(method: Method, path: Path) -> Self {
        let mut operation = Operation {
            method,
            path,
            query: String::new(),
            body: None,
            default_timeout: None,
            idempotency_key: None,
            request_id: None,
            timeout: None,
            deadline: None,
            max_retries: None,
            max_retry_wait: None,
            headers: HeaderMap::new(),
            refused: None,
        };
        if operation.is_write() {
            match random_id() {
                Ok(key) => operation.idempotency_key = Some(key),
                Err(error) => operation.refuse(error),
            }
        }
        operation
    }

    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    pub(crate) fn traits(&self) -> CallTraits {
        CallTraits {
            is_write: self.is_write(),
            has_id: self.path.has_id(),
            has_key: true,
            resumes: false,
        }
    }

    /// Returns the name for errors and log records, such as `POST /agents`.
    pub(crate) fn name(&self) -> String {
        const SHOWN: usize = 200;
        format!("{} {}", self.method, Excerpt(self.path.as_str(), SHOWN))
    }

    pub(crate) fn set_idempotency_key(&mut self, key: &str) {
        match headers::visible("idempotency key", key) {
            Ok(value) => self.idempotency_key = Some(value),
            Err(error) => self.refuse(error),
        }
    }

    pub(crate) fn set_request_id(&mut self, id: &str) {
        match headers::visible("request id", id) {
            Ok(value) => self.request_id = Some(value),
            Err(error) => self.refuse(error),
        }
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        match headers::caller_header(name, value) {
            Ok(CallerHeader::IdempotencyKey(key)) => self.set_idempotency_key(&key),
            Ok(CallerHeader::RequestId(id)) => self.set_request_id(&id),
            Ok(CallerHeader::Plain(name, value)) => {
                self.headers.insert(name, value);
            }
            Err(error) => self.refuse(error),
        }
    }

    pub(crate) fn refuse(&mut self, why: impl fmt::Display) {
        self.refused.get_or_insert_with(|| why.to_string());
    }

    /// Builds the request that every attempt sends.
    pub(super) fn request(&self, http: &Http) -> Result<Request<()>, Error> {
        let mut request = self.plain_request(http)?;
        let headers = request.headers_mut();
        let request_id = match &self.request_id {
            Some(id) => id.clone(),
            None => random_id()?,
        };
        headers.insert(REQUEST_ID.clone(), request_id);
        if let Some(key) = &self.idempotency_key {
            headers.insert(IDEMPOTENCY_KEY.clone(), key.clone());
        }
        Ok(request)
    }

    /// Builds a request whose query has the credentials, in place of the API key.
    pub(super) fn request_without_key(&self, http: &Http) -> Result<Request<()>, Error> {
        let mut request = self.plain_request(http)?;
        let headers = request.headers_mut();
        headers.remove(AUTHORIZATION);
        headers.remove(HeaderName::from_static("x-api-key"));
        Ok(request)
    }

    fn plain_request(&self, http: &Http) -> Result<Request<()>, Error> {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        if let Some(why) = &self.refused {
            return Err(Error::user(why));
        }
        let mut headers = http.headers.clone();
        headers::set_all(&mut headers, &self.headers);
        if self.body.is_some() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, JSON);
        }
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = http.base.join(&self.path, &self.query)?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Returns a random UUID (version 4) as a header value.
fn random_id() -> Result<HeaderValue, Error> {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = random::uuid()?.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).map_err(|_| Error::user("a random id is not a header value"))
}

//! A call as a value: what it asks for, its options, and `send`.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Method;

use crate::client::Client;
use crate::error::{Error, RateLimit};
use crate::headers::Headers;
use crate::http::path::{Path, push_query};
use crate::http::{Answer, Call, Http, Options, envelope};

/// A call that is ready to be sent.
///
/// Every operation returns one; [`send`](Request::send) performs it. It owns what it needs, so it
/// can be built here and sent by another thread.
///
/// Sending it once more, or a clone of it, makes the same call again, and a write has one
/// idempotency key for as long as it lives: a server that has done it already replays its answer.
/// To do a thing twice, make two requests.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// let agent = client
///     .agents()
///     .retrieve("agt_1")
///     .timeout(std::time::Duration::from_secs(5))
///     .send()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a request does nothing until it is sent"]
pub struct Request<T> {
    http: Arc<Http>,
    call: Call,
    options: Options,
    decode: Decode<T>,
}

/// How the data of an answer becomes the result.
enum Decode<T> {
    /// Data is due.
    Data(PhantomData<fn() -> T>),
    /// Data, or this where there is none.
    DataOr(fn() -> T),
    /// The answer itself.
    Whole(fn(&mut Answer) -> Result<T, Error>),
}

impl<T> Clone for Decode<T> {
    fn clone(&self) -> Self {
        match self {
            Decode::Data(marker) => Decode::Data(*marker),
            Decode::DataOr(empty) => Decode::DataOr(*empty),
            Decode::Whole(whole) => Decode::Whole(*whole),
        }
    }
}

/// Builds the options that every request has, on the field `options`.
macro_rules! call_options {
    () => {
        /// Sends this idempotency key: a server that has seen it replays its first answer.
        ///
        /// 1 to 255 visible ASCII characters. Without one, every write has a random key for all
        /// its attempts, and for each time that this request is sent.
        pub fn idempotency_key(mut self, key: impl AsRef<str>) -> Self {
            self.options.set_idempotency_key(key.as_ref());
            self
        }

        /// Sends this request id, which the server's log and answer carry.
        ///
        /// 1 to 255 visible ASCII characters; a random one otherwise.
        pub fn request_id(mut self, id: impl AsRef<str>) -> Self {
            self.options.set_request_id(id.as_ref());
            self
        }

        /// Bounds one attempt, from its look-up to the last byte of its answer.
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            if timeout.is_zero() {
                self.options
                    .refuse("a timeout of zero lets no call succeed");
            }
            self.options.timeout = Some(timeout);
            self
        }

        /// Bounds the whole call, with all its attempts and the waits between them, from `send` on.
        ///
        /// On a list each page is a call of its own.
        pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
            self.options.deadline = Some(deadline);
            self
        }

        /// How often a failed attempt is made again; 2 unless the client says otherwise.
        pub fn max_retries(mut self, retries: u32) -> Self {
            self.options.max_retries = Some(retries);
            self
        }

        /// The longest wait that the server may ask for (`Retry-After`); 60 s unless the client
        /// says otherwise. What asks for more fails at once, and says when to come back.
        pub fn max_retry_wait(mut self, wait: std::time::Duration) -> Self {
            self.options.max_retry_wait = Some(wait);
            self
        }

        /// Sends a header; one of the same name that the client sends is replaced.
        ///
        /// `Idempotency-Key` and `X-Request-Id` are the options of that name. `Authorization`,
        /// `Host`, `Content-Length`, `Transfer-Encoding` and `Connection` are refused.
        pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
            self.options.set_header(name.as_ref(), value.as_ref());
            self
        }
    };
}
pub(crate) use call_options;

impl<T> Request<T> {
    fn new(client: &Client, method: Method, path: Path) -> Self {
        let call = Call::new(method, path);
        Request {
            http: client.http().clone(),
            options: Options::of(&call),
            call,
            decode: Decode::Data(PhantomData),
        }
    }

    pub(crate) fn get(client: &Client, path: Path) -> Self {
        Self::new(client, Method::GET, path)
    }

    pub(crate) fn post(client: &Client, path: Path, body: &impl Serialize) -> Self {
        Self::new(client, Method::POST, path).with_body(body)
    }

    pub(crate) fn post_empty(client: &Client, path: Path) -> Self {
        Self::new(client, Method::POST, path)
    }

    pub(crate) fn patch(client: &Client, path: Path, body: &impl Serialize) -> Self {
        Self::new(client, Method::PATCH, path).with_body(body)
    }

    fn with_body(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.call.body = Some(bytes),
            Err(_) => self.options.refuse("the body cannot be written as JSON"),
        }
        self
    }

    /// The result of a success that has no body, where the API documents one.
    pub(crate) fn or_empty(mut self, empty: fn() -> T) -> Self {
        self.decode = Decode::DataOr(empty);
        self
    }

    /// What bounds an attempt where neither the caller nor the client's builder says.
    pub(crate) fn default_timeout(mut self, timeout: Duration) -> Self {
        self.call.default_timeout = Some(timeout);
        self
    }

    call_options!();
}

impl Request<()> {
    pub(crate) fn delete(client: &Client, path: Path) -> Self {
        Self::new(client, Method::DELETE, path).ignoring_data()
    }

    /// Takes any success, whatever its data is.
    pub(crate) fn ignoring_data(mut self) -> Self {
        self.decode = Decode::Whole(|answer| envelope::nothing(answer));
        self
    }
}

impl<T: DeserializeOwned> Request<T> {
    /// Performs the call and gives its result.
    ///
    /// # Errors
    ///
    /// See [`Error`]. A success without a body, where data was due, is an [`Error::Decode`].
    pub fn send(&self) -> Result<T, Error> {
        self.perform().map(|(data, _)| data)
    }

    /// Performs the call and gives its result with the status and headers of the answer.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Request::send).
    pub fn send_with_response(&self) -> Result<ApiResponse<T>, Error> {
        let (data, answer) = self.perform()?;
        Ok(ApiResponse::new(data, answer))
    }

    fn perform(&self) -> Result<(T, Answer), Error> {
        let mut answer = self.http.execute(&self.call, &self.options, None)?;
        let data = match self.decode {
            Decode::Data(_) => envelope::data(&answer)?,
            Decode::DataOr(empty) => envelope::open(&answer)?.unwrap_or_else(empty),
            Decode::Whole(whole) => whole(&mut answer)?,
        };
        Ok((data, answer))
    }
}

impl Client {
    /// A call of an operation that this version of the crate does not have.
    ///
    /// `path` is what comes after the API's prefix, with ids already escaped; one that leaves the
    /// prefix is refused. The result is the `data` of the answer; see [`Request::typed`] and
    /// [`Request::raw`] for others. Every write carries an idempotency key.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let report = client
    ///     .request("POST", "/agents/agt_1/reports")
    ///     .query("format", "short")
    ///     .json(&serde_json::json!({ "days": 7 }))
    ///     .send()?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(&self, method: impl AsRef<str>, path: impl AsRef<str>) -> Request<Value> {
        Request::written(self, method.as_ref(), path.as_ref())
    }
}

/// Requests of operations that this crate does not know; see [`Client::request`].
impl Request<Value> {
    pub(crate) fn written(client: &Client, method: &str, path: &str) -> Self {
        let parsed = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok();
        let known = parsed.is_some();
        let mut request = Self::new(client, parsed.unwrap_or_default(), Path::written(path))
            .or_empty(|| Value::Null);
        if !known {
            request
                .options
                .refuse(format!("{method:?} is no HTTP method"));
        }
        request
    }

    /// Appends a parameter to the query; name and value are escaped.
    pub fn query(mut self, name: impl AsRef<str>, value: impl fmt::Display) -> Self {
        push_query(&mut self.call.query, name.as_ref(), &value.to_string());
        self
    }

    /// Sends this as the JSON body.
    pub fn json(self, body: &impl Serialize) -> Self {
        self.with_body(body)
    }

    /// Decodes the envelope's `data` as a type of the caller's.
    pub fn typed<T: DeserializeOwned>(self) -> Request<T> {
        Request {
            http: self.http,
            call: self.call,
            options: self.options,
            decode: Decode::Data(PhantomData),
        }
    }

    /// Takes any success, with or without data.
    pub fn nothing(self) -> Request<()> {
        Request {
            http: self.http,
            call: self.call,
            options: self.options,
            decode: Decode::Whole(|answer| envelope::nothing(answer)),
        }
    }

    /// Gives the body as it came, envelope and all.
    pub fn raw(self) -> Request<Vec<u8>> {
        Request {
            http: self.http,
            call: self.call,
            options: self.options,
            decode: Decode::Whole(|answer| Ok(std::mem::take(&mut answer.body))),
        }
    }
}

impl<T> Clone for Request<T> {
    fn clone(&self) -> Self {
        Request {
            http: self.http.clone(),
            call: self.call.clone(),
            options: self.options.clone(),
            decode: self.decode.clone(),
        }
    }
}

/// The call it makes; never its body, headers or key.
impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request")
            .field(&format_args!("{}", self.call.operation()))
            .finish()
    }
}

/// A result with what came beside it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ApiResponse<T> {
    /// The result.
    pub data: T,
    /// The id of the request: the server's where it answered with one, else the one that was sent.
    pub request_id: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// The headers of the answer.
    pub headers: Headers,
    /// The figures of the rate limit.
    pub rate_limit: RateLimit,
    /// How many attempts it took.
    pub attempts: u32,
}

impl<T> ApiResponse<T> {
    pub(crate) fn new(data: T, answer: Answer) -> Self {
        ApiResponse {
            data,
            request_id: answer.request_id,
            status: answer.status,
            rate_limit: answer.headers.rate_limit(),
            headers: answer.headers,
            attempts: answer.attempts,
        }
    }
}

//! [`Request`] and [`ApiResponse`]: set the options of an API request and send it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Method;

use crate::client::Client;
use crate::error::{Error, Excerpt, RateLimit};
use crate::headers::Headers;
use crate::http::path::{Path, push_query};
use crate::http::{Http, Operation, Response, envelope};

/// An API request, ready to be sent.
///
/// Most operations return one, and [`send`](Request::send) sends it. It owns its data, so it can be
/// built on one thread and sent from another.
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
///
/// # Idempotency keys
///
/// Each write gets a random idempotency key when its request is created. Its retries, its clones,
/// and repeated calls of `send` use the same key, so the server performs the write once. To perform
/// it twice, create two requests. For what the server returns to a repeated `send`, see
/// [`idempotency_key`](Request::idempotency_key).
///
/// If a write is sent again while the server still works on it, the server may respond with a 409.
/// Within one `send` such a 409 is retried. If a second `send` of the same request gets a 409 at
/// its first attempt, this is returned as an error. So wait before you send a request again after a
/// timeout.
///
/// # Lists that are not paginated
///
/// A `Request<Vec<T>>` can be iterated over, as a [`ListRequest`](crate::ListRequest) can. The first `next()` sends it:
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// for channel in client.agents().channels().list("agt_1") {
///     println!("{}", channel?.name);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a request does nothing until it is sent"]
pub struct Request<T> {
    pub(crate) http: Arc<Http>,
    pub(crate) operation: Operation,
    pub(crate) decode: Decode<T>,
}

/// How the result is decoded from the response.
pub(crate) enum Decode<T> {
    /// From its data, which must be present.
    Data(PhantomData<fn() -> T>),
    /// From its data; without data this is the result.
    DataOr(fn() -> T),
    /// From the whole response.
    Whole(fn(&mut Response) -> Result<T, Error>),
}

impl<T: DeserializeOwned> Decode<T> {
    pub(crate) fn decode(&self, response: &mut Response) -> Result<T, Error> {
        match self {
            Decode::Data(_) => envelope::data(response),
            Decode::DataOr(empty) => Ok(envelope::open(response)?.unwrap_or_else(empty)),
            Decode::Whole(whole) => whole(response),
        }
    }
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

/// Builds the options that requests and lists share, on the field `options`.
macro_rules! call_options {
    () => {
        /// Sets the maximum duration of one attempt, from the DNS lookup to the last byte of the
        /// response. Default: the client's, which is 30 s, or 60 s for `conversations().send`.
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            if timeout.is_zero() {
                self.operation.refuse("timeout must not be zero");
            }
            self.operation.timeout = Some(timeout);
            self
        }

        /// Sets the maximum duration of the whole call, with its retries and the waits between
        /// them. Default: the client's, which is unlimited.
        ///
        /// For a list, it applies to each page.
        #[doc(alias = "total timeout")]
        pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
            self.operation.deadline = Some(deadline);
            self
        }

        /// Sets the maximum number of retries. Default: the client's, which is 2.
        #[doc(alias = "maxRetries")]
        #[doc(alias = "backoff")]
        #[doc(alias = "retry")]
        pub fn max_retries(mut self, retries: u32) -> Self {
            self.operation.max_retries = Some(retries);
            self
        }

        /// Sets the maximum time that the call spends in waits that the server asks for. Default: the
        /// client's, which is 120 s.
        ///
        /// See [`ClientBuilder::max_retry_wait`](crate::ClientBuilder::max_retry_wait). With zero, a
        /// call fails as soon as the server asks for a wait.
        pub fn max_retry_wait(mut self, wait: std::time::Duration) -> Self {
            self.operation.max_retry_wait = Some(wait);
            self
        }
    };
}
pub(crate) use call_options;

impl<T> Request<T> {
    /// Returns the HTTP method and path, such as `POST /agents`.
    pub(crate) fn operation(&self) -> String {
        self.operation.name()
    }

    fn new(client: &Client, method: Method, path: Path) -> Self {
        Request {
            http: client.http().clone(),
            operation: Operation::new(method, path),
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
            Ok(bytes) => self.operation.body = Some(bytes),
            Err(_) => self.operation.refuse("the body cannot be written as JSON"),
        }
        self
    }

    /// Sets the result of a success without a body, for operations that document one.
    pub(crate) fn or_empty(mut self, empty: fn() -> T) -> Self {
        self.decode = Decode::DataOr(empty);
        self
    }

    /// The maximum duration of one attempt, unless the caller or the client's builder sets one.
    pub(crate) fn default_timeout(mut self, timeout: Duration) -> Self {
        self.operation.default_timeout = Some(timeout);
        self
    }

    /// Sets the idempotency key. The server performs a write once for each key.
    ///
    /// 1 to 255 visible ASCII characters. Default: a random key for each write; see
    /// [Idempotency keys](Request#idempotency-keys).
    ///
    /// The server remembers a key for a time that is not documented. While it does:
    ///
    /// * The same request under the same key is a *replay*. The server changes nothing and returns
    ///   its stored first response, which may be out of date.
    /// * The stored response ignores later changes. That of a create may contain the id of an agent
    ///   that was deleted since, and the next call then fails with a 404.
    /// * Another body under the same key is refused with a 409.
    ///
    /// So do not use a constant key. Set a key only to repeat one particular write after a restart,
    /// and store it beforehand, for example with the row of an import.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::agents::CreateAgent;
    ///
    /// // Stored with row 17 of the import before the first attempt.
    /// let key = "7f1d6f0e-import-row-17";
    /// let body = CreateAgent::new("Ada");
    /// let agent = client.agents().create(body).idempotency_key(key).send()?;
    /// println!("{}", agent.id);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "idempotencyKey")]
    #[doc(alias = "duplicate")]
    pub fn idempotency_key(mut self, key: impl AsRef<str>) -> Self {
        self.operation.set_idempotency_key(key.as_ref());
        self
    }

    /// Sets the request id, which the server logs and returns.
    ///
    /// 1 to 255 visible ASCII characters. Default: a random UUID for each call. All attempts of the
    /// call carry it.
    pub fn request_id(mut self, id: impl AsRef<str>) -> Self {
        self.operation.set_request_id(id.as_ref());
        self
    }

    /// Sets a header. It replaces a header of the same name that the client sends.
    ///
    /// `Idempotency-Key` sets [`idempotency_key`](Request::idempotency_key), and `X-Request-Id`
    /// sets [`request_id`](Request::request_id). [`send`](Request::send)
    /// refuses these:
    ///
    /// * `Authorization`, which the client sets, and `Proxy-Authorization`, which belongs in the
    ///   proxy URL.
    /// * `Host` and `Content-Length`.
    /// * `Expect`, because the crate does not wait for `100 Continue`.
    /// * Hop-by-hop headers: `Connection`, `HTTP2-Settings`, `Keep-Alive`, `Proxy-Connection`,
    ///   `TE`, `Trailer`, `Transfer-Encoding` and `Upgrade`.
    #[doc(alias = "headers")]
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.operation.set_header(name.as_ref(), value.as_ref());
        self
    }

    call_options!();
}

impl Request<()> {
    pub(crate) fn delete(client: &Client, path: Path) -> Self {
        Self::new(client, Method::DELETE, path).ignoring_data()
    }

    /// Ignores the data of the response.
    pub(crate) fn ignoring_data(mut self) -> Self {
        self.decode = Decode::Whole(|response| envelope::discard(response));
        self
    }
}

impl<T: DeserializeOwned> Request<T> {
    /// Sends the request and returns the decoded result.
    ///
    /// # Errors
    ///
    /// See [`Error`]. A success without a body is an [`Error::Decode`] if the operation returns data.
    pub fn send(&self) -> Result<T, Error> {
        self.perform().map(|(data, _)| data)
    }

    /// Sends the request and returns the decoded result with the status and headers of the response.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Request::send).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let response = client.agents().retrieve("agt_1").send_with_response()?;
    /// println!("{} after {} attempts", response.status, response.attempts);
    /// println!("{:?}", response.headers.get("x-request-id"));
    /// println!("{}", response.data.name);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "response")]
    pub fn send_with_response(&self) -> Result<ApiResponse<T>, Error> {
        let (data, response) = self.perform()?;
        Ok(ApiResponse::new(data, response))
    }

    fn perform(&self) -> Result<(T, Response), Error> {
        let mut response = self.http.execute(&self.operation)?;
        let data = self.decode.decode(&mut response)?;
        Ok((data, response))
    }
}

impl Client {
    /// Builds a request for an operation that this version of the crate does not have.
    ///
    /// `method` is any HTTP method except `CONNECT`, `TRACE` and `PRI`. `path` is appended to
    /// `/api/v1/console`, such as `/agents/agt_1`. Percent-encode the ids in it. `send` returns
    /// [`Error::User`] for a path with `..`, and for one that starts with `/api/v1/`.
    ///
    /// The result is the field `data` of the JSON response. [`Request::decode_as`] decodes it as a
    /// type of yours, [`Request::discard_body`] ignores it, and [`Request::raw`] returns the
    /// response body as bytes. Every write carries an idempotency key.
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

/// Requests for operations that this crate does not have; see [`Client::request`].
impl Request<Value> {
    pub(crate) fn written(client: &Client, method: &str, path: &str) -> Self {
        let shown = Excerpt(method, 40);
        let mut refused = None;
        let parsed = match Method::from_bytes(method.to_ascii_uppercase().as_bytes()) {
            // They make something else of the connection, or return the request with its API key.
            Ok(method) if matches!(method.as_str(), "CONNECT" | "TRACE" | "PRI") => {
                refused = Some(format!("the method {shown} is not supported"));
                Method::GET
            }
            Ok(method) => method,
            Err(_) => {
                refused = Some(format!("\"{shown}\" is not an HTTP method"));
                Method::GET
            }
        };
        let mut request = Self::new(client, parsed, Path::written(path)).or_empty(|| Value::Null);
        if let Some(why) = refused {
            request.operation.refuse(why);
        }
        request
    }

    /// Appends a query parameter. Escapes its name and value.
    pub fn query(mut self, name: impl AsRef<str>, value: impl fmt::Display) -> Self {
        push_query(&mut self.operation.query, name.as_ref(), &value.to_string());
        self
    }

    /// Sets the JSON request body.
    pub fn json(self, body: &impl Serialize) -> Self {
        self.with_body(body)
    }

    /// Decodes the `data` of the response as `T`.
    ///
    /// If the list is paginated, iterating over the `Request<Vec<T>>` fetches all pages:
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let reports = client.request("GET", "/reports");
    /// for report in reports.decode_as::<Vec<serde_json::Value>>() {
    ///     println!("{}", report?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn decode_as<T: DeserializeOwned>(self) -> Request<T> {
        Request {
            http: self.http,
            operation: self.operation,
            decode: Decode::Data(PhantomData),
        }
    }

    /// Ignores the data of the response.
    pub fn discard_body(self) -> Request<()> {
        Request {
            http: self.http,
            operation: self.operation,
            decode: Decode::Whole(|response| envelope::discard(response)),
        }
    }

    #[doc(hidden)]
    #[deprecated(note = "renamed to `decode_as`")]
    pub fn typed<T: DeserializeOwned>(self) -> Request<T> {
        self.decode_as()
    }

    #[doc(hidden)]
    #[deprecated(note = "renamed to `discard_body`")]
    pub fn nothing(self) -> Request<()> {
        self.discard_body()
    }

    /// Returns the response body as received, with the outer JSON object (`{"data": …}`).
    pub fn raw(self) -> Request<Vec<u8>> {
        Request {
            http: self.http,
            operation: self.operation,
            decode: Decode::Whole(|response| Ok(std::mem::take(&mut response.body))),
        }
    }
}

impl<T> Clone for Request<T> {
    fn clone(&self) -> Self {
        Request {
            http: self.http.clone(),
            operation: self.operation.clone(),
            decode: self.decode.clone(),
        }
    }
}

/// Prints the method and path, but no body, no headers and no API key.
impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request")
            .field(&format_args!("{}", self.operation.name()))
            .finish()
    }
}

/// A result with the metadata of its response.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = bimpeai::emulator::Emulator::start()?;
/// # let client = emulator.client_builder().build()?;
/// let response = client.workflows().list().send_with_response()?;
/// println!("{} after {} attempts", response.status, response.attempts);
/// println!("request {:?}", response.request_id);
/// println!("{:?}", response.headers.get("content-type"));
/// for workflow in response.data.data {
///     println!("{}", workflow.name);
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "response")]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ApiResponse<T> {
    /// The result.
    pub data: T,
    /// The request id: the server's if it sent one, else the one that was sent.
    pub request_id: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// The response headers.
    pub headers: Headers,
    /// The state of the rate limit.
    pub rate_limit: RateLimit,
    /// The number of attempts.
    pub attempts: u32,
    /// Whether the server says that it performed this write before, under the same idempotency key,
    /// and that this is its response of that time (`Idempotency-Replayed: true`).
    pub is_replay: bool,
}

impl<T> ApiResponse<T> {
    pub(crate) fn new(data: T, response: Response) -> Self {
        ApiResponse {
            data,
            request_id: response.call.request_id,
            status: response.status,
            rate_limit: response.headers.rate_limit(),
            is_replay: response.headers.is_replay(),
            headers: response.headers,
            attempts: response.call.attempts,
        }
    }
}

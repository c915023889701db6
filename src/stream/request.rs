//! The request that opens a stream, and its options.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ureq::http::Method;

use super::options::StreamOptions;
use super::queue::Queue;
use super::reader::Reader;
use super::receiver::{LazyStream, Receiver};
use super::{LifecycleStream, MessageStream, StreamHandle, StreamMessageEvent, StreamPosition};
use crate::client::Client;
use crate::error::{CallInfo, CallTraits, ConnectionError, ConnectionKind, Error};
use crate::http::headers::{CallerHeader, caller_header};
use crate::http::path::{Path, push_query};
use crate::http::{Http, Operation};

/// A request that opens an event stream.
///
/// Iterating over it opens the stream at the first `next()`. A failed opening is then the first
/// item. [`open`](StreamRequest::open) opens it at once: messages sent afterwards are received.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// let messages = client.conversations().messages();
/// let stream = messages.stream("agt_1", "cnv_1").open()?;
/// for message in stream {
///     let message = message?;
///     let text = message.message.unwrap_or_default();
///     println!("{}: {text}", message.role);
/// }
/// # Ok(())
/// # }
/// ```
///
/// The stream reconnects and resumes after the last message automatically. Each message is
/// delivered once: a duplicate is recognized by the `id` in the message or, if there is none, by
/// the `id:` line of the event. The last 4,096 messages are remembered. This takes up to 96 KiB a
/// stream.
#[doc(alias = "duplicate")]
#[doc(alias = "SSE")]
#[must_use = "a stream does nothing until it is opened or iterated over"]
pub struct StreamRequest {
    pub(super) http: Arc<Http>,
    ticket_path: Path,
    stream_path: Path,
    pub(super) options: StreamOptions,
    buffer: usize,
    queue: Arc<Queue>,
    refused: Option<String>,
}

impl StreamRequest {
    /// `conversation` is the path of the conversation.
    pub(crate) fn new(client: &Client, conversation: Path) -> Self {
        StreamRequest {
            http: client.http().clone(),
            ticket_path: conversation.clone().then("stream-ticket"),
            stream_path: conversation.then("stream"),
            options: StreamOptions::default(),
            buffer: 1024,
            queue: Arc::new(Queue::default()),
            refused: None,
        }
    }

    /// Starts after this position: a message id, a [`SystemTime`](std::time::SystemTime) or a time
    /// as text (RFC 3339). Default: the time of opening. An empty string is the same as not calling
    /// `after`.
    ///
    /// Messages sent since then are delivered first. Pass the stored
    /// [`resume_point`](MessageStream::resume_point) of an earlier run to miss nothing in between.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    /// let messages = client.conversations().messages();
    /// let stream = messages.stream("agt_1", "cnv_1").after(an_hour_ago);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let messages = client.conversations().messages();
    /// let stream = messages
    ///     .stream("agt_1", "cnv_1")
    ///     .after("2026-06-05T08:00:00Z")
    ///     .open()?;
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "resume")]
    #[doc(alias = "Last-Event-ID")]
    pub fn after(mut self, after: impl Into<StreamPosition>) -> Self {
        let StreamPosition(after) = after.into();
        self.options.after = Some(after).filter(|after| !after.is_empty());
        self
    }

    /// Sets whether the stream reconnects when its connection ends. Default: `true`.
    ///
    /// With `false`, the stream ends without an error when its connection ends, unless the server
    /// reported one in an `error` event.
    #[doc(alias = "resume")]
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.options.reconnect = reconnect;
        self
    }

    /// Sets the maximum number of consecutive failures. Default: 5 before the first connection is
    /// established, unlimited afterwards. A value that you set applies to both.
    ///
    /// One more failure ends the stream with its error. An outage longer than
    /// [`max_outage`](Self::max_outage) ends it too. These are not failures:
    ///
    /// - A connection that breaks after a new message or heartbeat was received, or after 8 s. It
    ///   resets the count to zero.
    /// - A 429 or 503 with `Retry-After`. The stream waits as long as the server asks, and the
    ///   count does not change. If the server asks for more than the client's `max_retry_wait`, the
    ///   stream ends with the server's error.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.options.max_retries = Some(retries);
        self
    }

    /// Sets the maximum time that the stream tries to reconnect while no connection works. Default:
    /// 5 minutes.
    ///
    /// A connection works once it has received a message or a heartbeat, or has lasted 8 s. An
    /// outage begins when the stream is opened, or when a working connection ends. The first failed
    /// attempt after this time ends the stream with its error. `Duration::MAX` means no limit.
    ///
    /// Between attempts it waits for a random 50–100 % of a delay that starts at 0.5 s and doubles up
    /// to 8 s. A `retry:` line of the server replaces the first delay.
    pub fn max_outage(mut self, outage: Duration) -> Self {
        self.options.max_outage = outage;
        self
    }

    /// Sets the time without a message or heartbeat after which the stream reconnects. Default: 60
    /// s, which is three heartbeats of the server.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.refuse("idle_timeout must not be zero");
        }
        self.options.idle_timeout = timeout;
        self
    }

    /// Sets the maximum number of received messages that wait to be taken from the stream. Default:
    /// 1,024.
    ///
    /// Waiting messages are also limited to 512 KiB of memory. At either limit, the stream stops
    /// reading until your code has taken three quarters of the waiting messages. The limits may be
    /// exceeded by one read: up to 256 messages, or one message of up to 1 MiB.
    pub fn buffer(mut self, messages: usize) -> Self {
        self.buffer = messages;
        self
    }

    /// Limits each of the two requests that open a stream: the request for the ticket, and the wait
    /// for the response headers of the stream. Default: the client's timeout.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.refuse("timeout must not be zero");
        }
        self.options.timeout = Some(timeout);
        self
    }

    /// Sends a header with both requests that open a stream.
    ///
    /// `Idempotency-Key` and `X-Request-Id` are not allowed, because a stream sends many requests.
    /// Neither are the headers that [`Request::header`](crate::Request::header) refuses.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        match caller_header(name.as_ref(), value.as_ref()) {
            Ok(CallerHeader::Plain(name, value)) => {
                self.options.headers.insert(name, value);
            }
            Ok(CallerHeader::IdempotencyKey(_) | CallerHeader::RequestId(_)) => {
                let name = name.as_ref();
                self.refuse(format!(
                    "the header {name:?} belongs to one call, not to a stream"
                ));
            }
            Err(error) => self.refuse(error),
        }
        self
    }

    /// Returns a handle that cancels the stream from any thread: before it is open, while it opens,
    /// and afterwards.
    pub fn handle(&self) -> StreamHandle {
        StreamHandle {
            queue: self.queue.clone(),
        }
    }

    /// Opens the stream and waits until its first connection is established.
    ///
    /// # Errors
    ///
    /// The error of the last attempt if no connection is established within
    /// [`max_retries`](Self::max_retries) and [`max_outage`](Self::max_outage). Errors that a retry
    /// cannot fix, such as 401, 403 and 404, are returned at once. [`Error::Cancelled`] if a
    /// [`StreamHandle`] was used meanwhile.
    pub fn open(self) -> Result<MessageStream, Error> {
        let mut stream = LazyStream::unopened(self);
        stream.open(false)?;
        Ok(MessageStream { stream })
    }

    /// Returns a stream of all events: messages, heartbeats, and what happens to the connection.
    ///
    /// It opens at the first `next()`, or with [`LifecycleStream::open`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::stream::StreamEvent;
    ///
    /// let messages = client.conversations().messages();
    /// for event in messages.stream("agt_1", "cnv_1").lifecycle() {
    ///     match event? {
    ///         StreamEvent::Connected => println!("connected"),
    ///         StreamEvent::Message(message) => println!("{}", message.id),
    ///         StreamEvent::Disconnected { wait, .. } => {
    ///             println!("disconnected; next attempt in {wait:?}");
    ///         }
    ///         _ => {} // heartbeats
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn lifecycle(self) -> LifecycleStream {
        LifecycleStream {
            stream: LazyStream::unopened(self),
        }
    }

    fn refuse(&mut self, why: impl fmt::Display) {
        self.refused.get_or_insert_with(|| why.to_string());
    }

    pub(super) fn operation(&self) -> String {
        Operation::new(Method::GET, self.stream_path.clone()).name()
    }

    /// Starts the reader's thread.
    pub(super) fn start(self, lifecycle: bool) -> Result<Receiver, Error> {
        let operation = self.operation();
        let info = CallInfo::new(operation, CallTraits::STREAM);
        let refuse = |error: Error| Err(error.in_operation(&info.operation));
        if let Some(why) = &self.refused {
            return refuse(Error::user(why));
        }
        let mut query = String::new();
        if let Some(after) = &self.options.after {
            push_query(&mut query, "after", after);
        }
        let url = match self.http.base.join(&self.stream_path, &query) {
            Ok(url) => url,
            Err(error) => return refuse(error),
        };
        let queue = self.queue;
        queue.bound(self.buffer);
        // A header takes a line with its name.
        let headers = self.http.headers.iter().chain(&self.options.headers);
        let header = headers.map(|(name, value)| name.as_str().len() + value.len());
        let line = (url.path().len() + query.len()).max(header.max().unwrap_or(0));
        let agent = self.http.stream_agent(line);
        queue.set_agent(agent.clone());
        let dependent: Weak<Queue> = Arc::downgrade(&queue);
        self.http.shutdown.add(dependent);
        if queue.is_cancelled() {
            return Err(Error::cancelled(info));
        }
        let reader = Reader::new(
            self.http.clone(),
            agent,
            queue.clone(),
            self.options.clone(),
            self.ticket_path,
            self.stream_path,
            info.clone(),
            lifecycle,
        );
        let thread = std::thread::Builder::new()
            .name("bimpeai-stream".to_owned())
            .spawn(move || reader.run())
            .map_err(|error| {
                Error::Connection(Box::new(ConnectionError {
                    call: info.clone(),
                    kind: ConnectionKind::NotConnected,
                    what: "no thread could be started for the stream".to_owned(),
                    source: Some(error.into()),
                }))
            })?;
        queue.set_thread(thread);
        Ok(Receiver::new(queue, info, self.options.after))
    }
}

/// Prints the method and path, but no headers and no start position.
impl fmt::Debug for StreamRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamRequest")
            .field(&format_args!("{}", self.operation()))
            .finish()
    }
}

impl IntoIterator for StreamRequest {
    type Item = Result<StreamMessageEvent, Error>;
    type IntoIter = MessageStream;

    fn into_iter(self) -> MessageStream {
        MessageStream {
            stream: LazyStream::unopened(self),
        }
    }
}

//! Messages of a conversation as they come.
//!
//! [`StreamRequest`] is the call, [`MessageStream`] what it opens, [`StreamHandle`] stops it from
//! any thread.

mod batch;
mod buffer;
mod cursor;
mod event;
mod queue;
mod reader;

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::HeaderMap;

use crate::client::Client;
use crate::error::{CallInfo, CancelledError, ConnectionError, ConnectionKind, Error, SkipReason};
use crate::http::Http;
use crate::http::headers::{CallerHeader, caller_header};
use crate::http::path::{Path, push_query};
use batch::{Batch, Kind};
pub use event::{
    MessageRole, StreamHeartbeatEvent, StreamMessageEvent, StreamMessageRole, StreamTicket,
};
use queue::{Item, Queue, Taken};
use reader::Reader;

/// A stream that is ready to be opened.
///
/// Iterating over it opens it at the first `next()`, and a failed opening is the first item;
/// [`open`](StreamRequest::open) opens it here and now, so that what is sent afterwards is seen.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// let messages = client.conversations().messages();
/// let stream = messages.stream("agt_1", "cnv_1").open()?;
/// for message in stream {
///     let message = message?;
///     println!("{}: {}", message.role, message.message.as_deref().unwrap_or(""));
/// }
/// # Ok(())
/// # }
/// ```
///
/// It connects again and goes on from the last message by itself; each message comes once. A
/// repeat is recognised among at least the last 4,096 messages.
#[must_use = "a stream does nothing until it is opened or iterated over"]
pub struct StreamRequest {
    http: Arc<Http>,
    ticket_path: Path,
    stream_path: Path,
    options: StreamOptions,
    buffer: usize,
    queue: Arc<Queue>,
    refused: Option<String>,
}

#[derive(Clone)]
pub(crate) struct StreamOptions {
    after: Option<String>,
    reconnect: bool,
    max_retries: u32,
    idle_timeout: Duration,
    timeout: Option<Duration>,
    headers: HeaderMap,
}

impl StreamRequest {
    /// `conversation` is the path of the conversation.
    pub(crate) fn new(client: &Client, conversation: Path) -> Self {
        StreamRequest {
            http: client.http().clone(),
            ticket_path: conversation.clone().then("stream-ticket"),
            stream_path: conversation.then("stream"),
            options: StreamOptions {
                after: None,
                reconnect: true,
                max_retries: 5,
                idle_timeout: Duration::from_secs(60),
                timeout: None,
                headers: HeaderMap::new(),
            },
            buffer: 1024,
            queue: Arc::new(Queue::default()),
            refused: None,
        }
    }

    /// Starts after this message id, or after this ISO 8601 time: what was sent since comes first.
    ///
    /// [`MessageStream::last_event_id`] of an earlier run belongs here.
    pub fn after(mut self, after: impl Into<String>) -> Self {
        self.options.after = Some(after.into()).filter(|after| !after.is_empty());
        self
    }

    /// Whether to connect again when the connection ends; `true` unless set.
    ///
    /// With `false` the end of the connection, however it comes, is the end of the stream.
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.options.reconnect = reconnect;
        self
    }

    /// How many connections in a row may bring neither a new message nor a heartbeat; 5 unless set.
    /// The next one that does ends the stream with its error.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.options.max_retries = retries;
        self
    }

    /// How long a connection may be silent before it counts as dead; 60 s unless set, which is
    /// three heartbeats of the server.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.refuse("an idle timeout of zero lets no stream live");
        }
        self.options.idle_timeout = timeout;
        self
    }

    /// How many messages may wait for the caller; 1,024 unless set, and 512 KiB of memory at most.
    ///
    /// A full queue holds the server back: nothing more is read until the caller has taken three
    /// quarters of it. What one read of the socket has brought is never cut in two, so that the queue
    /// may hold that much more.
    pub fn buffer(mut self, messages: usize) -> Self {
        self.buffer = messages;
        self
    }

    /// Bounds the ticket call, and then the wait for the stream's headers; the client's timeout
    /// unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.refuse("a timeout of zero lets no stream open");
        }
        self.options.timeout = Some(timeout);
        self
    }

    /// Sends a header with the ticket call and with the stream.
    ///
    /// `Idempotency-Key` and `X-Request-Id` are refused, because a stream makes many calls, and so
    /// are the headers that [`Request::header`](crate::request::Request::header) refuses.
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

    /// What stops the stream from any thread, before it is open, while it opens, and afterwards.
    pub fn handle(&self) -> StreamHandle {
        StreamHandle {
            queue: self.queue.clone(),
        }
    }

    /// Opens the stream and waits until its first connection stands.
    ///
    /// # Errors
    ///
    /// The error of the last attempt when no connection can be had within the retry budget, and at
    /// once what no other attempt can mend: 401, 403 and 404 among others. [`Error::Cancelled`]
    /// when a [`StreamHandle`] was used meanwhile.
    pub fn open(self) -> Result<MessageStream, Error> {
        let inbox = self.start(false)?.opened()?;
        Ok(MessageStream {
            source: Source::open(inbox),
        })
    }

    /// Shows all that happens to the stream, not its messages alone; opened by `next()`.
    pub fn lifecycle(self) -> LifecycleStream {
        LifecycleStream {
            source: Source::unopened(self),
        }
    }

    fn refuse(&mut self, why: impl fmt::Display) {
        self.refused.get_or_insert_with(|| why.to_string());
    }

    fn operation(&self) -> String {
        crate::http::Call::new(ureq::http::Method::GET, self.stream_path.clone()).operation()
    }

    /// Starts the reader's thread.
    fn start(self, lifecycle: bool) -> Result<Inbox, Error> {
        let operation = self.operation();
        let info = CallInfo {
            operation,
            attempts: 0,
            request_id: None,
            sent: false,
            page: None,
        };
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
        if queue.is_cancelled() {
            return Err(Error::Cancelled(Box::new(CancelledError { call: info })));
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
                    source: Some(error),
                }))
            })?;
        queue.set_thread(thread);
        Ok(Inbox {
            owner: Owner(queue),
            info,
            batch: None,
            last_event_id: self.options.after.clone(),
            done: false,
        })
    }
}

/// The call it makes; never its headers, nor where it starts.
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
            source: Source::unopened(self),
        }
    }
}

/// Stops a stream, from any thread.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// let request = client.conversations().messages().stream("agt_1", "cnv_1");
/// let handle = request.handle();
/// std::thread::spawn(move || {
///     std::thread::sleep(std::time::Duration::from_secs(60));
///     handle.cancel();
/// });
/// for message in request {
///     println!("{}", message?.id);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StreamHandle {
    queue: Arc<Queue>,
}

impl StreamHandle {
    /// Ends the stream: what is buffered is discarded, `next()` gives `None`, the connection is
    /// closed and the reader's thread ends.
    ///
    /// It waits for that thread for 50 ms at most; one within a look-up or a TCP connect cannot be
    /// interrupted, and ends by itself. Calling it again does nothing.
    pub fn cancel(&self) {
        self.queue.cancel();
    }

    /// Whether the stream was cancelled, or dropped.
    pub fn is_cancelled(&self) -> bool {
        self.queue.is_cancelled()
    }
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamHandle")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}

/// The reader ends with the stream that owns it.
struct Owner(Arc<Queue>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The caller's end of the queue.
struct Inbox {
    owner: Owner,
    info: CallInfo,
    batch: Option<Batch>,
    /// Of the batches before this one.
    last_event_id: Option<String>,
    done: bool,
}

/// What the caller gets, of whatever view.
enum Delivery {
    Message(Result<StreamMessageEvent, Error>),
    Heartbeat(StreamHeartbeatEvent),
    Connected,
    Disconnected { error: Error, wait: Duration },
    Ended(Option<Error>),
    Nothing,
}

impl Inbox {
    /// Waits for the first connection.
    fn opened(mut self) -> Result<Self, Error> {
        match self.owner.0.wait_until_open() {
            Ok(()) => Ok(self),
            Err(Some(error)) => Err(error),
            Err(None) => {
                self.done = true;
                let call = self.info.clone();
                Err(Error::Cancelled(Box::new(CancelledError { call })))
            }
        }
    }

    fn next(&mut self, until: Option<Instant>) -> Delivery {
        loop {
            if self.done {
                return Delivery::Ended(None);
            }
            if self.owner.0.is_cancelled() {
                self.done = true;
                self.leave_batch();
                return Delivery::Ended(None);
            }
            if self.batch.as_mut().is_some_and(Batch::advance) {
                return self.deliver();
            }
            let left = self.leave_batch();
            match self.owner.0.take(left, until) {
                Taken::Item(Item::Batch(batch)) => self.batch = Some(batch),
                Taken::Item(Item::Connected) => return Delivery::Connected,
                Taken::Item(Item::Disconnected { error, wait }) => {
                    return Delivery::Disconnected { error, wait };
                }
                Taken::Ended(error) => {
                    self.done = true;
                    return Delivery::Ended(error);
                }
                Taken::Nothing => return Delivery::Nothing,
            }
        }
    }

    /// What the batch was moved to.
    fn deliver(&mut self) -> Delivery {
        let batch = self.batch.as_ref();
        let Some((batch, event)) = batch.and_then(|batch| Some((batch, batch.event()?))) else {
            return Delivery::Nothing;
        };
        match &event.kind {
            Kind::Heartbeat => Delivery::Heartbeat(batch::heartbeat(batch.data(event))),
            Kind::Oversized(oversized) => {
                let reason = SkipReason::TooLarge(oversized.limit());
                let id = batch.id(event);
                Delivery::Message(Err(batch::skipped(&self.info, id, &[], reason)))
            }
            Kind::Message => Delivery::Message(batch.message(event, &self.info)),
        }
    }

    /// The next message, where it is here already: what nearly every call gives, without the moves
    /// from one type into the other that all the other cases take.
    #[inline]
    fn ready(&mut self) -> Option<Result<StreamMessageEvent, Error>> {
        let batch = self.batch.as_mut().filter(|batch| batch.has_message())?;
        if self.done || self.owner.0.is_cancelled() || !batch.advance() {
            return None;
        }
        let event = batch.event()?;
        Some(batch.message(event, &self.info))
    }

    /// Lets go of the batch, and keeps where it ended.
    fn leave_batch(&mut self) -> Option<Batch> {
        let batch = self.batch.take()?;
        if let Some(id) = batch.last_id() {
            let last = self.last_event_id.get_or_insert_default();
            last.clear();
            last.push_str(id);
        }
        Some(batch)
    }

    fn last_event_id(&self) -> Option<&str> {
        let of_batch = self.batch.as_ref().and_then(Batch::last_id);
        of_batch.or(self.last_event_id.as_deref())
    }
}

/// A stream, opened or about to be, behind each of its views.
struct Source {
    /// Until it is opened.
    request: Option<Box<StreamRequest>>,
    inbox: Option<Inbox>,
    handle: StreamHandle,
}

impl Source {
    fn unopened(request: StreamRequest) -> Self {
        Source {
            handle: request.handle(),
            request: Some(Box::new(request)),
            inbox: None,
        }
    }

    fn open(inbox: Inbox) -> Self {
        Source {
            handle: StreamHandle {
                queue: inbox.owner.0.clone(),
            },
            request: None,
            inbox: Some(inbox),
        }
    }

    /// What comes next; opens the stream where that is still to be done.
    fn next(&mut self, lifecycle: bool, until: Option<Instant>) -> Delivery {
        if let Some(request) = self.request.take() {
            match request.start(lifecycle) {
                Ok(inbox) => self.inbox = Some(inbox),
                Err(Error::Cancelled(_)) => return Delivery::Ended(None),
                Err(error) => return Delivery::Ended(Some(error)),
            }
        }
        match &mut self.inbox {
            Some(inbox) => inbox.next(until),
            None => Delivery::Ended(None),
        }
    }

    fn last_event_id(&self) -> Option<&str> {
        match (&self.inbox, &self.request) {
            (Some(inbox), _) => inbox.last_event_id(),
            (None, Some(request)) => request.options.after.as_deref(),
            (None, None) => None,
        }
    }
}

/// The messages of a conversation, one after another.
///
/// It reconnects by itself. An item is `Err` in two cases:
///
/// - [`Error::SkippedMessage`]: one message cannot be decoded or is too large. The stream continues.
/// - Any other error is the last item and says why the stream ended. `None` follows, always.
///
/// A stream never ends without an error while it may reconnect, unless it is cancelled. Dropping it
/// closes its connection and ends its thread.
pub struct MessageStream {
    source: Source,
}

impl MessageStream {
    /// What stops the stream from any thread.
    pub fn handle(&self) -> StreamHandle {
        self.source.handle.clone()
    }

    /// The id of the last message that was taken from the stream, or what it started after.
    ///
    /// Store it once the work on that message is done, and give it to [`StreamRequest::after`] in
    /// the next run: nothing is missed in between.
    pub fn last_event_id(&self) -> Option<&str> {
        self.source.last_event_id()
    }

    /// Waits for the next message for at most so long.
    ///
    /// # Errors
    ///
    /// Those that the iterator gives as items.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.receive(Instant::now().checked_add(timeout))
    }

    /// The next message, if it is there already.
    ///
    /// # Errors
    ///
    /// Those that the iterator gives as items.
    pub fn try_recv(&mut self) -> Result<Received, Error> {
        self.receive(Some(Instant::now()))
    }

    fn receive(&mut self, until: Option<Instant>) -> Result<Received, Error> {
        loop {
            match self.source.next(false, until) {
                Delivery::Message(message) => return message.map(Received::Message),
                Delivery::Ended(Some(error)) => return Err(error),
                Delivery::Ended(None) => return Ok(Received::Ended),
                Delivery::Nothing => return Ok(Received::Nothing),
                Delivery::Heartbeat(_) | Delivery::Connected | Delivery::Disconnected { .. } => {}
            }
        }
    }
}

impl Iterator for MessageStream {
    type Item = Result<StreamMessageEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(message) = self.source.inbox.as_mut().and_then(Inbox::ready) {
            return Some(message);
        }
        match self.receive(None) {
            Ok(Received::Message(message)) => Some(Ok(message)),
            Ok(Received::Nothing | Received::Ended) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl FusedIterator for MessageStream {}

/// Where the stream is; never a message or a ticket.
impl fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt("MessageStream", f)
    }
}

/// What [`MessageStream::recv_timeout`] and [`MessageStream::try_recv`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Received {
    /// A message.
    Message(StreamMessageEvent),
    /// Nothing yet.
    Nothing,
    /// The stream has ended, and nothing more will come.
    Ended,
}

/// All that happens to a stream, from [`StreamRequest::lifecycle`].
///
/// It opens at the first `next()`. Errors are items as those of [`MessageStream`].
pub struct LifecycleStream {
    source: Source,
}

/// One thing that happens to a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamEvent {
    /// A connection stands.
    Connected,
    /// A message came.
    Message(StreamMessageEvent),
    /// The server is alive, and has nothing to say.
    Heartbeat(StreamHeartbeatEvent),
    /// The connection ended, or could not be had; another is made after `wait`.
    #[non_exhaustive]
    Disconnected {
        /// Why.
        error: Error,
        /// How long until the next attempt.
        wait: Duration,
    },
}

impl LifecycleStream {
    /// What stops the stream from any thread.
    pub fn handle(&self) -> StreamHandle {
        self.source.handle.clone()
    }

    /// The id of the last message that was taken; see [`MessageStream::last_event_id`].
    pub fn last_event_id(&self) -> Option<&str> {
        self.source.last_event_id()
    }
}

impl Iterator for LifecycleStream {
    type Item = Result<StreamEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.source.next(true, None) {
            Delivery::Message(message) => message.map(StreamEvent::Message),
            Delivery::Heartbeat(heartbeat) => Ok(StreamEvent::Heartbeat(heartbeat)),
            Delivery::Connected => Ok(StreamEvent::Connected),
            Delivery::Disconnected { error, wait } => Ok(StreamEvent::Disconnected { error, wait }),
            Delivery::Ended(error) => return error.map(Err),
            Delivery::Nothing => return None,
        })
    }
}

impl FusedIterator for LifecycleStream {}

/// Where the stream is; never a message or a ticket.
impl fmt::Debug for LifecycleStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt("LifecycleStream", f)
    }
}

impl Source {
    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.request, &self.inbox) {
            (Some(request), _) => format!("{}, not opened", request.operation()),
            (None, Some(inbox)) => inbox.info.operation.clone(),
            (None, None) => "ended".to_owned(),
        };
        f.debug_tuple(name).field(&format_args!("{state}")).finish()
    }
}

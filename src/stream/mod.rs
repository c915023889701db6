//! Messages of a conversation as they arrive.
//!
//! [`StreamRequest`] opens a [`MessageStream`] or a [`LifecycleStream`]. A [`StreamHandle`] cancels
//! either from any thread.

mod batch;
mod buffer;
mod cursor;
mod dedup;
mod event;
mod follow;
mod policy;
mod queue;
mod reader;
mod request;
mod time;

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{CallInfo, CancelledError, Error, SkipReason};
use batch::{Batch, Kind};
use cursor::is_position;
pub use event::{
    MessageRole, StreamHeartbeatEvent, StreamMessageEvent, StreamMessageRole, StreamTicket,
};
use queue::{Item, Queue, Taken};
pub use request::StreamRequest;

/// The messages of a conversation, in order, each once.
///
/// It reconnects by itself. An item is `Err` in two cases:
///
/// - [`Error::SkippedMessage`]: one message cannot be decoded or is too large. The stream continues.
/// - Any other error is the last item and says why the stream ended. `None` follows, always.
///
/// A stream never ends without an error while it may reconnect, unless it is cancelled. Dropping it
/// closes its connection and ends its thread.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// # let stored: Option<String> = None;
/// # fn store(_: &str) {}
/// use bimpeai::Error;
///
/// let mut request = client.conversations().messages().stream("agt_1", "cnv_1");
/// if let Some(position) = stored {
///     request = request.after(position);
/// }
/// let mut stream = request.open()?;
/// // Not `for`, because the loop needs the stream for its position.
/// while let Some(message) = stream.next() {
///     match message {
///         Ok(message) => println!("{}", message.id),
///         Err(Error::SkippedMessage(skipped)) => eprintln!("{skipped}"),
///         Err(error) => return Err(error),
///     }
///     if let Some(position) = stream.resume_point() {
///         store(position);
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// A loop can borrow the stream, so that it is still there afterwards:
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// let mut stream = client.conversations().messages().stream("agt_1", "cnv_1").open()?;
/// for message in &mut stream {
///     if message?.message.as_deref() == Some("stop") {
///         break;
///     }
/// }
/// println!("stopped after {:?}", stream.last_event_id());
/// for message in stream.by_ref().take(3) {
///     println!("{}", message?.id);
/// }
/// # Ok(())
/// # }
/// ```
pub struct MessageStream {
    source: Source,
}

impl MessageStream {
    /// Returns a handle that cancels the stream from any thread.
    pub fn handle(&self) -> StreamHandle {
        self.source.handle.clone()
    }

    /// Returns the position from which another stream misses nothing: give it to
    /// [`StreamRequest::after`] in the next run.
    ///
    /// | what was taken from the stream | the position |
    /// |---|---|
    /// | a message | its id |
    /// | nothing yet | the value given to [`StreamRequest::after`], else the time of the opening |
    ///
    /// The time of the opening is the server's, minus 10 s, as ISO 8601. A run that starts there may
    /// deliver messages from those seconds again. It is known as soon as
    /// [`open`](StreamRequest::open) returns, unless the server sends no `Date`. Then it is known
    /// from the first heartbeat, and `None` until then.
    ///
    /// Store it once the work on the message is done. An id that is too long for a request (more
    /// than 1,024 bytes) is never a position: the one before it stays.
    pub fn resume_point(&self) -> Option<&str> {
        self.source.resume_point()
    }

    /// Returns the id of the last message that was taken from the stream, of any length. A skipped
    /// message counts.
    ///
    /// Before the first message, this is what the stream started after, as in
    /// [`resume_point`](Self::resume_point). To continue in the next run, prefer `resume_point`: it
    /// promises a value that [`StreamRequest::after`] can send.
    pub fn last_event_id(&self) -> Option<&str> {
        self.source.last_event_id()
    }

    /// Waits up to `timeout` for the next message. Opens the stream if it is not open yet.
    ///
    /// # Errors
    ///
    /// The errors that the iterator yields as items.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.receive(Instant::now().checked_add(timeout))
    }

    /// Returns the next message if it has arrived. Starts opening the stream if it is not open yet.
    ///
    /// # Errors
    ///
    /// The errors that the iterator yields as items.
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

/// Its operation and state; never a message or a ticket.
impl fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt("MessageStream", f)
    }
}

/// Returned by [`MessageStream::recv_timeout`] and [`MessageStream::try_recv`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Received {
    /// A message.
    Message(StreamMessageEvent),
    /// Nothing yet.
    Nothing,
    /// The stream has ended. Nothing more follows.
    Ended,
}

/// All events of a stream, from [`StreamRequest::lifecycle`].
///
/// It opens at the first `next()`, or with [`open`](Self::open). Errors are items as in
/// [`MessageStream`].
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// use std::time::{Duration, Instant};
/// use bimpeai::stream::{ReceivedEvent, StreamEvent};
///
/// let request = client.conversations().messages().stream("agt_1", "cnv_1");
/// let mut stream = request.lifecycle().open()?;
/// let until = Instant::now() + Duration::from_secs(60);
/// loop {
///     let left = until.saturating_duration_since(Instant::now());
///     match stream.recv_timeout(left)? {
///         ReceivedEvent::Event(StreamEvent::Message(message)) => println!("{}", message.id),
///         ReceivedEvent::Event(StreamEvent::Disconnected { error, wait, .. }) => {
///             eprintln!("{error}; reconnecting in {wait:?}");
///         }
///         ReceivedEvent::Event(_) => {}
///         ReceivedEvent::Nothing | ReceivedEvent::Ended => break,
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct LifecycleStream {
    source: Source,
}

/// One event of a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamEvent {
    /// A connection is established.
    Connected,
    /// A message arrived.
    Message(StreamMessageEvent),
    /// A heartbeat arrived: the connection is alive.
    Heartbeat(StreamHeartbeatEvent),
    /// The connection ended, or could not be established. The next attempt follows after `wait`.
    #[non_exhaustive]
    Disconnected {
        /// The reason.
        error: Error,
        /// The delay before the next attempt.
        wait: Duration,
    },
}

/// Returned by [`LifecycleStream::recv_timeout`] and [`LifecycleStream::try_recv`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceivedEvent {
    /// An event.
    Event(StreamEvent),
    /// Nothing yet.
    Nothing,
    /// The stream has ended. Nothing more follows.
    Ended,
}

impl LifecycleStream {
    /// Opens the stream and waits until its first connection is established.
    ///
    /// The events of the opening, `Connected` among them, are the first items.
    ///
    /// # Errors
    ///
    /// As [`StreamRequest::open`].
    pub fn open(mut self) -> Result<Self, Error> {
        self.source.open(true)?;
        Ok(self)
    }

    /// Returns a handle that cancels the stream from any thread.
    pub fn handle(&self) -> StreamHandle {
        self.source.handle.clone()
    }

    /// Returns the position to continue from in the next run; see
    /// [`MessageStream::resume_point`].
    pub fn resume_point(&self) -> Option<&str> {
        self.source.resume_point()
    }

    /// Returns the id of the last message that was taken; see [`MessageStream::last_event_id`].
    pub fn last_event_id(&self) -> Option<&str> {
        self.source.last_event_id()
    }

    /// Waits up to `timeout` for the next event. Opens the stream if it is not open yet.
    ///
    /// # Errors
    ///
    /// The errors that the iterator yields as items.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<ReceivedEvent, Error> {
        self.receive(Instant::now().checked_add(timeout))
    }

    /// Returns the next event if there is one. Starts opening the stream if it is not open yet.
    ///
    /// # Errors
    ///
    /// The errors that the iterator yields as items.
    pub fn try_recv(&mut self) -> Result<ReceivedEvent, Error> {
        self.receive(Some(Instant::now()))
    }

    fn receive(&mut self, until: Option<Instant>) -> Result<ReceivedEvent, Error> {
        let event = match self.source.next(true, until) {
            Delivery::Message(message) => StreamEvent::Message(message?),
            Delivery::Heartbeat(heartbeat) => StreamEvent::Heartbeat(heartbeat),
            Delivery::Connected => StreamEvent::Connected,
            Delivery::Disconnected { error, wait } => StreamEvent::Disconnected { error, wait },
            Delivery::Ended(Some(error)) => return Err(error),
            Delivery::Ended(None) => return Ok(ReceivedEvent::Ended),
            Delivery::Nothing => return Ok(ReceivedEvent::Nothing),
        };
        Ok(ReceivedEvent::Event(event))
    }
}

impl Iterator for LifecycleStream {
    type Item = Result<StreamEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.receive(None) {
            Ok(ReceivedEvent::Event(event)) => Some(Ok(event)),
            Ok(ReceivedEvent::Nothing | ReceivedEvent::Ended) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl FusedIterator for LifecycleStream {}

/// Its operation and state; never a message or a ticket.
impl fmt::Debug for LifecycleStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt("LifecycleStream", f)
    }
}

/// Cancels a stream, from any thread.
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
    /// Ends the stream: buffered messages are discarded, `next()` returns `None`, the connection is
    /// closed and the reader's thread ends.
    ///
    /// Waits up to 50 ms for that thread. A thread within a DNS lookup or a TCP connect cannot be
    /// interrupted and ends by itself. Calling it again does nothing.
    pub fn cancel(&self) {
        self.queue.cancel();
    }

    /// Returns whether the stream was cancelled or dropped.
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
    /// The position that the batches before this one have reached.
    position: Option<String>,
    /// The last id of those batches, where it is no position.
    overlong_id: Option<String>,
    done: bool,
}

/// What the caller gets, in whichever view.
enum Delivery {
    Message(Result<StreamMessageEvent, Error>),
    Heartbeat(StreamHeartbeatEvent),
    Connected,
    Disconnected { error: Error, wait: Duration },
    Ended(Option<Error>),
    Nothing,
}

impl Inbox {
    fn new(queue: Arc<Queue>, info: CallInfo, after: Option<String>) -> Self {
        Inbox {
            owner: Owner(queue),
            info,
            batch: None,
            position: after,
            overlong_id: None,
            done: false,
        }
    }

    /// Waits for the first connection.
    fn wait_until_open(&mut self) -> Result<(), Error> {
        match self.owner.0.wait_until_open() {
            Ok(()) => Ok(()),
            Err(Some(error)) => {
                self.done = true;
                Err(error)
            }
            Err(None) => {
                self.done = true;
                let call = self.info.clone();
                Err(Error::Cancelled(Box::new(CancelledError { call })))
            }
        }
    }

    /// Returns the error of a stream whose client was shut down.
    fn shut_down(&self) -> Option<Error> {
        self.owner.0.was_shut_down().then(|| {
            let call = self.info.clone();
            Error::Cancelled(Box::new(CancelledError { call }))
        })
    }

    fn next(&mut self, until: Option<Instant>) -> Delivery {
        loop {
            if self.done {
                return Delivery::Ended(None);
            }
            if self.owner.0.is_cancelled() {
                self.done = true;
                self.leave_batch();
                return Delivery::Ended(self.shut_down());
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
                    return Delivery::Ended(error.or_else(|| self.shut_down()));
                }
                Taken::Nothing => return Delivery::Nothing,
            }
        }
    }

    /// Returns the event that the batch was moved to.
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

    /// Returns the next message if it is in the batch at hand. Nearly every call ends here, without
    /// the moves from one type to another that all other cases need.
    #[inline]
    fn ready(&mut self) -> Option<Result<StreamMessageEvent, Error>> {
        let batch = self.batch.as_mut().filter(|batch| batch.has_message())?;
        if self.done || self.owner.0.is_cancelled() || !batch.advance() {
            return None;
        }
        let event = batch.event()?;
        Some(batch.message(event, &self.info))
    }

    /// Lets go of the batch, and keeps the position that it reached.
    fn leave_batch(&mut self) -> Option<Batch> {
        let batch = self.batch.take()?;
        if let Some(id) = batch.last_id(is_position) {
            let position = self.position.get_or_insert_default();
            position.clear();
            position.push_str(id);
            self.overlong_id = None;
        }
        if let Some(id) = batch.last_id(|_| true).filter(|id| !is_position(id)) {
            self.overlong_id = Some(id.to_owned());
        }
        Some(batch)
    }

    fn last_event_id(&self) -> Option<&str> {
        let of_batch = self
            .batch
            .as_ref()
            .and_then(|batch| batch.last_id(|_| true));
        let before = of_batch.or(self.overlong_id.as_deref());
        before.or_else(|| self.resume_point())
    }

    fn resume_point(&self) -> Option<&str> {
        let of_batch = self
            .batch
            .as_ref()
            .and_then(|batch| batch.last_id(is_position));
        let before = of_batch.or(self.position.as_deref());
        before.or_else(|| self.owner.0.opened_at())
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

    /// Starts the reader if that is still to be done.
    fn start(&mut self, lifecycle: bool) -> Result<(), Error> {
        if let Some(request) = self.request.take() {
            self.inbox = Some(request.start(lifecycle)?);
        }
        Ok(())
    }

    /// Waits until the first connection is established.
    fn open(&mut self, lifecycle: bool) -> Result<(), Error> {
        self.start(lifecycle)?;
        match &mut self.inbox {
            Some(inbox) if !inbox.done => inbox.wait_until_open(),
            _ => Err(Error::user("the stream has ended; make a new request")),
        }
    }

    /// Returns what follows, and opens the stream first if that is still to be done.
    fn next(&mut self, lifecycle: bool, until: Option<Instant>) -> Delivery {
        match self.start(lifecycle) {
            Ok(()) => {}
            Err(Error::Cancelled(_)) if !self.handle.queue.was_shut_down() => {
                return Delivery::Ended(None);
            }
            Err(error) => return Delivery::Ended(Some(error)),
        }
        match &mut self.inbox {
            Some(inbox) => inbox.next(until),
            None => Delivery::Ended(None),
        }
    }

    fn last_event_id(&self) -> Option<&str> {
        match &self.inbox {
            Some(inbox) => inbox.last_event_id(),
            None => self.start_point(),
        }
    }

    fn resume_point(&self) -> Option<&str> {
        match &self.inbox {
            Some(inbox) => inbox.resume_point(),
            None => self.start_point(),
        }
    }

    /// The position that the caller gave, until the stream is opened.
    fn start_point(&self) -> Option<&str> {
        self.request.as_ref()?.options.after.as_deref()
    }

    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.request, &self.inbox) {
            (Some(request), _) => format!("{}, not opened", request.operation()),
            (None, Some(inbox)) => inbox.info.operation.clone(),
            (None, None) => "ended".to_owned(),
        };
        f.debug_tuple(name).field(&format_args!("{state}")).finish()
    }
}

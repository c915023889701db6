//! Messages of a conversation as they arrive.
//!
//! [`StreamRequest`] opens a [`MessageStream`] or a [`LifecycleStream`]. A [`StreamHandle`] cancels
//! either from any thread.

mod batch;
mod buffer;
mod cursor;
mod dedup;
mod event;
mod options;
mod policy;
mod position;
mod queue;
mod read_events;
mod reader;
mod receiver;
mod request;

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
pub use event::{
    MessageRole, StreamHeartbeatEvent, StreamMessageEvent, StreamMessageRole, StreamTicket,
};
pub use position::StreamPosition;
use queue::Queue;
use receiver::{LazyStream, Receiver};
pub use request::StreamRequest;

/// A stream of the messages of a conversation, in order and without duplicates.
///
/// It reconnects automatically. An item is `Err` in two cases:
///
/// - [`Error::SkippedMessage`]: one message cannot be decoded or is too large. The stream continues.
/// - Any other error is the last item and says why the stream ended. After it, `next` returns
///   `None`.
///
/// After [`StreamHandle::cancel`] an open stream ends without an error. After
/// [`Client::shutdown`](crate::Client::shutdown) it yields one [`Error::Cancelled`] and ends.
/// Dropping it closes its connection and ends its thread.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// # let stored: Option<String> = None;
/// # fn store(_: &str) {}
/// use bimpeai::Error;
///
/// let messages = client.conversations().messages();
/// let mut request = messages.stream("agt_1", "cnv_1");
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
/// let messages = client.conversations().messages();
/// let mut stream = messages.stream("agt_1", "cnv_1").open()?;
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
    stream: LazyStream,
}

impl MessageStream {
    /// Returns a handle that cancels the stream from any thread.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use std::time::Duration;
    ///
    /// let messages = client.conversations().messages();
    /// let stream = messages.stream("agt_1", "cnv_1").open()?;
    /// let handle = stream.handle();
    /// std::thread::spawn(move || {
    ///     std::thread::sleep(Duration::from_secs(60));
    ///     handle.cancel();
    /// });
    /// // The loop ends after a minute, without an error.
    /// for message in stream {
    ///     println!("{}", message?.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn handle(&self) -> StreamHandle {
        self.stream.handle.clone()
    }

    /// Returns the position to continue from in the next run: pass it to [`StreamRequest::after`].
    ///
    /// | what was taken from the stream | the position |
    /// |---|---|
    /// | a message | its id |
    /// | nothing yet | the value given to [`StreamRequest::after`], else the time of the opening |
    ///
    /// The opening time is the server's time (RFC 3339), minus 10 s as a safety margin. A run that
    /// starts there may receive messages of those 10 s again. If the server sends no `Date` header,
    /// this returns `None` until the first heartbeat, which carries the server's time.
    ///
    /// Store the position after your program has processed the message. If a message id is longer
    /// than 1,024 bytes, it cannot be sent in a request, and this keeps returning the previous
    /// position.
    #[doc(alias = "resume")]
    #[doc(alias = "cursor")]
    pub fn resume_point(&self) -> Option<&str> {
        self.stream.resume_point()
    }

    /// Returns the id of the last message that was taken from the stream, even if it was skipped.
    ///
    /// Before the first message, it is the starting position. To continue in the next run, use
    /// [`resume_point`](Self::resume_point) instead: this id may be too long for
    /// [`StreamRequest::after`].
    pub fn last_event_id(&self) -> Option<&str> {
        self.stream.last_event_id()
    }

    /// Waits up to `timeout` for the next message. Returns [`Received::Message`],
    /// [`Received::Nothing`] after the timeout, or [`Received::Ended`]. Opens the stream if it is
    /// not open yet.
    ///
    /// # Errors
    ///
    /// The errors that the iterator yields as items.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use std::time::Duration;
    /// use bimpeai::stream::Received;
    ///
    /// let messages = client.conversations().messages();
    /// let mut stream = messages.stream("agt_1", "cnv_1").open()?;
    /// loop {
    ///     match stream.recv_timeout(Duration::from_secs(10))? {
    ///         Received::Message(message) => println!("{}", message.id),
    ///         Received::Nothing => println!("no message for 10 s"),
    ///         _ => break, // Received::Ended
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, Error> {
        self.receive(Instant::now().checked_add(timeout))
    }

    /// Returns the next message if it has arrived, else [`Received::Nothing`]. Never waits. Starts
    /// opening the stream if it is not open yet.
    ///
    /// # Errors
    ///
    /// The errors that the iterator yields as items.
    pub fn try_recv(&mut self) -> Result<Received, Error> {
        self.receive(Some(Instant::now()))
    }

    fn receive(&mut self, until: Option<Instant>) -> Result<Received, Error> {
        loop {
            let event = match self.stream.next(false, until)? {
                ReceivedEvent::Event(event) => event,
                ReceivedEvent::Nothing => return Ok(Received::Nothing),
                ReceivedEvent::Ended => return Ok(Received::Ended),
            };
            match event {
                StreamEvent::Message(message) => return Ok(Received::Message(message)),
                StreamEvent::Connected
                | StreamEvent::Heartbeat(_)
                | StreamEvent::Disconnected { .. } => {}
            }
        }
    }
}

impl Iterator for MessageStream {
    type Item = Result<StreamMessageEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(message) = self.stream.receiver.as_mut().and_then(Receiver::ready) {
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

/// Prints the method, path and state, but no message and no ticket.
impl fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt("MessageStream", f)
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
///         ReceivedEvent::Event(event) => match event {
///             StreamEvent::Message(message) => println!("{}", message.id),
///             StreamEvent::Disconnected { error, wait, .. } => {
///                 eprintln!("{error}; reconnecting in {wait:?}");
///             }
///             _ => {}
///         },
///         ReceivedEvent::Nothing | ReceivedEvent::Ended => break,
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct LifecycleStream {
    stream: LazyStream,
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
        self.stream.open(true)?;
        Ok(self)
    }

    /// Returns a handle that cancels the stream from any thread.
    pub fn handle(&self) -> StreamHandle {
        self.stream.handle.clone()
    }

    /// Returns the position to continue from in the next run; see
    /// [`MessageStream::resume_point`].
    pub fn resume_point(&self) -> Option<&str> {
        self.stream.resume_point()
    }

    /// Returns the id of the last message that was taken; see [`MessageStream::last_event_id`].
    pub fn last_event_id(&self) -> Option<&str> {
        self.stream.last_event_id()
    }

    /// Waits up to `timeout` for the next event. Opens the stream if it is not open yet.
    ///
    /// # Errors
    ///
    /// The errors that the iterator yields as items.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<ReceivedEvent, Error> {
        self.stream.next(true, Instant::now().checked_add(timeout))
    }

    /// Returns the next event if there is one. Starts opening the stream if it is not open yet.
    ///
    /// # Errors
    ///
    /// The errors that the iterator yields as items.
    pub fn try_recv(&mut self) -> Result<ReceivedEvent, Error> {
        self.stream.next(true, Some(Instant::now()))
    }
}

impl Iterator for LifecycleStream {
    type Item = Result<StreamEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.stream.next(true, None) {
            Ok(ReceivedEvent::Event(event)) => Some(Ok(event)),
            Ok(ReceivedEvent::Nothing | ReceivedEvent::Ended) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl FusedIterator for LifecycleStream {}

/// Prints the method, path and state, but no message and no ticket.
impl fmt::Debug for LifecycleStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt("LifecycleStream", f)
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
    #[doc(alias = "abort")]
    #[doc(alias = "close")]
    #[doc(alias = "ctrl-c")]
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

//! The caller's side of a stream, behind each of its views.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{self, Batch, Kind};
use super::cursor::is_position;
use super::event::{StreamHeartbeatEvent, StreamMessageEvent};
use super::queue::{Item, Queue, Taken};
use super::{StreamHandle, StreamRequest};
use crate::error::{CallInfo, Error, SkipReason};

/// The reader ends with the stream that owns it.
struct Owner(Arc<Queue>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The caller's end of the queue.
pub(super) struct Inbox {
    owner: Owner,
    info: CallInfo,
    batch: Option<Batch>,
    /// The position that the batches before this one have reached.
    position: Option<String>,
    /// The last id of those batches, if it is not a position.
    overlong_id: Option<String>,
    done: bool,
}

/// The next event for the caller, in either view.
pub(super) enum Delivery {
    Message(Result<StreamMessageEvent, Error>),
    Heartbeat(StreamHeartbeatEvent),
    Connected,
    Disconnected { error: Error, wait: Duration },
    Ended(Option<Error>),
    Nothing,
}

impl Inbox {
    pub(super) fn new(queue: Arc<Queue>, info: CallInfo, after: Option<String>) -> Self {
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
                Err(Error::cancelled(self.info.clone()))
            }
        }
    }

    /// Returns the error of a stream whose client was shut down.
    fn shut_down(&self) -> Option<Error> {
        let was_shut_down = self.owner.0.was_shut_down();
        was_shut_down.then(|| Error::cancelled(self.info.clone()))
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
    pub(super) fn ready(&mut self) -> Option<Result<StreamMessageEvent, Error>> {
        let batch = self.batch.as_mut().filter(|batch| batch.has_message())?;
        if self.done || self.owner.0.is_cancelled() || !batch.advance() {
            return None;
        }
        let event = batch.event()?;
        Some(batch.message(event, &self.info))
    }

    /// Removes the finished batch, and keeps the position that it reached.
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
pub(super) struct Source {
    /// `None` once it is opened.
    request: Option<Box<StreamRequest>>,
    pub(super) inbox: Option<Inbox>,
    pub(super) handle: StreamHandle,
}

impl Source {
    pub(super) fn unopened(request: StreamRequest) -> Self {
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
    pub(super) fn open(&mut self, lifecycle: bool) -> Result<(), Error> {
        self.start(lifecycle)?;
        match &mut self.inbox {
            Some(inbox) if !inbox.done => inbox.wait_until_open(),
            _ => Err(Error::user("the stream has ended; make a new request")),
        }
    }

    /// Returns what follows, and opens the stream first if that is still to be done.
    pub(super) fn next(&mut self, lifecycle: bool, until: Option<Instant>) -> Delivery {
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

    pub(super) fn last_event_id(&self) -> Option<&str> {
        match &self.inbox {
            Some(inbox) => inbox.last_event_id(),
            None => self.start_point(),
        }
    }

    pub(super) fn resume_point(&self) -> Option<&str> {
        match &self.inbox {
            Some(inbox) => inbox.resume_point(),
            None => self.start_point(),
        }
    }

    /// Returns the position that the caller gave, until the stream is opened.
    fn start_point(&self) -> Option<&str> {
        self.request.as_ref()?.options.after.as_deref()
    }

    pub(super) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.request, &self.inbox) {
            (Some(request), _) => format!("{}, not opened", request.operation()),
            (None, Some(inbox)) => inbox.info.operation.clone(),
            (None, None) => "ended".to_owned(),
        };
        f.debug_tuple(name).field(&format_args!("{state}")).finish()
    }
}

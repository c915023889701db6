//! The caller's side of a stream, behind each of its views.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::batch::Batch;
use super::cursor::is_position;
use super::event::StreamMessageEvent;
use super::queue::Queue;
use super::{ReceivedEvent, StreamHandle, StreamRequest};
use crate::error::{CallInfo, Error};

/// Ends the reader with the stream that has it.
struct CancelOnDrop(Arc<Queue>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The caller's end of the queue.
pub(super) struct Receiver {
    queue: CancelOnDrop,
    info: CallInfo,
    batch: Option<Batch>,
    /// The position that the batches before this one have reached.
    position: Option<String>,
    /// The last id of those batches, if it is not a position.
    overlong_id: Option<String>,
    done: bool,
}

impl Receiver {
    pub(super) fn new(queue: Arc<Queue>, info: CallInfo, after: Option<String>) -> Self {
        Receiver {
            queue: CancelOnDrop(queue),
            info,
            batch: None,
            position: after,
            overlong_id: None,
            done: false,
        }
    }

    /// Waits for the first connection.
    fn wait_until_open(&mut self) -> Result<(), Error> {
        match self.queue.0.wait_until_open() {
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

    fn next(&mut self, until: Option<Instant>) -> Result<ReceivedEvent, Error> {
        loop {
            if self.done {
                return Ok(ReceivedEvent::Ended);
            }
            if self.queue.0.is_cancelled() {
                self.leave_batch();
                return self.end(None);
            }
            let batch = self.batch.as_mut();
            if let Some(event) = batch.and_then(|batch| batch.take_next(&self.info)) {
                return event.map(ReceivedEvent::Event);
            }
            let left = self.leave_batch();
            match self.queue.0.take(left, until) {
                Ok(Some(batch)) => self.batch = Some(batch),
                Ok(None) => return Ok(ReceivedEvent::Nothing),
                Err(error) => return self.end(error),
            }
        }
    }

    /// Ends the stream for the caller: with this error, or with that of a client that was shut down.
    fn end(&mut self, error: Option<Error>) -> Result<ReceivedEvent, Error> {
        self.done = true;
        let was_shut_down = self.queue.0.was_shut_down();
        match error.or_else(|| was_shut_down.then(|| Error::cancelled(self.info.clone()))) {
            Some(error) => Err(error),
            None => Ok(ReceivedEvent::Ended),
        }
    }

    /// Returns the next message if it is in the batch at hand. Nearly every call ends here, without
    /// the moves from one type to another that all other cases need.
    #[inline]
    pub(super) fn ready(&mut self) -> Option<Result<StreamMessageEvent, Error>> {
        let batch = self.batch.as_mut().filter(|batch| batch.has_message())?;
        if self.done || self.queue.0.is_cancelled() || !batch.advance() {
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
        before.or_else(|| self.queue.0.opened_at())
    }
}

/// A stream, opened or about to be, behind each of its views.
pub(super) struct LazyStream {
    /// `None` once it is opened.
    request: Option<Box<StreamRequest>>,
    pub(super) receiver: Option<Receiver>,
    pub(super) handle: StreamHandle,
}

impl LazyStream {
    pub(super) fn unopened(request: StreamRequest) -> Self {
        LazyStream {
            handle: request.handle(),
            request: Some(Box::new(request)),
            receiver: None,
        }
    }

    /// Starts the reader if that is still to be done.
    fn start(&mut self, lifecycle: bool) -> Result<(), Error> {
        if let Some(request) = self.request.take() {
            self.receiver = Some(request.start(lifecycle)?);
        }
        Ok(())
    }

    /// Waits until the first connection is established.
    pub(super) fn open(&mut self, lifecycle: bool) -> Result<(), Error> {
        self.start(lifecycle)?;
        match &mut self.receiver {
            Some(receiver) if !receiver.done => receiver.wait_until_open(),
            _ => Err(Error::user("the stream has ended; make a new request")),
        }
    }

    /// Returns the next event, and opens the stream first if that is still to be done.
    pub(super) fn next(
        &mut self,
        lifecycle: bool,
        until: Option<Instant>,
    ) -> Result<ReceivedEvent, Error> {
        match self.start(lifecycle) {
            Err(Error::Cancelled(_)) if !self.handle.queue.was_shut_down() => {
                return Ok(ReceivedEvent::Ended);
            }
            started => started?,
        }
        match &mut self.receiver {
            Some(receiver) => receiver.next(until),
            None => Ok(ReceivedEvent::Ended),
        }
    }

    pub(super) fn last_event_id(&self) -> Option<&str> {
        match &self.receiver {
            Some(receiver) => receiver.last_event_id(),
            None => self.start_point(),
        }
    }

    pub(super) fn resume_point(&self) -> Option<&str> {
        match &self.receiver {
            Some(receiver) => receiver.resume_point(),
            None => self.start_point(),
        }
    }

    /// Returns the position that the caller gave, until the stream is opened.
    fn start_point(&self) -> Option<&str> {
        self.request.as_ref()?.options.after.as_deref()
    }

    pub(super) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.request, &self.receiver) {
            (Some(request), _) => format!("{}, not opened", request.operation()),
            (None, Some(receiver)) => receiver.info.operation.clone(),
            (None, None) => "ended".to_owned(),
        };
        f.debug_tuple(name).field(&format_args!("{state}")).finish()
    }
}

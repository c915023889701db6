//! Reads an established connection to its end.

use std::time::Instant;

use super::batch::{self, Batch};
use super::buffer::ReadBuffer;
use super::event::{Event, Kind, Name};
use super::policy::Stage;
use super::reader::{Ending, Reader};
use crate::error::{CallInfo, ConnectionError, ConnectionKind, Error, Excerpt};
use crate::http::error_body;
use crate::http::open::StreamingBody;
use crate::sse::{Oversized, RawEvent, Span, Splitter};

/// The maximum size of an event, in bytes. A message of the API has up to 4,096 characters.
const LARGEST_EVENT: usize = 1 << 20;

/// The maximum number of events in a batch. An event may be smaller than what is kept of it, and the
/// limit of the queue is exceeded by up to a batch.
const MOST_EVENTS: usize = 256;

/// The maximum length of the shown text of an `error` event, in characters.
const LONGEST_TEXT: usize = 300;

impl Reader {
    /// Reads a connection to its end.
    pub(super) fn read_events(&mut self, mut body: StreamingBody) -> Ending {
        self.seen.connected();
        let established = Instant::now();
        let mut last_byte = established;
        let mut splitter = Splitter::new(LARGEST_EVENT);
        let mut skipped = None;
        let mut buffer = ReadBuffer::default();
        let mut batch = Batch::default();
        let error = 'connection: loop {
            let read = match buffer.read(&mut body) {
                Ok(read) => read,
                Err(error) => {
                    let error = body.into_error(&self.http, error);
                    if !error.is_timeout() {
                        last_byte = Instant::now();
                    }
                    break error;
                }
            };
            last_byte = Instant::now();
            if read == 0 {
                break self.closed();
            }
            loop {
                let is_whole = self.split(&mut splitter, buffer.bytes(), &mut skipped, &mut batch);
                let done = splitter.consumed(buffer.bytes());
                if batch.len() == 0 {
                    buffer.skip(done);
                    break;
                }
                buffer.take(done, &mut batch.bytes);
                let spare = self.queue.spare(buffer.most());
                let batch = std::mem::replace(&mut batch, spare);
                if !self.queue.put(batch) {
                    break 'connection self.closed();
                }
                if is_whole {
                    break;
                }
            }
        };
        Ending {
            error,
            stage: Stage::Established {
                lived: last_byte - established,
                progress: self.made_progress,
            },
        }
    }

    /// Finds the events in the buffer that are for the caller. Returns `false` if a batch cannot
    /// hold all of them.
    ///
    /// `skipped` is an event that was too large and has not ended yet: it is reported at its end,
    /// when its id is known, so that a duplicate of it is recognized.
    fn split(
        &mut self,
        splitter: &mut Splitter<Span>,
        buffer: &[u8],
        skipped: &mut Option<Oversized>,
        batch: &mut Batch,
    ) -> bool {
        let mut is_whole = true;
        while let Some(next) = splitter.next(buffer) {
            // An event without data that set an id was before this one.
            let id = splitter.take_bare_id();
            if let Some(event) = skipped
                .take()
                .and_then(|event| self.report(event, id, buffer))
            {
                batch.push(event);
            }
            match next {
                Ok(raw) => {
                    if let Some(event) = self.classify(raw, buffer) {
                        batch.push(event);
                    }
                }
                Err(oversized) => *skipped = Some(oversized),
            }
            if batch.len() >= MOST_EVENTS {
                is_whole = false;
                break;
            }
        }
        let id = splitter.take_bare_id();
        if !splitter.is_discarding() {
            if let Some(event) = skipped
                .take()
                .and_then(|event| self.report(event, id, buffer))
            {
                batch.push(event);
            }
        }
        if let Some(retry) = splitter.retry() {
            self.retry = Some(retry);
        }
        // Once for all of them: the stream continues after the last.
        batch.ids(buffer).any(|id| self.cursor.message(id));
        is_whole
    }

    /// Reports an event that was too large, once, and moves past it. Otherwise it would arrive again
    /// after each break.
    fn report(&mut self, event: Oversized, id: Option<Span>, buffer: &[u8]) -> Option<Event> {
        let id = id.filter(|id| !id.bytes(buffer).is_empty());
        if let Some(id) = &id {
            if !self.is_new(id.bytes(buffer)) {
                return None;
            }
        }
        let id = id.map(|id| id.into_text(buffer));
        Some(Event::new(Kind::Oversized(event), id))
    }

    /// Returns whether a message is new, and remembers it.
    fn is_new(&mut self, id: &[u8]) -> bool {
        let is_new = self.seen.is_new(id);
        self.made_progress |= is_new;
        is_new
    }

    /// Handles an event by its name. Returns it if it is for the caller.
    fn classify(&mut self, raw: RawEvent<Span>, buffer: &[u8]) -> Option<Event> {
        match Name::of(raw.name(buffer))? {
            Name::Message => self.message(raw, buffer),
            Name::Heartbeat => self.heartbeat(raw, buffer),
            Name::Error => {
                let text = self.error_text(raw.data.bytes(buffer));
                self.reported = Some((self.info.attempts, text));
                None
            }
        }
    }

    /// Records a heartbeat. It does not change the position, and cannot be a duplicate.
    fn heartbeat(&mut self, raw: RawEvent<Span>, buffer: &[u8]) -> Option<Event> {
        self.made_progress = true;
        if self.cursor.wants_heartbeat() {
            self.heartbeat_at(batch::heartbeat(raw.data.bytes(buffer)).ts);
        }
        self.lifecycle.then_some(Event {
            kind: Kind::Heartbeat,
            id: None,
            data: raw.data,
        })
    }

    /// Keeps a new message, and drops a duplicate.
    fn message(&mut self, raw: RawEvent<Span>, buffer: &[u8]) -> Option<Event> {
        let data = raw.data.bytes(buffer);
        // The id within the data tells messages apart, because a server may number the blocks of
        // each connection anew.
        let own = raw.id.filter(|id| !id.bytes(buffer).is_empty());
        let in_data = match &own {
            Some(id) if batch::starts_with_id(data, id.bytes(buffer)) => None,
            _ => batch::id_in_data(data),
        };
        let in_block = own.as_ref().map(|id| id.bytes(buffer));
        let key = in_data.as_deref().map(str::as_bytes).or(in_block);
        let is_new = key.is_none_or(|key| self.seen.is_new(key));
        if !is_new || self.is_too_old(data) {
            return None;
        }
        // One without any id cannot be told from its duplicate: it is delivered, and is not a sign
        // of progress.
        self.made_progress |= key.is_some();
        let id = own.or_else(|| in_data.map(|id| Span::Owned(id.into_bytes())));
        Some(Event {
            kind: Kind::Message,
            id: id.map(|id| id.into_text(buffer)),
            data: raw.data,
        })
    }

    /// Returns whether a message was written before the stream was opened.
    fn is_too_old(&self, data: &[u8]) -> bool {
        self.earliest.is_some_and(|earliest| {
            batch::created_at(data).is_some_and(|created_at| created_at < earliest)
        })
    }

    /// Returns the text of an `error` event on one line, without the key and the ticket.
    fn error_text(&self, data: &[u8]) -> String {
        let mut text = error_body::error_text(data);
        for secret in [&self.http.key, &self.ticket] {
            if !secret.expose().is_empty() {
                text = text.replace(secret.expose(), "[redacted]");
            }
        }
        Excerpt(text.trim(), LONGEST_TEXT).to_string()
    }

    fn closed(&self) -> Error {
        Error::Connection(Box::new(ConnectionError {
            call: CallInfo {
                sent: true,
                ..self.info.clone()
            },
            kind: ConnectionKind::Lost,
            what: "the server ended the stream".to_owned(),
            source: None,
        }))
    }
}

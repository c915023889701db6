//! Live streams: a ticket opens a stream of the messages of one conversation.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::clock::from_text;
use super::fault::StreamFault;
use super::http::{self, Request, Wire};
use super::response::ErrorResponse;
use super::shared::Shared;
use super::state::{Conversation, State, Stream, Task};
use super::sync::lock;

/// How many questions the customer of a first conversation writes.
const CUSTOMER_LINES: usize = 2;

/// A stream that may start.
pub(super) struct Opening {
    agent: String,
    conversation: String,
    /// Position of the first message to send.
    from: usize,
    fault: Option<StreamFault>,
    /// Number of the fault, until it has fired.
    pending: Option<u64>,
    id: u64,
}

/// Redeems the ticket and finds the first message to send.
pub(super) fn open(
    shared: &Shared,
    request: &Request,
    ids: &[String],
) -> Result<Opening, ErrorResponse> {
    let [agent, conversation] = ids else {
        return Err(ErrorResponse::not_found("Conversation"));
    };
    let query = request.query_pairs();
    let value = |name: &str| {
        query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    shared.change(|state| {
        let now = state.now;
        let text = value("ticket").unwrap_or_default();
        let Some(ticket) = state.tickets.valid(text, now) else {
            return Err(ErrorResponse::new(
                401,
                "unauthorized",
                "Invalid or missing stream ticket.",
            ));
        };
        if ticket.agent != *agent || ticket.conversation != *conversation {
            let message = "The ticket does not match this conversation.";
            return Err(ErrorResponse::new(403, "forbidden", message));
        }
        if shared
            .options
            .max_streams
            .is_some_and(|limit| state.streams.len() >= limit)
        {
            let message = "Too many concurrent streams for this subject";
            return Err(ErrorResponse::new(
                429,
                shared.options.stream_limit_code,
                message,
            ));
        }
        let after = value("after").filter(|after| !after.is_empty());
        let from = start(
            state.conversation(agent, conversation)?,
            after,
            request.header("last-event-id"),
        )?;
        state.tickets.remove(text);
        let struck = lock(&shared.faults).strike_stream(request);
        let (mut pending, fault) = struck.unzip();
        let from = match fault {
            Some(StreamFault::Replay(messages)) => from.saturating_sub(messages),
            _ => from,
        };
        if let Some(StreamFault::Replay(_) | StreamFault::NoHeartbeats) = fault {
            fired(shared, &mut pending);
        }
        state.streams_opened += 1;
        let id = state.streams_opened;
        state.streams.insert(id, Stream::default());
        let opened = state.conversation_mut(agent, conversation)?;
        if std::mem::take(&mut opened.customer_waits) {
            for line in 0..CUSTOMER_LINES {
                let (agent, conversation) = (agent.clone(), conversation.clone());
                let wait = shared.options.customer_pause * (line as u32 + 1);
                state.later(
                    wait,
                    Task::CustomerWrites {
                        agent,
                        conversation,
                        line,
                    },
                );
            }
        }
        Ok(Opening {
            agent: agent.clone(),
            conversation: conversation.clone(),
            from,
            fault,
            pending,
            id,
        })
    })
}

/// Reports a fault that takes effect now, once.
fn fired(shared: &Shared, pending: &mut Option<u64>) {
    if let Some(number) = pending.take() {
        lock(&shared.faults).fired(number);
    }
}

/// Removes a stream, served or not.
pub(super) fn abandon(shared: &Shared, opening: &Opening) {
    shared.change(|state| state.streams.remove(&opening.id));
}

/// The position of the first message after a cursor, or the end of the conversation without one.
/// After a time, messages of that very time are included: a time in whole seconds must lose none.
fn start(
    conversation: &Conversation,
    after: Option<&str>,
    last_event_id: Option<&str>,
) -> Result<usize, ErrorResponse> {
    let messages = &conversation.messages;
    let position = |cursor: &str| {
        messages
            .position(cursor)
            .map(|position| position + 1)
            .or_else(|| {
                let time = from_text(cursor)?;
                Some(
                    messages
                        .items()
                        .partition_point(|message| message.at < time),
                )
            })
    };
    let end = messages.items().len();
    match (after, last_event_id) {
        (Some(cursor), _) => position(cursor).ok_or_else(|| {
            ErrorResponse::invalid(
                "after",
                "must be the id of a message of this conversation or an ISO 8601 time",
            )
        }),
        // Browsers send the last id back, even that of a heartbeat.
        (None, Some(id)) => Ok(position(id).unwrap_or(end)),
        (None, None) => Ok(end),
    }
}

/// What a stream does next.
enum Step {
    Messages(Vec<(String, String)>),
    Heartbeat,
    Order(StreamFault),
    End,
}

/// Serves a stream until one side ends it. The connection cannot be used afterwards.
pub(super) fn serve(
    shared: &Arc<Shared>,
    wire: &mut Wire,
    mut headers: Vec<(String, String)>,
    opening: &Opening,
) {
    // A reset needs unread data, so that only a failed write shows that such a client has left.
    let resets = matches!(opening.fault, Some(StreamFault::Reset(_)));
    let watcher = if resets || wire.settle().is_err() {
        None
    } else {
        watch(shared, wire, opening.id)
    };
    for (name, value) in [
        ("Content-Type", "text/event-stream"),
        ("Cache-Control", "no-cache"),
        ("Connection", "close"),
    ] {
        headers.push((name.to_owned(), value.to_owned()));
    }
    if shared.options.chunked_streams {
        headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
    }
    let mut sender = Sender {
        wire,
        chunked: shared.options.chunked_streams,
    };
    let _ = run(shared, &mut sender, &http::head(200, &headers), opening);
    abandon(shared, opening);
    if !resets {
        let _ = wire.socket().shutdown(Shutdown::Both);
    }
    if let Some(watcher) = watcher {
        let _ = watcher.join();
    }
}

/// Watches for the end of the client, which writing does not show while nothing is sent.
fn watch(shared: &Arc<Shared>, wire: &Wire, id: u64) -> Option<std::thread::JoinHandle<()>> {
    let mut listener = Wire::new(wire.socket().try_clone().ok()?);
    let shared = Arc::clone(shared);
    let watch = move || {
        listener.wait_for_close();
        shared.change(|state| {
            if let Some(stream) = state.streams.get_mut(&id) {
                stream.over = true;
            }
        });
    };
    std::thread::Builder::new()
        .name("emulator-stream".to_owned())
        .spawn(watch)
        .ok()
}

fn run(shared: &Shared, sender: &mut Sender<'_>, head: &[u8], opening: &Opening) -> io::Result<()> {
    sender.wire.write(head)?;
    if let Some(retry) = shared.options.retry_line {
        sender.send(&format!("retry: {}\n\n", retry.as_millis()))?;
    }
    let mut fault = opening.fault;
    let mut pending = opening.pending;
    let mut from = opening.from;
    let mut sent = 0;
    let mut heartbeats = 0;
    let mut due = Instant::now() + shared.options.heartbeat;
    loop {
        // A fault takes effect without another message, except the one that cuts a message.
        let due_now = fault.filter(|fault| !matches!(fault, StreamFault::CutInMidEvent(_)));
        if messages_before(due_now).is_some_and(|after| sent >= after) {
            fired(shared, &mut pending);
        }
        match fault {
            Some(StreamFault::Cut(after)) if sent >= after => return sender.end(),
            Some(StreamFault::Reset(after)) if sent >= after => return Ok(()),
            Some(StreamFault::Silence(after)) if sent >= after => {
                wait_until_over(shared, opening.id);
                return Ok(());
            }
            Some(StreamFault::GarbageLines(after)) if sent >= after => {
                fault = None;
                sender.send(": a comment\nnonsense without a colon\nunknown: field\n\n\n")?;
            }
            Some(StreamFault::MalformedMessage(after)) if sent >= after => {
                fault = None;
                sender.send("event: message\ndata: {\"id\": this is not JSON\n\n")?;
            }
            _ => {}
        }
        let limit =
            messages_before(fault).map_or(usize::MAX, |after| after.saturating_sub(sent).max(1));
        match next(shared, opening, from, limit, due) {
            Step::Messages(messages) => {
                if let Some(StreamFault::CutInMidEvent(after)) = fault {
                    if sent >= after {
                        fired(shared, &mut pending);
                        let (id, data) = &messages[0];
                        return sender.break_off(&frame(id, data));
                    }
                }
                from += messages.len();
                sent += messages.len();
                let frames: String = messages.iter().map(|(id, data)| frame(id, data)).collect();
                sender.send(&frames)?;
            }
            Step::Heartbeat => {
                due = Instant::now() + shared.options.heartbeat;
                if fault != Some(StreamFault::NoHeartbeats) {
                    heartbeats += 1;
                    let data = json!({ "ts": shared.clock.now() });
                    sender.send(&format!(
                        "id: {heartbeats}\nevent: heartbeat\ndata: {data}\n\n"
                    ))?;
                }
            }
            Step::Order(order) => {
                fault = Some(order);
                pending = None;
                sent = 0;
            }
            Step::End => return sender.end(),
        }
    }
}

/// After how many messages a fault takes effect.
fn messages_before(fault: Option<StreamFault>) -> Option<usize> {
    match fault? {
        StreamFault::CutInMidEvent(after)
        | StreamFault::Cut(after)
        | StreamFault::Reset(after)
        | StreamFault::Silence(after)
        | StreamFault::GarbageLines(after)
        | StreamFault::MalformedMessage(after) => Some(after),
        StreamFault::Replay(_) | StreamFault::NoHeartbeats => None,
    }
}

/// Waits for something to do. `limit` is the maximum number of messages to return.
fn next(shared: &Shared, opening: &Opening, from: usize, limit: usize, due: Instant) -> Step {
    let mut state = shared.state();
    loop {
        if is_over(shared, &state, opening.id) {
            return Step::End;
        }
        if let Some(order) = state
            .streams
            .get_mut(&opening.id)
            .and_then(|s| s.order.take())
        {
            return Step::Order(order);
        }
        let Ok(conversation) = state.conversation(&opening.agent, &opening.conversation) else {
            return Step::End;
        };
        let waiting = conversation
            .messages
            .items()
            .get(from..)
            .unwrap_or_default();
        if !waiting.is_empty() {
            let id = &opening.conversation;
            return Step::Messages(waiting.iter().take(limit).map(|m| m.event(id)).collect());
        }
        let left = due.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Step::Heartbeat;
        }
        state = shared
            .changed
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
}

fn wait_until_over(shared: &Shared, id: u64) {
    let guard = shared.state();
    let waited = shared
        .changed
        .wait_while(guard, |state| !is_over(shared, state, id));
    drop(waited.unwrap_or_else(PoisonError::into_inner));
}

fn is_over(shared: &Shared, state: &State, id: u64) -> bool {
    shared.stop.is_set() || state.streams.get(&id).is_none_or(|stream| stream.over)
}

fn frame(id: &str, data: &str) -> String {
    format!("id: {id}\nevent: message\ndata: {data}\n\n")
}

struct Sender<'a> {
    wire: &'a mut Wire,
    chunked: bool,
}

impl Sender<'_> {
    fn send(&mut self, text: &str) -> io::Result<()> {
        if self.chunked {
            self.wire
                .write(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
        } else {
            self.wire.write(text.as_bytes())
        }
    }

    /// Announces a whole frame and sends half of it.
    fn break_off(&mut self, frame: &str) -> io::Result<()> {
        let half = &frame.as_bytes()[..frame.len() / 2];
        if self.chunked {
            self.wire
                .write(format!("{:x}\r\n", frame.len()).as_bytes())?;
        }
        self.wire.write(half)
    }

    fn end(&mut self) -> io::Result<()> {
        if self.chunked {
            self.wire.write(b"0\r\n\r\n")
        } else {
            Ok(())
        }
    }
}

//! Faults on demand: what goes wrong, with which requests, and how many times.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use super::http::Request;
use super::pattern::{Pattern, STREAM_PATHS};
use super::response::ErrorResponse;

/// Something that goes wrong with a request or a stream.
///
/// By default a fault applies to the next request, whatever it is. A fault of a stream applies to
/// the next stream that opens. [`on`](Fault::on) selects by method and path, and
/// [`times`](Fault::times) sets the number of requests or streams. If several faults select the
/// same request, the one that was added first applies.
///
/// [`Emulator::unmet_faults`](super::Emulator::unmet_faults) returns the faults that were never
/// applied.
///
/// ```no_run
/// use bimpeai::emulator::{Emulator, Fault};
/// # fn main() -> std::io::Result<()> {
/// let emulator = Emulator::start()?;
/// let unavailable = Fault::status(503).retry_after(1);
/// emulator.fault(unavailable.on("POST", "/agents").times(2));
/// emulator.fault(Fault::reset().after_performing());
/// emulator.fault(Fault::cut_in_mid_event(3));
/// # Ok(())
/// # }
/// ```
///
/// A stream delivers every message although its connection breaks:
///
/// ```
/// use bimpeai::emulator::{Emulator, Fault};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let emulator = Emulator::start()?;
/// let client = emulator.client_builder().build()?;
/// let agent = client.agents().create("Ada").send()?;
/// let id = client.conversations().list(&agent.id).all()?.remove(0).id;
///
/// emulator.fault(Fault::cut_in_mid_event(1));
/// let messages = client.conversations().messages();
/// let stream = messages.stream(&agent.id, &id).open()?;
/// for text in ["one", "two", "three"] {
///     emulator.customer_says(&agent.id, &id, text);
/// }
/// for message in stream.take(3) {
///     println!("{}", message?.message.unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a fault does nothing until it is given to `Emulator::fault`"]
pub struct Fault {
    action: FaultAction,
    pattern: Pattern,
    times: usize,
    every: usize,
    performs: bool,
    is_stored: bool,
    headers: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
enum FaultAction {
    Request(RequestFault),
    Stream(StreamFault),
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RequestFault {
    Refuse {
        status: u16,
        code: Option<String>,
        message: Option<String>,
    },
    Content {
        status: u16,
        content_type: &'static str,
        body: Vec<u8>,
    },
    Raw(Vec<u8>),
    Delay(Duration),
    Reset,
    ResetAfterHeaders,
    Close,
    Stall,
    Truncate(usize),
    Trickle {
        bytes: usize,
        every: Duration,
    },
}

/// What happens to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamFault {
    CutInMidEvent(usize),
    Cut(usize),
    Reset(usize),
    Silence(usize),
    GarbageLines(usize),
    MalformedMessage(usize),
    Replay(usize),
    NoHeartbeats,
}

/// A fault that met its request.
pub(super) struct Struck {
    pub(super) action: RequestFault,
    /// Whether the operation is performed although its response is lost or damaged.
    pub(super) performs: bool,
    /// Whether the response is stored under the request's idempotency key.
    pub(super) is_stored: bool,
    pub(super) headers: Vec<(String, String)>,
}

/// Faults of a request.
impl Fault {
    /// Makes the server respond with an error of this status, a message and the documented code for
    /// the status. The operation is not performed.
    pub fn status(status: u16) -> Fault {
        Fault::request(RequestFault::Refuse {
            status,
            code: None,
            message: None,
        })
    }

    /// Sets the `code` in the body of [`Fault::status`].
    pub fn code(mut self, new: &str) -> Fault {
        if let FaultAction::Request(RequestFault::Refuse { code, .. }) = &mut self.action {
            *code = Some(new.to_owned());
        }
        self
    }

    /// Sets the `message` in the body of [`Fault::status`].
    pub fn message(mut self, new: &str) -> Fault {
        if let FaultAction::Request(RequestFault::Refuse { message, .. }) = &mut self.action {
            *message = Some(new.to_owned());
        }
        self
    }

    /// Adds a `Retry-After` header, in seconds.
    pub fn retry_after(self, seconds: u64) -> Fault {
        self.header("Retry-After", &seconds.to_string())
    }

    /// Adds a header to the response. It replaces a header of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Fault {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the server respond with this status and this JSON. The operation is not performed.
    pub fn json(status: u16, body: &Value) -> Fault {
        Fault::content(
            status,
            "application/json; charset=utf-8",
            body.to_string().into_bytes(),
        )
    }

    /// Makes the server respond with an HTML page, as a proxy or a login page does. The operation
    /// is not performed.
    pub fn html(status: u16) -> Fault {
        let page = b"<!doctype html><html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>";
        Fault::content(status, "text/html; charset=utf-8", page.to_vec())
    }

    /// Makes the server respond with this status and no body. The operation is not performed.
    pub fn empty_body(status: u16) -> Fault {
        Fault::content(status, "application/json; charset=utf-8", Vec::new())
    }

    /// Sends these bytes in place of the whole response, status line included, and closes the
    /// connection. The operation is not performed.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Fault {
        Fault::request(RequestFault::Raw(bytes.into()))
    }

    /// Sends bytes that are not HTTP and closes the connection. The operation is not performed.
    pub fn garbage() -> Fault {
        Fault::raw(*b"\x16\x03\x01\x00\xff not HTTP at all \xfe\xff\r\n\r\n")
    }

    /// Performs the operation and delays its response.
    ///
    /// With [`conflict_while_in_progress`](super::EmulatorBuilder::conflict_while_in_progress), a
    /// second request with the same idempotency key gets a 409 during the delay.
    ///
    /// [`conflict_while_in_progress`]: super::EmulatorBuilder::conflict_while_in_progress
    pub fn delay(by: Duration) -> Fault {
        Fault::request(RequestFault::Delay(by)).after_performing()
    }

    /// Resets the connection before any byte of a response. The operation is not performed unless
    /// [`after_performing`](Fault::after_performing) is set.
    pub fn reset() -> Fault {
        Fault::request(RequestFault::Reset)
    }

    /// Performs the operation, sends the headers and half of the body of its response, and resets
    /// the connection.
    pub fn reset_after_headers() -> Fault {
        Fault::request(RequestFault::ResetAfterHeaders).after_performing()
    }

    /// Closes the connection cleanly, without a response. The operation is not performed unless
    /// [`after_performing`](Fault::after_performing) is set.
    pub fn close() -> Fault {
        Fault::request(RequestFault::Close)
    }

    /// Never responds. The connection stays open until the client or the emulator closes it. The
    /// operation is not performed unless [`after_performing`](Fault::after_performing) is set.
    pub fn stall() -> Fault {
        Fault::request(RequestFault::Stall)
    }

    /// Performs the operation, truncates the body of its response after `bytes` bytes, and closes
    /// the connection.
    pub fn truncate(bytes: usize) -> Fault {
        Fault::request(RequestFault::Truncate(bytes)).after_performing()
    }

    /// Performs the operation and sends the body of its response in pieces of `bytes` bytes, with a
    /// pause before each piece.
    pub fn trickle(bytes: usize, every: Duration) -> Fault {
        Fault::request(RequestFault::Trickle {
            bytes: bytes.max(1),
            every,
        })
        .after_performing()
    }
}

/// Faults of a stream. `after_messages` counts the messages that were sent on this connection.
impl Fault {
    /// Closes the connection in the middle of the message that follows `after_messages` messages.
    pub fn cut_in_mid_event(after_messages: usize) -> Fault {
        Fault::stream(StreamFault::CutInMidEvent(after_messages))
    }

    /// Ends the stream cleanly after `after_messages` messages.
    pub fn cut(after_messages: usize) -> Fault {
        Fault::stream(StreamFault::Cut(after_messages))
    }

    /// Resets the connection after `after_messages` messages.
    pub fn reset_stream(after_messages: usize) -> Fault {
        Fault::stream(StreamFault::Reset(after_messages))
    }

    /// Sends nothing more after `after_messages` messages, not even heartbeats. The connection
    /// stays open.
    pub fn silence(after_messages: usize) -> Fault {
        Fault::stream(StreamFault::Silence(after_messages))
    }

    /// Sends meaningless lines after `after_messages` messages, then continues.
    pub fn garbage_lines(after_messages: usize) -> Fault {
        Fault::stream(StreamFault::GarbageLines(after_messages))
    }

    /// After `after_messages` messages, sends a message event whose data is not JSON, then
    /// continues.
    pub fn malformed_message(after_messages: usize) -> Fault {
        Fault::stream(StreamFault::MalformedMessage(after_messages))
    }

    /// When a client resumes from a position, also sends again the last `messages` messages before
    /// it. This tests the detection of duplicates.
    pub fn replay(messages: usize) -> Fault {
        Fault::stream(StreamFault::Replay(messages))
    }

    /// Sends messages but no heartbeats.
    pub fn no_heartbeats() -> Fault {
        Fault::stream(StreamFault::NoHeartbeats)
    }
}

/// Selection of requests, and whether the operation is performed.
impl Fault {
    /// Selects requests by method and path. Default: every request.
    ///
    /// `method` is a method such as `GET`, or `*` for any. `path` is the request path without
    /// `/api/v1/console` and without the query, such as `/agents/agt_1`, as in
    /// [`RecordedRequest::path`](super::RecordedRequest::path). A segment `*` stands for any one
    /// segment, such as an id. `**` at the end stands for one or more segments.
    ///
    /// ```
    /// # use bimpeai::emulator::Fault;
    /// let tickets = "/agents/*/conversations/*/stream-ticket";
    /// let ticket = Fault::status(503).on("POST", tickets);
    /// let any_read = Fault::close().on("GET", "/**");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if no request can ever match: the path has no leading slash, has the API's prefix, a
    /// query, a trailing slash, a `*` inside a segment or a `**` before the end. The message says
    /// what to write instead. Also panics if a stream fault selects a method or path that never
    /// opens a stream.
    ///
    /// [`RecordedRequest::path`]: super::RecordedRequest::path
    #[track_caller]
    pub fn on(self, method: &str, path: &str) -> Fault {
        match self.selecting(method, path) {
            Ok(fault) => fault,
            Err(problem) => panic!("{problem}"),
        }
    }

    pub(super) fn selecting(mut self, method: &str, path: &str) -> Result<Fault, String> {
        self.pattern = Pattern::new(method, path)?;
        if let FaultAction::Stream(_) = self.action {
            let mut streams = STREAM_PATHS.iter();
            if !streams.any(|stream| self.pattern.overlaps("GET", stream)) {
                return Err(format!(
                    "{method} {path} never opens a stream: a fault of a stream is for GET {}",
                    STREAM_PATHS[0]
                ));
            }
        }
        Ok(self)
    }

    /// Sets the number of requests or streams that the fault applies to. 0 means none. Default: 1.
    pub fn times(mut self, times: usize) -> Fault {
        self.times = times;
        self
    }

    /// Applies the fault to the `n`-th, 2`n`-th, 3`n`-th … of the selected requests or streams.
    /// Default: 1.
    ///
    /// With `every(20)` and an unlimited number of times, 5 % of the requests fail:
    ///
    /// ```
    /// # use bimpeai::emulator::Fault;
    /// let unreliable = Fault::status(503).every(20).times(usize::MAX);
    /// ```
    pub fn every(mut self, n: usize) -> Fault {
        self.every = n.max(1);
        self
    }

    /// Performs the operation anyway. Only its response is lost or damaged.
    pub fn after_performing(mut self) -> Fault {
        self.performs = true;
        self
    }

    /// Stores the fault's status and body under the request's `Idempotency-Key`, as servers do with
    /// a final error: a later request with the same key gets the same error. Has an
    /// effect on [`status`](Fault::status), [`json`](Fault::json), [`html`](Fault::html) and
    /// [`empty_body`](Fault::empty_body).
    ///
    /// ```
    /// # use bimpeai::emulator::Fault;
    /// let refused_for_good = Fault::status(403).on("POST", "/agents").stored();
    /// ```
    pub fn stored(mut self) -> Fault {
        self.is_stored = true;
        self
    }

    fn new(action: FaultAction) -> Fault {
        Fault {
            action,
            pattern: Pattern::any(),
            times: 1,
            every: 1,
            performs: false,
            is_stored: false,
            headers: Vec::new(),
        }
    }

    fn request(action: RequestFault) -> Fault {
        Fault::new(FaultAction::Request(action))
    }

    fn stream(action: StreamFault) -> Fault {
        Fault::new(FaultAction::Stream(action))
    }

    fn content(status: u16, content_type: &'static str, body: Vec<u8>) -> Fault {
        Fault::request(RequestFault::Content {
            status,
            content_type,
            body,
        })
    }
}

/// The faults that still have something to meet.
#[derive(Default)]
pub(super) struct Faults {
    pending: Vec<Pending>,
    added: u64,
}

struct Pending {
    number: u64,
    fault: Fault,
    /// How many more requests or streams it meets.
    left: usize,
    /// How many requests or streams it has selected.
    selected: usize,
    has_fired: bool,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.added += 1;
        if fault.times > 0 {
            self.pending.push(Pending {
                number: self.added,
                left: fault.times,
                selected: 0,
                fault,
                has_fired: false,
            });
        }
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }

    /// The faults that have not fired once.
    pub(super) fn unmet(&self) -> Vec<Fault> {
        let unmet = self.pending.iter().filter(|pending| !pending.has_fired);
        unmet.map(|pending| pending.fault.clone()).collect()
    }

    /// The first fault for this request, if any. It counts as fired.
    pub(super) fn strike(&mut self, request: &Request) -> Option<Struck> {
        let (number, struck) = self.take(request, |fault| match &fault.action {
            FaultAction::Request(action) => {
                let (action, headers) = (action.clone(), fault.headers.clone());
                Some(Struck {
                    action,
                    performs: fault.performs,
                    is_stored: fault.is_stored,
                    headers,
                })
            }
            FaultAction::Stream(_) => None,
        })?;
        self.fired(number);
        Some(struck)
    }

    /// The first fault for a stream that opens with this request, and its number. The stream
    /// reports when it has [fired](Faults::fired).
    pub(super) fn strike_stream(&mut self, request: &Request) -> Option<(u64, StreamFault)> {
        self.take(request, |fault| match fault.action {
            FaultAction::Stream(action) => Some(action),
            FaultAction::Request(_) => None,
        })
    }

    /// Notes that a fault took effect.
    pub(super) fn fired(&mut self, number: u64) {
        let mut pending = self.pending.iter_mut();
        if let Some(pending) = pending.find(|pending| pending.number == number) {
            pending.has_fired = true;
        }
        self.pending
            .retain(|pending| pending.left > 0 || !pending.has_fired);
    }

    fn take<T>(
        &mut self,
        request: &Request,
        kind: impl Fn(&Fault) -> Option<T>,
    ) -> Option<(u64, T)> {
        let (method, path) = (&request.method, request.short_path());
        self.pending
            .iter_mut()
            .filter(|pending| pending.left > 0 && pending.fault.pattern.matches(method, path))
            .find_map(|pending| {
                let struck = kind(&pending.fault)?;
                pending.selected = pending.selected.wrapping_add(1);
                if pending.selected % pending.fault.every != 0 {
                    return None;
                }
                pending.left -= 1;
                Some((pending.number, struck))
            })
    }
}

impl RequestFault {
    /// The error that [`Fault::status`] describes.
    pub(super) fn error(
        status: u16,
        code: Option<String>,
        message: Option<String>,
    ) -> ErrorResponse {
        let usual = match status {
            400 => "bad_request",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            409 => "conflict",
            422 => "validation_error",
            429 => "rate_limited",
            501 => "not_implemented",
            _ => "internal_error",
        };
        let code = code.map_or(Cow::Borrowed(usual), Cow::Owned);
        ErrorResponse::new(
            status,
            code,
            message.unwrap_or_else(|| "Emulated fault".to_owned()),
        )
    }
}

//! What happened on the connection in the exchange that this thread made last.
//!
//! ureq tells neither whether it made a connection nor how far a request got. It runs a whole
//! exchange on the caller's thread, the reading of the body included, so a thread-local record
//! belongs to one exchange and needs no lock.

use std::cell::{Cell, RefCell};

/// How far an exchange got.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ExchangeTrace {
    /// Connections that were tried; 0 where the pool had one.
    pub(crate) connects: u32,
    /// Whether anything of the request may have gone out.
    pub(crate) sent: bool,
    /// Whether anything of the response arrived.
    pub(crate) received: bool,
    /// Whether the request has a body, and nothing of its head was written yet.
    pub(crate) body_follows: bool,
    /// Whether the head of the response arrived whole.
    pub(crate) head: bool,
    /// Whether reading ended in anything but an orderly close. ureq takes that for the end of a
    /// body that has no length.
    pub(crate) broken: bool,
}

impl ExchangeTrace {
    /// Starts the record of a new exchange on this thread.
    pub(crate) fn start(body_follows: bool) {
        TRACE.set(ExchangeTrace {
            body_follows,
            ..ExchangeTrace::default()
        });
    }

    /// Returns whether a connection from the pool took a request and has brought nothing yet.
    pub(crate) fn is_silent_on_reuse(&self) -> bool {
        self.connects == 0 && self.sent && !self.received
    }

    pub(crate) fn get() -> ExchangeTrace {
        TRACE.get()
    }

    pub(crate) fn trace(change: impl FnOnce(&mut ExchangeTrace)) {
        let mut trace = TRACE.get();
        change(&mut trace);
        TRACE.set(trace);
    }
}

/// Keeps the start of a response whose connection is closed before its head was understood.
pub(crate) fn keep_head(bytes: &[u8]) {
    const MOST: usize = 64 * 1024;
    let start = bytes[..bytes.len().min(MOST)].to_vec();
    // A connection may be dropped by a thread that is ending, when this is gone.
    let _ = HEAD.try_with(|head| head.replace(start));
}

/// Takes what [`keep_head`] has kept in the last exchange.
pub(crate) fn take_head() -> Vec<u8> {
    HEAD.take()
}

thread_local! {
    static HEAD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static TRACE: Cell<ExchangeTrace> = const { Cell::new(ExchangeTrace {
        connects: 0,
        sent: false,
        received: false,
        body_follows: false,
        head: false,
        broken: false,
    }) };
}

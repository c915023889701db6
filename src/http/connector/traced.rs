//! The outermost layer of a connection: sees a request leave and its response arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ureq::Timeout;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use crate::http::head;
use crate::http::trace::{self, ExchangeTrace};

/// Notes how far an exchange gets, and joins the head of a request with its body.
#[derive(Debug)]
pub(super) struct TracedTransport {
    inner: Box<dyn Transport>,
    /// The head of a request that goes out with the start of its body: in one packet, one record of
    /// TLS and one system call where ureq makes two of each.
    held: Vec<u8>,
    /// Whether the connection went back to the pool since it was last used.
    idle: bool,
    /// Shared by all connections of a client.
    trust: Arc<Trust>,
    /// The count of [`Trust`] when the connection went back to the pool.
    trusted_at: u64,
}

/// Counts how often a connection from the pool has turned out to be dead without a sign.
///
/// When a way to the server dies, such as a NAT that forgot or a VPN that ended, all idle connections
/// die with it, and each would cost a whole timeout. So after one of them timed out with nothing
/// received, all that were idle at that time are closed when they are next asked for.
#[derive(Debug, Default)]
pub(super) struct Trust(AtomicU64);

impl Trust {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn lose(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl TracedTransport {
    pub(super) fn new(inner: Box<dyn Transport>, trust: Arc<Trust>) -> Self {
        TracedTransport {
            inner,
            held: Vec::new(),
            idle: false,
            trusted_at: trust.count(),
            trust,
        }
    }

    /// Sends what was held, and then the first `amount` bytes of the output.
    fn transmit_held(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let held = std::mem::take(&mut self.held);
        let output = self.inner.buffers().output();
        if let Some(room) = output.get_mut(..held.len() + amount) {
            room.copy_within(..amount, held.len());
            room[..held.len()].copy_from_slice(&held);
            return self.transmit(held.len() + amount, timeout);
        }
        let body = output[..amount].to_vec();
        output[..held.len()].copy_from_slice(&held);
        self.transmit(held.len(), timeout)?;
        self.inner.buffers().output()[..amount].copy_from_slice(&body);
        self.transmit(amount, timeout)
    }

    /// Passes over interim responses: ureq refuses one of 100 that has headers.
    fn skip_interim(&mut self) {
        if ExchangeTrace::get().head {
            return;
        }
        let buffers = self.inner.buffers();
        let length = head::interim(buffers.input());
        if length > 0 {
            buffers.input_consume(length);
        }
    }

    fn transmit(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        ExchangeTrace::trace(|trace| trace.sent = true);
        self.inner.transmit_output(amount, timeout)
    }
}

impl Transport for TracedTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.idle = false;
        if ExchangeTrace::get().body_follows {
            ExchangeTrace::trace(|trace| trace.body_follows = false);
            // A head that comes in pieces is larger than any buffer, and goes out as it comes.
            let head = &self.inner.buffers().output()[..amount];
            if head.ends_with(b"\r\n\r\n") {
                self.held.extend_from_slice(head);
                return Ok(());
            }
        }
        match self.held.is_empty() {
            true => self.transmit(amount, timeout),
            false => self.transmit_held(amount, timeout),
        }
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        // A server may be asked whether it wants the body at all.
        if !self.held.is_empty() {
            self.transmit_held(0, timeout)?;
        }
        // The wait for the head has a bound of its own; the idle time is for what comes after.
        if timeout.reason == Timeout::RecvResponse {
            timeout.per_read = None;
        }
        let result = self.inner.await_input(timeout);
        match &result {
            Ok(true) => {
                ExchangeTrace::trace(|trace| trace.received = true);
                self.skip_interim();
            }
            Err(ureq::Error::Io(_)) => ExchangeTrace::trace(|trace| trace.broken = true),
            Err(ureq::Error::Timeout(_)) if ExchangeTrace::get().is_silent_on_reuse() => {
                self.trust.lose();
            }
            _ => {}
        }
        result
    }

    fn is_open(&mut self) -> bool {
        // The pool asks twice, when a connection comes back and when it goes out again; only the
        // second result counts, and each check costs three system calls.
        if !std::mem::replace(&mut self.idle, true) {
            self.trusted_at = self.trust.count();
            return true;
        }
        self.trusted_at == self.trust.count() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl Drop for TracedTransport {
    /// Keeps the head of a response that could not be parsed: ureq closes its connection, and with
    /// it goes what arrived.
    fn drop(&mut self) {
        let trace = ExchangeTrace::get();
        if trace.received && !trace.head {
            trace::keep_head(self.inner.buffers().input());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// Keeps what would go out, write by write.
    #[derive(Debug)]
    struct Recorder {
        buffers: LazyBuffers,
        writes: Arc<Mutex<Vec<String>>>,
    }

    impl Transport for Recorder {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
            let written = String::from_utf8_lossy(&self.buffers.output()[..amount]).into_owned();
            self.writes.lock().unwrap().push(written);
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
            Ok(true)
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    /// Returns the writes for what ureq hands over, with so much room for output.
    fn writes(has_body: bool, room: usize, parts: &[&str]) -> Vec<String> {
        let writes = Arc::default();
        let recorder = Box::new(Recorder {
            buffers: LazyBuffers::new(1, room),
            writes: Arc::clone(&writes),
        });
        let mut transport = TracedTransport::new(recorder, Arc::default());
        ExchangeTrace::start(has_body);
        let timeout = NextTimeout::default;
        for part in parts {
            transport.buffers().output()[..part.len()].copy_from_slice(part.as_bytes());
            transport.transmit_output(part.len(), timeout()).unwrap();
        }
        let sent = !writes.lock().unwrap().is_empty();
        assert_eq!(ExchangeTrace::get().sent, sent);
        transport.await_input(timeout()).unwrap();
        assert!(ExchangeTrace::get().sent);
        std::mem::take(&mut writes.lock().unwrap())
    }

    #[test]
    fn head_and_body_go_out_together() {
        let head = "POST / HTTP/1.1\r\n\r\n";
        assert_eq!(writes(true, 30, &[head, "body"]), [format!("{head}body")]);
        assert_eq!(
            writes(true, 30, &[head, "body", "more"]),
            [format!("{head}body"), "more".to_owned()]
        );
    }

    #[test]
    fn without_room_for_both_they_are_sent_one_after_the_other() {
        let (head, body) = ("POST / HTTP/1.1\r\n\r\n", "a longer body");
        assert_eq!(writes(true, 22, &[head, body]), [head, body]);
        let (first, second) = head.split_at(10);
        let pieces = [first, second, body, "more"];
        assert_eq!(writes(true, 13, &pieces), pieces);
    }

    #[test]
    fn a_head_does_not_wait_for_a_body_that_waits_for_the_server() {
        let head = "POST / HTTP/1.1\r\n\r\n";
        assert_eq!(writes(true, 30, &[head]), [head]);
        assert_eq!(writes(false, 30, &[head]), [head]);
        assert_eq!(writes(false, 30, &[head, "0"]), [head, "0"]);
    }
}

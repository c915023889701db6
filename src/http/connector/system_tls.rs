//! TLS by the operating system's library: tells a proper end from a lost connection.
//!
//! A connection that ends without TLS's own `close_notify` may have been cut by anyone on its way.
//! Most libraries of operating systems pass that for the end of the data. They give no type to their
//! errors either. So the layer below TLS notes how the connection itself ends, and the layer above
//! TLS reads the result of the library in its light.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector as _, NativeTlsConnector, NextTimeout, Transport,
};

use crate::http::failure::{self, Peer};

/// Adds TLS to a connection.
pub(super) fn connect(
    connector: &NativeTlsConnector,
    details: &ConnectionDetails<'_>,
    inner: Box<dyn Transport>,
    peer: Peer,
) -> Result<Box<dyn Transport>, ureq::Error> {
    let end = Arc::new(End::default());
    let below = BelowTls {
        inner,
        end: end.clone(),
    };
    match connector.connect(details, Some(below)) {
        Ok(Some(inner)) => Ok(Box::new(AboveTls {
            inner: Box::new(inner),
            end,
            peer,
        })),
        Ok(None) => Err(ureq::Error::TlsRequired),
        Err(ureq::Error::NativeTls(_)) if end.is_closed() => {
            Err(failure::handshake(end_of_file(), peer))
        }
        Err(error) => Err(failure::handshake(error, peer)),
    }
}

fn end_of_file() -> ureq::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

/// How the connection below TLS ended, if it did.
#[derive(Debug, Default)]
struct End {
    /// The server closed it.
    closed: AtomicBool,
    /// Reading or writing failed.
    failed: AtomicBool,
}

impl End {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct BelowTls {
    inner: Box<dyn Transport>,
    end: Arc<End>,
}

impl Transport for BelowTls {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let result = self.inner.transmit_output(amount, timeout);
        if result.is_err() {
            self.end.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let result = self.inner.await_input(timeout);
        match result {
            Ok(true) => {}
            Ok(false) => self.end.closed.store(true, Ordering::Relaxed),
            Err(_) => self.end.failed.store(true, Ordering::Relaxed),
        }
        result
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[derive(Debug)]
struct AboveTls {
    inner: Box<dyn Transport>,
    end: Arc<End>,
    peer: Peer,
}

impl AboveTls {
    /// Names what the library's error is about: the connection, which ureq reports as it is, or TLS.
    fn named(&self, error: ureq::Error) -> ureq::Error {
        match error {
            _ if self.end.failed.load(Ordering::Relaxed) => error,
            ureq::Error::Io(_) if self.end.is_closed() => end_of_file(),
            ureq::Error::Io(error) => failure::tls_of_system(&error, self.peer),
            other => other,
        }
    }
}

impl Transport for AboveTls {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let result = self.inner.transmit_output(amount, timeout);
        result.map_err(|error| self.named(error))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        match self.inner.await_input(timeout) {
            // The library reads no further once it has a `close_notify`.
            Ok(false) if self.end.is_closed() => Err(end_of_file()),
            Ok(input) => Ok(input),
            Err(error) => Err(self.named(error)),
        }
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

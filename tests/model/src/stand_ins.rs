//! What the modelled files use of the rest of the crate, as far as it matters to threads.

use std::sync::Arc;

use crate::sync::{Condvar, Mutex};

/// A batch that counts for `len` messages and for `memory` bytes.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) id: usize,
    pub(crate) len: usize,
    pub(crate) memory: usize,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }
}

#[derive(Debug)]
pub(crate) struct Error;

/// The connections of a reader, of which one is read.
#[derive(Clone, Default)]
pub struct Agent(Arc<Connection>);

#[derive(Default)]
struct Connection {
    is_closed: Mutex<bool>,
    closed: Condvar,
}

impl Agent {
    /// Closes the connections, which wakes who reads.
    pub fn shutdown(self) {
        *self.0.is_closed.lock().unwrap() = true;
        self.0.closed.notify_all();
    }

    /// Reads until the connection is closed, because the server sends nothing.
    pub(crate) fn read(&self) {
        let is_closed = self.0.is_closed.lock().unwrap();
        drop(self.0.closed.wait_while(is_closed, |is_closed| !*is_closed));
    }
}

//! TCP: finds an address that accepts a connection, and reads and writes within time limits.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use ureq::Timeout;
use ureq::unversioned::transport::{
    Buffers, LazyBuffers, NextTimeout, ShutdownHandle, Transport, time,
};

/// How long an address is waited for before the next one is tried beside it: the "Connection
/// Attempt Delay" of RFC 8305.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Connects to the first address that accepts.
///
/// An address that drops packets costs [`NEXT_ADDRESS_AFTER`] and not its share of the time: it
/// goes on in the background while the next one is tried. Returns the last error where all fail,
/// and [`io::ErrorKind::TimedOut`] where the time is over first.
pub(super) fn connect(addresses: &[SocketAddr], within: Option<Duration>) -> io::Result<TcpStream> {
    let socket = match (addresses, within) {
        ([address], Some(within)) => TcpStream::connect_timeout(address, within)?,
        ([address], None) => TcpStream::connect(address)?,
        _ => race(addresses, within)?,
    };
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn race(addresses: &[SocketAddr], within: Option<Duration>) -> io::Result<TcpStream> {
    let started = Instant::now();
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(addresses.len().max(1));
    // Under the index of its address; `None` where it failed.
    let mut attempts: Vec<Option<mio::net::TcpStream>> = Vec::new();
    let mut next_after = Duration::ZERO;
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let passed = started.elapsed();
        if within.is_some_and(|within| passed >= within) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let pending = attempts.iter().flatten().count();
        let next = addresses.get(attempts.len());
        if let Some(address) = next.filter(|_| pending == 0 || passed >= next_after) {
            next_after = passed + NEXT_ADDRESS_AFTER;
            let token = Token(attempts.len());
            let attempt = mio::net::TcpStream::connect(*address).and_then(|mut socket| {
                let registry = poll.registry();
                registry.register(&mut socket, token, Interest::WRITABLE)?;
                Ok(socket)
            });
            attempts.push(match attempt {
                Ok(socket) => Some(socket),
                Err(error) => {
                    failure = error;
                    None
                }
            });
            continue;
        }
        if pending == 0 {
            return Err(failure);
        }
        let until_next = next.map(|_| next_after.saturating_sub(passed));
        let until_end = within.map(|within| within.saturating_sub(passed));
        match poll.poll(&mut events, until_next.into_iter().chain(until_end).min()) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            let Token(index) = event.token();
            let Some(socket) = attempts[index].take() else {
                continue;
            };
            match outcome(&socket) {
                Ok(true) => return blocking(socket, &poll),
                Ok(false) => attempts[index] = Some(socket),
                Err(error) => {
                    failure = error;
                    next_after = Duration::ZERO;
                }
            }
        }
    }
}

/// Returns whether an attempt has connected; `false` while it goes on.
fn outcome(socket: &mio::net::TcpStream) -> io::Result<bool> {
    match socket.take_error()? {
        Some(error) => Err(error),
        None => Ok(socket.peer_addr().is_ok()),
    }
}

fn blocking(mut socket: mio::net::TcpStream, poll: &Poll) -> io::Result<TcpStream> {
    poll.registry().deregister(&mut socket)?;
    let socket = TcpStream::from(socket);
    socket.set_nonblocking(false)?;
    Ok(socket)
}

/// A connected socket.
pub(super) struct Socket {
    /// Shared with ureq, which shuts it down from another thread.
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    /// The bounds that the socket has: each new value costs a system call.
    read_within: Option<Duration>,
    write_within: Option<Duration>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, buffers: LazyBuffers) -> Self {
        Socket {
            stream: Arc::new(stream),
            buffers,
            read_within: None,
            write_within: None,
        }
    }

    pub(super) fn shutdown_handle(&self) -> Weak<dyn ShutdownHandle> {
        let handle: Arc<dyn ShutdownHandle> = self.stream.clone();
        Arc::downgrade(&handle)
    }

    fn bound_reads(&mut self, within: Option<Duration>) -> io::Result<()> {
        if self.read_within != within {
            set(self.stream.set_read_timeout(within))?;
            self.read_within = within;
        }
        Ok(())
    }

    /// Reads what has arrived, without waiting. Fails with `otherwise` if nothing has.
    fn look(&mut self, otherwise: ureq::Error) -> Result<bool, ureq::Error> {
        self.stream.set_nonblocking(true)?;
        let result = (&*self.stream).read(self.buffers.input_append_buf());
        self.stream.set_nonblocking(false)?;
        match result {
            Ok(read) => {
                self.buffers.input_appended(read);
                Ok(read > 0)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(otherwise),
            Err(error) => Err(error.into()),
        }
    }

    fn bound_writes(&mut self, within: Option<Duration>) -> io::Result<()> {
        if self.write_within != within {
            set(self.stream.set_write_timeout(within))?;
            self.write_within = within;
        }
        Ok(())
    }
}

/// Takes macOS's refusal of a bound for no failure: it refuses one after the other side has closed
/// with something unread, and the response may be there to be read all the same.
fn set(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if cfg!(target_os = "macos") && error.kind() == io::ErrorKind::InvalidInput => {
            Ok(())
        }
        other => other,
    }
}

/// The time within which a read or a write has to be done.
struct Within {
    time: Option<Duration>,
    started: Instant,
    reason: Timeout,
}

impl Within {
    fn of(timeout: NextTimeout) -> Result<Self, ureq::Error> {
        let time = match timeout.after {
            time::Duration::Exact(time) => Some(time),
            time::Duration::NotHappening => None,
        };
        // No socket takes a bound of zero.
        if time.is_some_and(|time| time.is_zero()) {
            return Err(ureq::Error::Timeout(timeout.reason));
        }
        Ok(Within {
            time,
            started: Instant::now(),
            reason: timeout.reason,
        })
    }

    /// Returns what is left for a system call that was interrupted, or that did only a part.
    fn left(&self) -> Result<Option<Duration>, ureq::Error> {
        let Some(time) = self.time else {
            return Ok(None);
        };
        match time.saturating_sub(self.started.elapsed()) {
            Duration::ZERO => Err(ureq::Error::Timeout(self.reason)),
            left => Ok(Some(left)),
        }
    }

    fn failed(&self, error: io::Error) -> ureq::Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                ureq::Error::Timeout(self.reason)
            }
            _ => error.into(),
        }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let within = Within::of(timeout.for_write())?;
        let mut bound = within.time;
        let mut done = 0;
        while done < amount {
            self.bound_writes(bound)?;
            let output = &self.buffers.output()[done..amount];
            match (&*self.stream).write(output) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(within.failed(error)),
            }
            if done < amount {
                bound = within.left()?;
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let within = Within::of(timeout.for_read())?;
        let mut bound = within.time;
        loop {
            self.bound_reads(bound)?;
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Ok(read) => {
                    self.buffers.input_appended(read);
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    bound = match within.left() {
                        Ok(left) => left,
                        // The process was stopped for longer than that. What arrived meanwhile is
                        // there to be read.
                        Err(timeout) => return self.look(timeout),
                    };
                }
                Err(error) => return Err(within.failed(error)),
            }
        }
    }

    /// Returns whether nothing is there to be read, neither bytes nor an end.
    fn is_open(&mut self) -> bool {
        let stream = &*self.stream;
        if stream.set_nonblocking(true).is_err() {
            return false;
        }
        let quiet = matches!(
            stream.peek(&mut [0]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock
        );
        quiet && stream.set_nonblocking(false).is_ok()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

//! The socket: a listener, a thread for each connection, and their shutdown.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use super::dispatch::{self, Reply, RequestContext};
use super::fault::{RequestFault, Struck};
use super::http::{Request, Unreadable, Wire, head};
use super::ids::uuid;
use super::response::{ErrorResponse, Response};
use super::shared::Shared;
use super::sync::lock;
use super::{scheduler, stream};

/// How long a shutdown waits for the threads to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The threads of a running emulator. Dropping it ends them.
pub(super) struct Server {
    pub(super) shared: Arc<Shared>,
    pub(super) address: SocketAddr,
    connections: Arc<Connections>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    pub(super) fn start(shared: Shared, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let server = Server {
            shared: Arc::new(shared),
            address,
            connections: Arc::default(),
            threads: Mutex::default(),
        };
        let shared = Arc::clone(&server.shared);
        let connections = Arc::clone(&server.connections);
        server.spawn("emulator-listener", move || {
            accept(&listener, &shared, &connections)
        })?;
        let shared = Arc::clone(&server.shared);
        server.spawn("emulator-scheduler", move || scheduler::run(&shared))?;
        Ok(server)
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    pub(super) fn open_connections(&self) -> usize {
        lock(&self.connections.open).sockets.len()
    }

    pub(super) fn accepted_connections(&self) -> u64 {
        lock(&self.connections.open).accepted
    }

    /// Ends all threads. Later calls do nothing.
    pub(super) fn shutdown(&self) {
        self.shared.stop();
        {
            let mut open = lock(&self.connections.open);
            open.refusing = true;
            for socket in open.sockets.values() {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
        // Wakes the listener, which then sees the stop signal.
        let _ = TcpStream::connect_timeout(&self.address, PATIENCE);
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
        let open = lock(&self.connections.open);
        let waited = self
            .connections
            .closed
            .wait_timeout_while(open, PATIENCE, |open| !open.sockets.is_empty());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// The open connections, so that a shutdown can close them.
#[derive(Default)]
struct Connections {
    open: Mutex<Open>,
    closed: Condvar,
}

#[derive(Default)]
struct Open {
    sockets: HashMap<u64, TcpStream>,
    accepted: u64,
    refusing: bool,
}

impl Connections {
    fn admit(&self, socket: &TcpStream) -> Option<u64> {
        socket.set_nodelay(true).ok()?;
        let clone = socket.try_clone().ok()?;
        let mut open = lock(&self.open);
        if open.refusing {
            return None;
        }
        open.accepted += 1;
        let number = open.accepted;
        open.sockets.insert(number, clone);
        Some(number)
    }

    fn leave(&self, number: u64) {
        lock(&self.open).sockets.remove(&number);
        self.closed.notify_all();
    }
}

/// Keeps a connection listed until its thread ends, even by a panic.
struct ConnectionGuard {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.leave(self.number);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, connections: &Arc<Connections>) {
    for socket in listener.incoming() {
        if shared.stop.is_set() {
            return;
        }
        let Ok(socket) = socket else {
            // Perhaps there are no file descriptors left; some will be closed.
            shared.stop.sleep(Duration::from_millis(10));
            continue;
        };
        let Some(number) = connections.admit(&socket) else {
            continue;
        };
        let (shared, admitted) = (Arc::clone(shared), Arc::clone(connections));
        let serve = move || {
            let guard = ConnectionGuard {
                connections: admitted,
                number,
            };
            serve(&shared, Wire::new(socket), number);
            drop(guard);
        };
        let name = "emulator-connection".to_owned();
        if thread::Builder::new().name(name).spawn(serve).is_err() {
            connections.leave(number);
        }
    }
}

/// Serves the requests of one connection.
fn serve(shared: &Arc<Shared>, mut wire: Wire, connection: u64) {
    loop {
        let request = match wire.next_request() {
            Ok(request) => request,
            Err(Unreadable::Closed) => return,
            Err(Unreadable::Refused(status, message)) => {
                let error = ErrorResponse::new(status, "bad_request", message);
                let response = dispatch::error_response(shared, error, &uuid());
                let bytes = encode(Vec::new(), &response, &wire.refused()).join();
                let _ = wire.settle();
                let _ = wire.write(&bytes);
                // The rest of the request is read, or the close would be a reset.
                let _ = wire.socket().shutdown(Shutdown::Write);
                wire.wait_for_close();
                return;
            }
        };
        lock(&shared.requests).add(&request, connection);
        let struck = lock(&shared.faults).strike(&request);
        let context = dispatch::receive(shared, &request);
        let goes_on = match struck {
            None => {
                let reply = dispatch::reply(shared, &context, Duration::ZERO);
                send(shared, &mut wire, &request, &context, reply)
            }
            Some(struck) => fail(shared, &mut wire, &request, &context, struck),
        };
        if !goes_on || !request.keep_alive {
            return;
        }
    }
}

/// Sends a response. Returns whether the connection can be used again.
fn send(
    shared: &Arc<Shared>,
    wire: &mut Wire,
    request: &Request,
    context: &RequestContext<'_>,
    reply: Reply,
) -> bool {
    match reply {
        Reply::Response(response) => {
            log::debug!("{} {} -> {}", request.method, request.path, response.status);
            let bytes = encode(context.headers(), &response, request).join();
            wire.settle().is_ok() && wire.write(&bytes).is_ok()
        }
        Reply::Stream(opening) => {
            log::debug!("{} {} -> stream", request.method, request.path);
            stream::serve(shared, wire, context.headers(), &opening);
            false
        }
    }
}

/// Lets a request meet its fault. Returns whether the connection can be used again.
fn fail(
    shared: &Arc<Shared>,
    wire: &mut Wire,
    request: &Request,
    context: &RequestContext<'_>,
    struck: Struck,
) -> bool {
    log::debug!("{} {} meets a fault", request.method, request.path);
    if let RequestFault::Delay(by) = struck.action {
        let reply = dispatch::reply(shared, context, by);
        return send(shared, wire, request, context, reply);
    }
    let reply = if struck.performs {
        Some(dispatch::reply(shared, context, Duration::ZERO))
    } else {
        None
    };
    let performed = reply.map(|reply| match reply {
        Reply::Response(response) => response,
        Reply::Stream(opening) => {
            stream::abandon(shared, &opening);
            Response::new(200, "text/event-stream", Vec::new())
        }
    });
    // What the operation returned.
    let original = || {
        let response = performed.unwrap_or_else(|| Response::ok(Value::Null));
        encode(context.headers(), &response, request)
    };
    let instead = |mut response: Response| {
        response.headers.extend(struck.headers);
        if struck.is_stored {
            dispatch::store(shared, context, &response);
        }
        encode(context.headers(), &response, request).join()
    };
    match struck.action {
        RequestFault::Refuse {
            status,
            code,
            message,
        } => {
            let error = RequestFault::error(status, code, message);
            let error = dispatch::error_response(shared, error, &context.request_id);
            let bytes = instead(error);
            wire.settle().is_ok() && wire.write(&bytes).is_ok()
        }
        RequestFault::Content {
            status,
            content_type,
            body,
        } => {
            let bytes = instead(Response::new(status, content_type, body));
            wire.settle().is_ok() && wire.write(&bytes).is_ok()
        }
        RequestFault::Raw(bytes) => {
            let _ = wire.settle().and_then(|()| wire.write(&bytes));
            false
        }
        RequestFault::Truncate(limit) => {
            let Encoded { mut head, body } = original();
            head.extend_from_slice(&body[..limit.min(body.len())]);
            let _ = wire.settle().and_then(|()| wire.write(&head));
            false
        }
        RequestFault::Trickle { bytes, every } => {
            let Encoded { head, body } = original();
            wire.settle().and_then(|()| wire.write(&head)).is_ok()
                && body.chunks(bytes).all(|piece| {
                    shared.stop.sleep(every);
                    wire.write(piece).is_ok()
                })
        }
        RequestFault::ResetAfterHeaders => {
            let Encoded { mut head, body } = original();
            head.extend_from_slice(&body[..body.len() / 2]);
            let _ = wire.write(&head);
            false
        }
        RequestFault::Stall => {
            wire.wait_for_close();
            false
        }
        RequestFault::Close => {
            let _ = wire.settle();
            false
        }
        // The byte that was left unread turns the close into a reset.
        RequestFault::Reset | RequestFault::Delay(_) => false,
    }
}

/// The bytes of a response.
struct Encoded {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Encoded {
    fn join(mut self) -> Vec<u8> {
        self.head.append(&mut self.body);
        self.head
    }
}

/// Encodes the response to `request`. A response that must not have a body has none, whatever the
/// operation or a fault produced: the bytes would be taken for the next response.
fn encode(mut headers: Vec<(String, String)>, response: &Response, request: &Request) -> Encoded {
    headers.push(("Content-Type".to_owned(), response.content_type.to_owned()));
    // A response that never has a body has no length either, not even 0.
    let has_length = !matches!(response.status, 100..=199 | 204);
    if has_length {
        let length = response.body.len().to_string();
        headers.push(("Content-Length".to_owned(), length));
    }
    if !request.keep_alive {
        headers.push(("Connection".to_owned(), "close".to_owned()));
    }
    for (name, value) in &response.headers {
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        headers.push((name.clone(), value.clone()));
    }
    let has_body = has_length && response.status != 304 && request.method != "HEAD";
    Encoded {
        head: head(response.status, &headers),
        body: if has_body {
            response.body.clone()
        } else {
            Vec::new()
        },
    }
}

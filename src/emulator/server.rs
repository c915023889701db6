//! The socket: a listener, a thread for each connection, and the end of both.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use super::fault::{RequestFault, Struck};
use super::http::{Request, Unreadable, Wire, head};
use super::ids::uuid;
use super::response::{ErrorResponse, Response};
use super::sync::lock;
use super::world::{Reply, Visit, World};
use super::{scheduler, stream};

/// How long the shutdown waits for threads that it has told to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running emulator's threads. Dropping it ends them.
pub(super) struct Server {
    pub(super) world: Arc<World>,
    pub(super) address: SocketAddr,
    connections: Arc<Connections>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The connections that are open, so that the shutdown can close them.
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

impl Server {
    pub(super) fn start(world: World, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let server = Server {
            world: Arc::new(world),
            address,
            connections: Arc::default(),
            threads: Mutex::default(),
        };
        let world = Arc::clone(&server.world);
        let connections = Arc::clone(&server.connections);
        server.spawn("emulator-listener", move || {
            accept(&listener, &world, &connections)
        })?;
        let world = Arc::clone(&server.world);
        server.spawn("emulator-scheduler", move || scheduler::run(&world))?;
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

    /// Ends all threads; again and again is once.
    pub(super) fn shutdown(&self) {
        self.world.stop();
        {
            let mut open = lock(&self.connections.open);
            open.refusing = true;
            for socket in open.sockets.values() {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
        // Wakes the listener, which then sees that it is over.
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

fn accept(listener: &TcpListener, world: &Arc<World>, connections: &Arc<Connections>) {
    for socket in listener.incoming() {
        if world.is_stopping() {
            return;
        }
        let Ok(socket) = socket else {
            // Out of descriptors, perhaps: some will come back.
            world.sleep(Duration::from_millis(10));
            continue;
        };
        let Some(number) = connections.admit(&socket) else {
            continue;
        };
        let (world, admitted) = (Arc::clone(world), Arc::clone(connections));
        let serve = move || {
            let guest = Guest {
                connections: admitted,
                number,
            };
            serve(&world, Wire::new(socket), number);
            drop(guest);
        };
        if thread::Builder::new()
            .name("emulator-connection".to_owned())
            .spawn(serve)
            .is_err()
        {
            connections.leave(number);
        }
    }
}

/// Keeps a connection on the list as long as its thread runs, even one that panics.
struct Guest {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.connections.leave(self.number);
    }
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

fn serve(world: &Arc<World>, mut wire: Wire, connection: u64) {
    loop {
        let request = match wire.next_request() {
            Ok(request) => request,
            Err(Unreadable::Closed) => return,
            Err(Unreadable::Refused(status, message)) => {
                let refused = wire.refused();
                let response =
                    world.refuse(ErrorResponse::new(status, "bad_request", message), &uuid());
                let _ = wire.settle();
                let _ = wire.write(&whole(Vec::new(), &response, &refused).join());
                // What is still to come is read, or the close would be a reset.
                let _ = wire.socket().shutdown(Shutdown::Write);
                wire.wait_for_close();
                return;
            }
        };
        lock(&world.requests).add(&request, connection);
        let struck = lock(&world.faults).strike(&request);
        if !respond(world, &mut wire, &request, struck) || !request.keep_alive {
            return;
        }
    }
}

/// Answers one request; `false` when the connection is of no further use.
fn respond(world: &Arc<World>, wire: &mut Wire, request: &Request, struck: Option<Struck>) -> bool {
    let visit = world.visit(request);
    let Some(Struck {
        action,
        performs,
        headers,
    }) = struck
    else {
        let reply = world.reply(&visit);
        return send(world, wire, request, &visit, reply);
    };
    log::debug!("{} {} meets a fault", request.method, request.path);
    let reply = if performs {
        Some(world.reply(&visit))
    } else {
        None
    };
    if let RequestFault::Delay(by) = action {
        world.sleep(by);
        return reply.is_some_and(|reply| send(world, wire, request, &visit, reply));
    }
    let performed = reply.map(|reply| match reply {
        Reply::Response(response) => response,
        Reply::Stream(opening) => {
            stream::abandon(world, &opening);
            Response::new(200, "text/event-stream", Vec::new())
        }
    });
    let truth = || {
        let response = performed.unwrap_or_else(|| Response::ok(Value::Null));
        whole(visit.headers(), &response, request)
    };
    let instead = |mut response: Response| {
        response.headers.extend(headers);
        whole(visit.headers(), &response, request).join()
    };
    match action {
        RequestFault::Refuse {
            status,
            code,
            message,
        } => {
            let error = RequestFault::error(status, code, message);
            let bytes = instead(world.refuse(error, &visit.request_id));
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
        RequestFault::Truncate(most) => {
            let Pieces { mut head, body } = truth();
            head.extend_from_slice(&body[..most.min(body.len())]);
            let _ = wire.settle().and_then(|()| wire.write(&head));
            false
        }
        RequestFault::Trickle { bytes, every } => {
            let Pieces { head, body } = truth();
            wire.settle().and_then(|()| wire.write(&head)).is_ok()
                && body.chunks(bytes).all(|piece| {
                    world.sleep(every);
                    wire.write(piece).is_ok()
                })
        }
        RequestFault::ResetAfterHeaders => {
            let Pieces { mut head, body } = truth();
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

fn send(
    world: &Arc<World>,
    wire: &mut Wire,
    request: &Request,
    visit: &Visit<'_>,
    reply: Reply,
) -> bool {
    match reply {
        Reply::Response(response) => {
            log::debug!("{} {} -> {}", request.method, request.path, response.status);
            let bytes = whole(visit.headers(), &response, request).join();
            wire.settle().is_ok() && wire.write(&bytes).is_ok()
        }
        Reply::Stream(opening) => {
            log::debug!("{} {} -> stream", request.method, request.path);
            stream::serve(world, wire, visit.headers(), &opening);
            false
        }
    }
}

/// An answer as it goes over the wire.
struct Pieces {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Pieces {
    fn join(mut self) -> Vec<u8> {
        self.head.append(&mut self.body);
        self.head
    }
}

/// The response to `request`. One that must not have a body has none, whatever the operation or
/// the fault made, or the next response on the connection could not be found.
fn whole(mut headers: Vec<(String, String)>, response: &Response, request: &Request) -> Pieces {
    headers.push(("Content-Type".to_owned(), response.content_type.to_owned()));
    // Neither may have a length, not even 0.
    let has_length = !matches!(response.status, 100..=199 | 204);
    if has_length {
        headers.push(("Content-Length".to_owned(), response.body.len().to_string()));
    }
    let has_body = has_length && response.status != 304 && request.method != "HEAD";
    if !request.keep_alive {
        headers.push(("Connection".to_owned(), "close".to_owned()));
    }
    for (name, value) in &response.headers {
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        headers.push((name.clone(), value.clone()));
    }
    Pieces {
        head: head(response.status, &headers),
        body: if has_body {
            response.body.clone()
        } else {
            Vec::new()
        },
    }
}

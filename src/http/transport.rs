//! One exchange on the wire: a request goes out, an answer comes back, or a [`Failure`].
//!
//! The only module that knows ureq's `unversioned` parts. It brings a resolver that keeps its
//! answers and a connector that all agents of a client share, and records for every exchange what
//! happened on its connection: whether one was made, whether anything went out or came in.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::{AutoHeaderValue, Config, ConfigBuilder};
use ureq::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use ureq::http::response::Parts;
use ureq::http::{Method, Request, Uri};
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport, time,
};
use ureq::{Agent, Body, Timeout};

use super::envelope;
use super::path::{bare_host, port};
use super::tls::Tls;
use crate::error::{ConnectionKind, OneLine};

/// How long a look-up is believed.
const LOOKUP_LIFETIME: Duration = Duration::from_secs(30);

/// Threads of one client keep their connections; ureq's own three would make them reconnect.
const IDLE_CONNECTIONS: usize = 32;

/// A time that can be added to any other: `Duration::MAX` is what callers write for "no limit".
pub(crate) fn finite(time: Duration) -> Duration {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    time.min(YEAR)
}

/// What error bodies are cut at: enough for any message.
const LARGEST_ERROR_BODY: usize = 1 << 20;

/// How a client reaches its server; shared by the client and all its streams.
pub(crate) struct Network {
    resolver: Arc<CachingResolver>,
    connector: Arc<DefaultConnector>,
    pub(crate) connect_timeout: Duration,
    proxy: Option<ureq::Proxy>,
    tls: Option<Tls>,
}

impl Network {
    /// `addresses` are those of hosts that need no look-up.
    pub(crate) fn new(
        connect_timeout: Duration,
        proxy: Option<ureq::Proxy>,
        tls: Option<Tls>,
        addresses: Vec<(String, Vec<SocketAddr>)>,
    ) -> Self {
        Network {
            resolver: Arc::new(CachingResolver {
                fixed: addresses,
                known: Mutex::default(),
                lookup: DefaultResolver::default(),
            }),
            connector: Arc::new(DefaultConnector::new()),
            connect_timeout,
            proxy,
            tls,
        }
    }

    /// Host and port of the proxy, for errors; never its user and password.
    pub(crate) fn proxy_address(&self) -> Option<String> {
        let proxy = self.proxy.as_ref()?;
        Some(format!("{}:{}", proxy.host(), proxy.port()))
    }

    /// An agent with a pool of its own, on the shared resolver and TLS configuration.
    pub(crate) fn agent(
        &self,
        adjust: impl FnOnce(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope>,
    ) -> Agent {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(AutoHeaderValue::None)
            .accept(AutoHeaderValue::None)
            .allow_non_standard_methods(true)
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .timeout_connect(Some(finite(self.connect_timeout)))
            .timeout_resolve(Some(finite(self.connect_timeout)))
            .proxy(self.proxy.clone());
        if let Some(tls) = &self.tls {
            config = tls.apply(config);
        }
        let connector = TracedConnector {
            shared: self.connector.clone(),
            resolver: self.resolver.clone(),
        };
        let resolver = SharedResolver(self.resolver.clone());
        Agent::with_parts(adjust(config).build(), connector, resolver)
    }
}

/// What goes out in one exchange.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<&'a [u8]>,
}

/// How one exchange differs from what the agent is configured for.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bound: Bound,
    /// Refuse the connections that the pool holds.
    pub(crate) fresh: bool,
}

/// What an exchange may take.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// What the agent is configured for.
    Agent,
    /// So long in all.
    Whole(Option<Duration>),
    /// So long until the head of the answer, and then between one read and the next.
    Stream {
        head: Option<Duration>,
        idle: Duration,
    },
}

/// Why there is no answer, and how far the exchange came.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) wire: Wire,
}

#[derive(Debug)]
pub(crate) enum FailureKind {
    /// Which of ureq's timeouts it was does not matter; [`Wire`] tells the phase.
    Timeout {
        connecting: bool,
    },
    Connection(ConnectionFailure),
    /// The body is larger than allowed; the head of its answer.
    TooLarge(Box<Parts>),
}

/// Why a connection was not established, or was lost.
#[derive(Debug)]
pub(crate) struct ConnectionFailure {
    pub(crate) kind: ConnectionKind,
    /// In words, for the error's line.
    pub(crate) what: String,
    pub(crate) source: Option<io::Error>,
}

impl Failure {
    /// Whether a connection from the pool turned out to be dead: nothing came back on it.
    pub(crate) fn is_stale(&self) -> bool {
        let Wire {
            connects,
            sent,
            received,
            ..
        } = self.wire;
        let broke = matches!(self.kind, FailureKind::Connection(..));
        broke && connects == 0 && sent && !received
    }
}

/// Sends a request and waits for the head of its answer.
pub(crate) fn exchange(
    agent: &Agent,
    outgoing: Outgoing<'_>,
    limits: Limits,
) -> Result<ureq::http::Response<Body>, Failure> {
    WIRE.set(Wire {
        body_follows: outgoing.body.is_some_and(|body| !body.is_empty()),
        ..Wire::default()
    });
    let mut request = Request::new(());
    *request.method_mut() = outgoing.method.clone();
    *request.uri_mut() = outgoing.uri;
    *request.headers_mut() = outgoing.headers;
    let result = match outgoing.body {
        Some(body) => run(agent, request.map(|()| body), limits),
        // Without a length, a method that usually has a body is sent with an empty chunked one.
        None if matches!(*outgoing.method, Method::POST | Method::PUT | Method::PATCH) => {
            run(agent, request.map(|()| &[][..]), limits)
        }
        None => run(agent, request, limits),
    };
    note(|wire| wire.head = result.is_ok());
    result.map_err(failure)
}

fn run<B: ureq::AsSendBody>(
    agent: &Agent,
    request: Request<B>,
    limits: Limits,
) -> Result<ureq::http::Response<Body>, ureq::Error> {
    if let (Bound::Agent, false) = (limits.bound, limits.fresh) {
        return agent.run(request);
    }
    let mut config = agent.configure_request(request);
    config = match limits.bound {
        Bound::Agent => config,
        Bound::Whole(timeout) => config.timeout_global(timeout.map(finite)),
        Bound::Stream { head, idle } => config
            .timeout_global(None)
            .timeout_send_request(head.map(finite))
            .timeout_recv_response(head.map(finite))
            .timeout_per_read(Some(finite(idle))),
    };
    if limits.fresh {
        config = config.max_idle_age(Duration::ZERO);
    }
    agent.run(config.build())
}

/// A whole body; `cut` where it has no length of its own, and its JSON ends early.
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cut: bool,
}

/// Reads the whole body of a success.
pub(crate) fn read_body(head: &Parts, body: Body, most: usize) -> Result<Read, Failure> {
    // A length that the server only claims is not worth more than this in memory.
    const BELIEVED: u64 = 1 << 20;
    let claimed = body.content_length().unwrap_or(0).min(BELIEVED) as usize;
    let mut bytes = Vec::with_capacity(claimed.min(most));
    let mut reader = body.into_reader().take((most as u64).saturating_add(1));
    if let Err(error) = reader.read_to_end(&mut bytes) {
        return Err(failure(ureq::Error::from(error)));
    }
    if bytes.len() > most {
        return Err(Failure {
            kind: FailureKind::TooLarge(Box::new(head.clone())),
            wire: WIRE.get(),
        });
    }
    let until_close =
        !head.headers.contains_key(CONTENT_LENGTH) && !head.headers.contains_key(TRANSFER_ENCODING);
    let cut = until_close && is_cut(&bytes, WIRE.get().broken);
    Ok(Read { bytes, cut })
}

/// Whether a body that ends with its connection ends too early: its JSON tells, and where there is
/// none, whether the connection was closed in order.
fn is_cut(bytes: &[u8], broken: bool) -> bool {
    if bytes.trim_ascii().is_empty() {
        return broken;
    }
    match envelope::decode::<serde::de::IgnoredAny>(bytes) {
        Ok(_) => false,
        Err(error) => error.is_eof() || broken,
    }
}

/// Reads the body of an error that has said enough in its status: what there is of it.
pub(crate) fn read_error_body(body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = body.into_reader().take(LARGEST_ERROR_BODY as u64);
    // The bytes that came before a failure are kept in place.
    let _ = reader.read_to_end(&mut bytes);
    bytes
}

/// Sorts ureq's errors; their own text may hold a URL with a ticket in it, so none is passed on
/// unseen.
pub(crate) fn failure(error: ureq::Error) -> Failure {
    use ConnectionKind::*;
    let wire = WIRE.get();
    let failed = |kind, what: &str| {
        FailureKind::Connection(ConnectionFailure {
            kind,
            what: what.to_owned(),
            source: None,
        })
    };
    let kind = match error {
        ureq::Error::Timeout(timeout) => FailureKind::Timeout {
            connecting: matches!(timeout, Timeout::Resolve | Timeout::Connect)
                || (!wire.sent && wire.connects > 0),
        },
        ureq::Error::Io(error) => FailureKind::Connection(io_failure(error, wire)),
        ureq::Error::HostNotFound => {
            failed(HostNotFound, "the host has no address; check the base URL")
        }
        ureq::Error::ConnectProxyFailed(why) if why.contains("407") || why.contains("401") => {
            failed(
                ProxyRefused,
                "the proxy asks for a user and password; give the right ones in its URL, as in \
                 http://user:password@host:port",
            )
        }
        ureq::Error::ConnectProxyFailed(_) => {
            failed(NotConnected, "the proxy refused to connect to the host")
        }
        ureq::Error::InvalidProxyUrl => failed(ProxyRefused, "the proxy's URL is not valid"),
        ureq::Error::LargeResponseHeader(_, most) => failed(
            MalformedResponse,
            &format!("the answer's headers are larger than {most} bytes"),
        ),
        // Its text names no part of the request; the type cannot be named from here.
        ureq::Error::Protocol(error) => match error.to_string().as_str() {
            "output too small to write output" => failed(
                RequestTooLong,
                "the request's URL or one of its headers is too long to be sent",
            ),
            "http parse resulted in too many headers" => {
                failed(MalformedResponse, "the answer has too many headers")
            }
            _ if wire.head => failed(MalformedResponse, "the answer's body is damaged"),
            _ => failed(
                MalformedResponse,
                "the answer is not HTTP; is this the API's port, and does it speak plain http?",
            ),
        },
        ureq::Error::Tls(what) => failed(TlsRefused, &format!("TLS failed: {what}")),
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(error) => failed(tls_kind(&error), &tls_failed(&error)),
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(error) => failed(TlsRefused, &tls_failed(&error)),
        ureq::Error::TlsRequired => {
            failed(TlsRefused, "the connection is not encrypted, and must be")
        }
        #[cfg(feature = "gzip")]
        ureq::Error::Decompress(..) => failed(Lost, "the compressed answer is damaged"),
        ureq::Error::ConnectionFailed => failed(NotConnected, "no connection could be made"),
        _ => failed(Lost, "the exchange failed"),
    };
    Failure { kind, wire }
}

fn io_failure(error: io::Error, wire: Wire) -> ConnectionFailure {
    use ConnectionKind::*;
    use io::ErrorKind;
    let (kind, what) = match error.kind() {
        ErrorKind::ConnectionRefused => (
            NotConnected,
            "connection refused: nothing listens there; is the server running, and is the base \
             URL right?"
                .to_owned(),
        ),
        ErrorKind::UnexpectedEof if wire.received => (
            Lost,
            "the connection ended in the middle of the answer".to_owned(),
        ),
        ErrorKind::UnexpectedEof if wire.sent => (
            Lost,
            "the server closed the connection without an answer".to_owned(),
        ),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            (Lost, "the server broke the connection".to_owned())
        }
        _ if wire.connects == 0 && !wire.sent => lookup_failed(&error),
        ErrorKind::InvalidData if is_tls(&error) => (io_tls_kind(&error), tls_failed(&error)),
        // In words of the library's own: what SOCKS proxies say, before there is a request.
        _ if !wire.sent && error.get_ref().is_some() => {
            let why = OneLine(&error.to_string(), 120).to_string();
            let kind = match error.kind() {
                ErrorKind::PermissionDenied => ProxyRefused,
                _ => NotConnected,
            };
            (kind, format!("no connection could be made: {why}"))
        }
        _ if !wire.sent => (NotConnected, "no connection could be made".to_owned()),
        _ => (Lost, "the connection failed".to_owned()),
    };
    // The system's own error is kept as the source; texts that libraries put in one are not.
    let source = match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::from(error.kind()),
    };
    ConnectionFailure {
        kind,
        what,
        source: Some(source),
    }
}

fn lookup_failed(error: &io::Error) -> (ConnectionKind, String) {
    match is_no_such_host(error) {
        true => (
            ConnectionKind::HostNotFound,
            "the host does not exist; check the base URL".to_owned(),
        ),
        false => (
            ConnectionKind::LookupFailed,
            "the host name could not be resolved; check the base URL and the network".to_owned(),
        ),
    }
}

/// Returns whether the resolver says that a host does not exist or has no address.
///
/// std keeps no code of a failed lookup, only the system's text. A text that is not known here,
/// such as a translated one, counts as temporary.
fn is_no_such_host(error: &io::Error) -> bool {
    // Winsock has codes: WSAHOST_NOT_FOUND and WSANO_DATA.
    if cfg!(windows) {
        return matches!(error.raw_os_error(), Some(11001 | 11004));
    }
    const EAI_NONAME: [&str; 4] = [
        "Name or service not known",                    // glibc
        "Name does not resolve",                        // musl, FreeBSD
        "nodename nor servname provided, or not known", // macOS
        "hostname nor servname provided, or not known", // older BSDs
    ];
    const EAI_NODATA: [&str; 3] = [
        "No address associated with hostname", // glibc, bionic
        "No address associated with nodename", // macOS
        "Name has no usable address",          // musl
    ];
    let text = error.to_string();
    let known = EAI_NONAME.iter().chain(&EAI_NODATA);
    error.raw_os_error().is_none() && known.into_iter().any(|known| text.ends_with(known))
}

/// Returns what an error of rustls says about further attempts.
#[cfg(feature = "rustls")]
fn tls_kind(error: &rustls::Error) -> ConnectionKind {
    use rustls::{AlertDescription, Error};
    match error {
        // The other side's own trouble, or bytes that were damaged on the way.
        Error::AlertReceived(
            AlertDescription::InternalError
            | AlertDescription::UserCanceled
            | AlertDescription::CloseNotify
            | AlertDescription::BadRecordMac,
        )
        | Error::DecryptError
        | Error::FailedToGetRandomBytes
        | Error::FailedToGetCurrentTime => ConnectionKind::Lost,
        _ => ConnectionKind::TlsRefused,
    }
}

fn io_tls_kind(error: &io::Error) -> ConnectionKind {
    #[cfg(feature = "rustls")]
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return tls_kind(error);
    }
    let _ = error;
    ConnectionKind::Lost
}

/// Whether it is rustls that says so, and not, say, what unpacks a body.
fn is_tls(error: &io::Error) -> bool {
    #[cfg(feature = "rustls")]
    return error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>());
    #[cfg(not(feature = "rustls"))]
    return {
        let _ = error;
        false
    };
}

/// What is wrong with the other side's certificate, or with ours, and what to do.
fn tls_failed(error: &dyn std::fmt::Display) -> String {
    let why = error.to_string();
    let advice = if why.contains("UnknownIssuer") {
        "; if the server has a private authority, trust it with ClientBuilder::root_certificates"
    } else if why.contains("CertificateRequired") {
        "; the server wants a certificate: give one with ClientBuilder::client_certificate"
    } else {
        ""
    };
    format!("TLS failed: {}{advice}", OneLine(&why, 300))
}

/// What happened on the connection in the exchange that this thread made last.
///
/// ureq runs a whole exchange on the caller's thread, the reading of the body included, so this
/// belongs to one exchange and needs no lock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wire {
    /// Connections that were tried; 0 where the pool had one.
    pub(crate) connects: u32,
    /// Whether anything of the request may have gone out.
    pub(crate) sent: bool,
    /// Whether anything of the answer came in.
    pub(crate) received: bool,
    connecting: bool,
    /// Whether the request has a body, and nothing of its head is through yet.
    body_follows: bool,
    /// Whether the head of the answer came in whole.
    head: bool,
    /// Whether reading ended in anything but an orderly close. ureq takes that for the end of a
    /// body that has no length.
    broken: bool,
}

thread_local! {
    static WIRE: Cell<Wire> = const { Cell::new(Wire {
        connects: 0,
        sent: false,
        received: false,
        connecting: false,
        body_follows: false,
        head: false,
        broken: false,
    }) };
}

fn note(change: impl FnOnce(&mut Wire)) {
    let mut wire = WIRE.get();
    change(&mut wire);
    WIRE.set(wire);
}

/// Makes connections through the shared connector and notes what happens on them.
struct TracedConnector {
    shared: Arc<DefaultConnector>,
    resolver: Arc<CachingResolver>,
}

impl fmt::Debug for TracedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TracedConnector")
    }
}

impl Connector<()> for TracedConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // To reach a proxy ureq runs the connector within itself: what goes to the proxy is no
        // part of the request.
        if WIRE.get().connecting {
            return self.shared.connect(details, chained);
        }
        // For a request with settings of its own ureq would build the TLS configuration anew, at
        // each connection; ours is the same for all requests of a client.
        let details = &ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: false,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        note(|wire| {
            wire.connects += 1;
            wire.connecting = true;
        });
        let made = self.shared.connect(details, chained);
        note(|wire| wire.connecting = false);
        match made {
            Ok(Some(inner)) => Ok(Some(Box::new(TracedTransport {
                inner,
                held: Vec::new(),
                written: None,
                idle: false,
                bound: None,
            }))),
            Ok(None) => Ok(None),
            Err(error) => {
                self.resolver.forget(details.uri);
                Err(error)
            }
        }
    }
}

#[derive(Debug)]
struct TracedTransport {
    inner: Box<dyn Transport>,
    /// The head of a request that goes out with the start of its body: in one packet, one record of
    /// TLS and one system call where ureq makes two of each.
    held: Vec<u8>,
    /// Why writing failed. A server may answer and close before it has read the whole request;
    /// that answer is waiting to be read, and says more than the failed write.
    written: Option<io::Error>,
    /// Whether the connection went back to the pool since it was last used.
    idle: bool,
    /// The bound that the socket has now, of which a new one may be a little less: each new value
    /// costs a system call.
    bound: Option<Duration>,
}

impl TracedTransport {
    /// The bound to put on the socket: the one it has, where that is later by 1/64 at most.
    fn bounded(&mut self, mut timeout: NextTimeout) -> NextTimeout {
        if let time::Duration::Exact(after) = timeout.after {
            match self.bound {
                Some(bound) if after <= bound && bound - after <= after / 64 => {
                    timeout.after = time::Duration::Exact(bound);
                }
                _ => self.bound = Some(after),
            }
        }
        timeout
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

    fn transmit(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        note(|wire| wire.sent = true);
        if self.written.is_some() {
            return Ok(());
        }
        let timeout = self.bounded(timeout);
        match self.inner.transmit_output(amount, timeout) {
            Err(ureq::Error::Io(error)) if is_broken(&error) => {
                self.written = Some(error);
                Ok(())
            }
            other => other,
        }
    }
}

impl Transport for TracedTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.idle = false;
        if WIRE.get().body_follows {
            note(|wire| wire.body_follows = false);
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
        let timeout = self.bounded(timeout);
        let result = self.inner.await_input(timeout);
        match &result {
            Ok(true) => {
                note(|wire| wire.received = true);
                return result;
            }
            Err(ureq::Error::Io(_)) => note(|wire| wire.broken = true),
            _ => {}
        }
        match self.written.take() {
            Some(error) => Err(error.into()),
            None => result,
        }
    }

    fn is_open(&mut self) -> bool {
        if self.written.is_some() {
            return false;
        }
        // The pool asks twice, when a connection comes back and when it goes out again; only the
        // second answer counts, and each costs three system calls.
        std::mem::replace(&mut self.idle, true).then(|| self.inner.is_open()) != Some(false)
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

fn is_broken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
    )
}

/// Looks hosts up, and keeps the answers for a while: ureq asks before it looks into its pool.
struct CachingResolver {
    /// Of hosts in lower case.
    fixed: Vec<(String, Vec<SocketAddr>)>,
    /// Few: a client has one host, and perhaps a proxy.
    known: Mutex<Vec<Known>>,
    lookup: DefaultResolver,
}

/// What a look-up has found.
struct Known {
    authority: String,
    when: Instant,
    addresses: Vec<SocketAddr>,
}

struct SharedResolver(Arc<CachingResolver>);

impl fmt::Debug for SharedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedResolver")
    }
}

impl CachingResolver {
    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, uri: &Uri) {
        if let Some(authority) = uri.authority() {
            self.known()
                .retain(|known| known.authority != authority.as_str());
        }
    }
}

impl Resolver for SharedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let resolver = &*self.0;
        let (Some(authority), Some(scheme)) = (uri.authority(), uri.scheme_str()) else {
            return resolver.lookup.resolve(uri, config, timeout);
        };
        let port = port(authority.port_u16(), scheme == "https");
        let host = bare_host(authority);
        let list = |addresses: &[SocketAddr]| {
            let mut list = resolver.lookup.empty();
            // ureq's list is of a fixed size, which a look-up of its own keeps to as well.
            addresses
                .iter()
                .take(16)
                .for_each(|address| list.push(*address));
            list
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(list(&[SocketAddr::new(address, port)]));
        }
        let mut fixed = resolver.fixed.iter();
        if let Some((_, addresses)) = fixed.find(|known| known.0.eq_ignore_ascii_case(host)) {
            return Ok(list(addresses));
        }
        // Plain http may go to `localhost`, so nobody else's answer says where that is.
        if host.eq_ignore_ascii_case("localhost") {
            let here = [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()];
            return Ok(list(&here.map(|address| SocketAddr::new(address, port))));
        }
        let is_known = |known: &Known| known.authority == authority.as_str();
        if let Some(known) = resolver.known().iter().find(|known| is_known(known)) {
            if known.when.elapsed() < LOOKUP_LIFETIME {
                return Ok(list(&known.addresses));
            }
        }
        let found = resolver.lookup.resolve(uri, config, timeout)?;
        let mut all = resolver.known();
        all.retain(|known| !is_known(known));
        all.push(Known {
            authority: authority.as_str().to_owned(),
            when: Instant::now(),
            addresses: found.iter().copied().collect(),
        });
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
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

    /// The writes for what ureq hands over, with so much room for output.
    fn writes(has_body: bool, room: usize, parts: &[&str]) -> Vec<String> {
        let writes = Arc::default();
        let mut transport = TracedTransport {
            inner: Box::new(Recorder {
                buffers: LazyBuffers::new(1, room),
                writes: Arc::clone(&writes),
            }),
            held: Vec::new(),
            written: None,
            idle: false,
            bound: None,
        };
        WIRE.set(Wire {
            body_follows: has_body,
            ..Wire::default()
        });
        let timeout = NextTimeout::default;
        for part in parts {
            transport.buffers().output()[..part.len()].copy_from_slice(part.as_bytes());
            transport.transmit_output(part.len(), timeout()).unwrap();
        }
        let sent = !writes.lock().unwrap().is_empty();
        assert_eq!(WIRE.get().sent, sent);
        transport.await_input(timeout()).unwrap();
        assert!(WIRE.get().sent);
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
    fn where_there_is_no_room_for_both_they_go_one_after_the_other() {
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

    #[test]
    fn a_host_that_does_not_exist_is_told_from_a_resolver_that_fails() {
        let lookup =
            |text: &str| io::Error::other(format!("failed to lookup address information: {text}"));
        if cfg!(windows) {
            assert!(is_no_such_host(&io::Error::from_raw_os_error(11001)));
            assert!(!is_no_such_host(&io::Error::from_raw_os_error(11002)));
            return;
        }
        for text in [
            "Name or service not known",
            "No address associated with hostname",
            "Name does not resolve",
            "Name has no usable address",
            "nodename nor servname provided, or not known",
        ] {
            assert!(is_no_such_host(&lookup(text)), "{text}");
        }
        for text in [
            "Temporary failure in name resolution",
            "Non-recoverable failure in name resolution",
            "Try again",
            "System error",
            "Name oder Dienst nicht bekannt",
            "",
        ] {
            assert!(!is_no_such_host(&lookup(text)), "{text}");
        }
        // The system's own error, such as no free file, is no verdict about the host.
        assert!(!is_no_such_host(&io::Error::from_raw_os_error(24)));
    }

    #[test]
    fn localhost_is_this_machine_and_is_never_looked_up() {
        let resolver = Arc::new(CachingResolver {
            fixed: Vec::new(),
            known: Mutex::default(),
            lookup: DefaultResolver::default(),
        });
        let config = Agent::config_builder().build();
        for url in ["http://localhost:8080/x", "https://LOCALHOST:8080"] {
            let url: Uri = url.parse().unwrap();
            let resolved = SharedResolver(resolver.clone());
            let found = resolved
                .resolve(&url, &config, NextTimeout::default())
                .unwrap();
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, ["127.0.0.1:8080", "[::1]:8080"]);
        }
        assert!(resolver.known().is_empty());
    }
}

//! One exchange on the wire: a request goes out, and a response or a [`Failure`] comes back.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::{AutoHeaderValue, ConfigBuilder};
use ureq::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use ureq::http::response::Parts;
use ureq::http::{Method, Request, Uri};
use ureq::typestate::AgentScope;
use ureq::{Agent, Body};

use super::connector::Connector;
use super::envelope;
use super::failure::{Failure, FailureKind, failure};
use super::resolver::{self, Resolver};
use super::tls::Tls;
use super::trace::ExchangeTrace;

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
    connector: Arc<Connector>,
    pub(crate) connect_timeout: Duration,
    tls: Option<Tls>,
}

impl Network {
    /// `addresses` are those of hosts that need no lookup.
    pub(crate) fn new(
        connect_timeout: Duration,
        proxy: Option<ureq::Proxy>,
        tls: Option<Tls>,
        addresses: Vec<(String, Vec<SocketAddr>)>,
    ) -> Self {
        let resolver = Resolver::new(addresses, resolver::system);
        Network {
            connector: Arc::new(Connector::new(resolver, proxy)),
            connect_timeout,
            tls,
        }
    }

    /// Returns host and port of the proxy, for errors; never its user and password.
    pub(crate) fn proxy_address(&self) -> Option<String> {
        let proxy = self.connector.proxy()?;
        Some(format!("{}:{}", proxy.host(), proxy.port()))
    }

    /// Makes an agent with a pool of its own, on the shared resolver and TLS configuration.
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
            .proxy(self.connector.proxy().cloned());
        if let Some(tls) = &self.tls {
            config = tls.apply(config);
        }
        self.connector.agent(adjust(config).build())
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

/// Sends a request and waits for the head of its answer.
pub(crate) fn exchange(
    agent: &Agent,
    outgoing: Outgoing<'_>,
    limits: Limits,
) -> Result<ureq::http::Response<Body>, Failure> {
    ExchangeTrace::start(outgoing.body.is_some_and(|body| !body.is_empty()));
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
    ExchangeTrace::note(|trace| trace.head = result.is_ok());
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
            .timeout_connect(
                agent
                    .config()
                    .timeouts()
                    .connect
                    .into_iter()
                    .chain(head)
                    .min(),
            )
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
            wire: ExchangeTrace::get(),
        });
    }
    let until_close =
        !head.headers.contains_key(CONTENT_LENGTH) && !head.headers.contains_key(TRANSFER_ENCODING);
    let cut = until_close && is_cut(&bytes, ExchangeTrace::get().broken);
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

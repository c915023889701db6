//! One exchange on the wire: a request goes out, and a response or a [`TransportError`] comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::{AutoHeaderValue, ConfigBuilder};
use ureq::http::header::{HeaderMap, TRANSFER_ENCODING};
use ureq::http::{Method, Request, Response};
use ureq::typestate::AgentScope;
use ureq::{Agent, Body};

use super::connector::Connector;
use super::failure::{self, TransportError};
use super::resolver::{self, Resolver};
use super::tls::Tls;
use super::trace::ExchangeTrace;

/// Threads of one client keep their connections: with fewer than there are threads, they reconnect.
const IDLE_CONNECTIONS: usize = 256;

/// The largest head of a response: ureq's own limit. One byte more has to fit into the input buffer
/// to tell a head that is too large from one that a lost connection truncated.
const LARGEST_HEAD: usize = 64 * 1024;

/// The output buffer of a connection. Buffers are zeroed: each of their pages costs a script of one
/// call a page fault, and each idle connection its memory. `run` makes room for a longer URL.
const OUTPUT: usize = 16 * 1024;

/// Limits a duration to one that can be added to any time: callers write `Duration::MAX` for "no limit".
pub(crate) fn clamp(time: Duration) -> Duration {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    time.min(YEAR)
}

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
            .max_response_header_size(LARGEST_HEAD)
            .input_buffer_size(LARGEST_HEAD + 1)
            .output_buffer_size(OUTPUT)
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .timeout_connect(Some(clamp(self.connect_timeout)))
            .proxy(self.connector.proxy().cloned());
        if let Some(tls) = &self.tls {
            config = tls.apply(config);
        }
        self.connector.agent(adjust(config).build())
    }
}

/// How long an exchange may take.
#[derive(Clone, Copy)]
pub(crate) enum Timeouts {
    /// What the agent is configured for.
    Agent,
    /// A limit for the whole exchange.
    Whole(Option<Duration>),
    /// A limit until the head of the response, and then one between two reads.
    Stream {
        head: Option<Duration>,
        idle: Duration,
    },
}

/// Sends a request and waits for the head of its response. With `force_new`, the connections of the
/// pool are not used.
pub(crate) fn exchange(
    agent: &Agent,
    request: Request<()>,
    body: Option<&[u8]>,
    timeouts: Timeouts,
    force_new: bool,
) -> Result<Response<Body>, TransportError> {
    ExchangeTrace::start(body.is_some_and(|body| !body.is_empty()));
    let result = match body {
        Some(body) => run(agent, request.map(|()| body), timeouts, force_new),
        // Without a length, a method that usually has a body is sent with an empty chunked one.
        None if matches!(
            *request.method(),
            Method::POST | Method::PUT | Method::PATCH
        ) =>
        {
            run(agent, request.map(|()| &[][..]), timeouts, force_new)
        }
        None => run(agent, request, timeouts, force_new),
    };
    ExchangeTrace::trace(|trace| trace.head = result.is_ok());
    let response = result.map_err(failure::of_exchange)?;
    match transfer_encoding(response.headers()) {
        Some(encoding) if response.status().is_success() => {
            Err(failure::unknown_transfer_encoding(&encoding))
        }
        _ => Ok(response),
    }
}

/// Sends a request, and sends it again on a new connection if the one of the pool turns out to be dead
/// before anything was received.
///
/// `send` is told whether a new connection is required. `again` gives the timeouts of the second
/// time, or `None` to leave it at the failure.
pub(crate) fn resend_if_dead<T>(
    timeouts: Timeouts,
    send: impl Fn(Timeouts, bool) -> Result<T, TransportError>,
    again: impl FnOnce() -> Option<Timeouts>,
) -> Result<T, TransportError> {
    let failure = match send(timeouts, false) {
        Err(failure) if failure.is_dead_on_reuse() => failure,
        other => return other,
    };
    let Some(timeouts) = again() else {
        return Err(failure);
    };
    send(timeouts, true).map_err(|mut failure| {
        // The server may have it from the first time.
        failure.trace.sent = true;
        failure
    })
}

/// Returns the transfer encoding where it is not one that every client knows: ureq undoes `chunked`
/// and would pass on the rest as the body.
fn transfer_encoding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(TRANSFER_ENCODING).into_iter();
    let values: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    let is_known = |encoding: &str| {
        let encoding = encoding.trim();
        ["chunked", "identity", ""]
            .iter()
            .any(|known| encoding.eq_ignore_ascii_case(known))
    };
    match values
        .iter()
        .flat_map(|value| value.split(','))
        .all(is_known)
    {
        true => None,
        false => Some(values.join(", ")),
    }
}

fn run<B: ureq::AsSendBody>(
    agent: &Agent,
    request: Request<B>,
    timeouts: Timeouts,
    force_new: bool,
) -> Result<Response<Body>, ureq::Error> {
    // A value of a header has up to 8 KiB, so only the URL can be too long for the buffer. ` HTTP/1.1`,
    // the method and a scheme are around it.
    let uri = request.uri();
    let host = uri.authority().map_or(0, |host| host.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let line = host + path + 64;
    let is_long =
        line > agent.config().output_buffer_size() && !matches!(timeouts, Timeouts::Stream { .. });
    if let (Timeouts::Agent, false, false) = (timeouts, force_new, is_long) {
        return agent.run(request);
    }
    let mut config = agent.configure_request(request);
    // The buffers of pooled connections are too small for it, so ureq opens one outside the pool.
    if is_long {
        config = config.output_buffer_size(line);
    }
    config = match timeouts {
        Timeouts::Agent => config,
        Timeouts::Whole(timeout) => config.timeout_global(timeout.map(clamp)),
        Timeouts::Stream { head, idle } => config
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
            .timeout_send_request(head.map(clamp))
            .timeout_recv_response(head.map(clamp))
            .timeout_per_read(Some(clamp(idle))),
    };
    if force_new {
        config = config.max_idle_age(Duration::ZERO);
    }
    agent.run(config.build())
}

//! Makes connections: directly or by way of a proxy, with TLS where the URL wants it.
//!
//! With `transport` this is all that knows ureq's `unversioned` module, which may change in any of
//! its minor releases. ureq's own chain of connectors gives each read of a proxy's response the
//! whole limit, tries addresses one after the other, and takes only 200 for an open tunnel.

mod early;
mod socket;
#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
mod system_tls;
#[cfg(test)]
mod tests;
mod traced;
mod tunnel;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver as UreqResolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector as UreqConnector, LazyBuffers, NextTimeout, Transport, time,
};
use ureq::{ProxyProtocol, Timeout};

use self::early::EarlyResponse;
use self::socket::Socket;
use self::traced::{TracedTransport, Trust};
use super::failure::{self, Peer};
use super::path::{bare_host, port};
use super::resolver::{LookupError, Resolver};
use super::trace::ExchangeTrace;

#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
use ureq::unversioned::transport::NativeTlsConnector as TlsConnector;
#[cfg(feature = "rustls")]
use ureq::unversioned::transport::RustlsConnector as TlsConnector;

/// Makes the connections of all agents of a client.
pub(crate) struct Connector {
    resolver: Resolver,
    proxy: Option<ureq::Proxy>,
    trust: Arc<Trust>,
    /// Keeps the TLS configuration, which takes long to build.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    tls: TlsConnector,
}

impl Connector {
    pub(crate) fn new(resolver: Resolver, proxy: Option<ureq::Proxy>) -> Self {
        Connector {
            resolver,
            proxy,
            trust: Arc::default(),
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            tls: TlsConnector::default(),
        }
    }

    /// Makes an agent with a pool of its own.
    pub(crate) fn agent(self: &Arc<Self>, config: Config) -> ureq::Agent {
        ureq::Agent::with_parts(config, Handle(self.clone()), NoResolver)
    }

    /// Returns the proxy that connections go by.
    pub(crate) fn proxy(&self) -> Option<&ureq::Proxy> {
        self.proxy.as_ref()
    }

    fn establish(
        &self,
        details: &ConnectionDetails<'_>,
        deadline: ConnectDeadline,
    ) -> Result<Box<dyn Transport>, ureq::Error> {
        let Some(proxy) = &self.proxy else {
            let socket = self.tcp(details.uri, Peer::Server, details, deadline)?;
            return self.secure(socket, details.uri, Peer::Server, details, deadline);
        };
        let tunnel = match proxy.protocol() {
            ProxyProtocol::Http | ProxyProtocol::Https => {
                let socket = self.tcp(proxy.uri(), Peer::Proxy, details, deadline)?;
                let secured = self.secure(socket, proxy.uri(), Peer::Proxy, details, deadline)?;
                Box::new(tunnel::open(secured, proxy, details.uri, deadline)?)
            }
            _ => self.socks(proxy, details, deadline)?,
        };
        self.secure(tunnel, details.uri, Peer::Server, details, deadline)
    }

    /// Connects to the host of a URL.
    fn tcp(
        &self,
        uri: &Uri,
        peer: Peer,
        details: &ConnectionDetails<'_>,
        deadline: ConnectDeadline,
    ) -> Result<Box<dyn Transport>, ureq::Error> {
        let stream = self.connected(uri, peer, deadline)?;
        let socket = Socket::new(stream, buffers(details.config));
        (details.register_shutdown)(socket.shutdown_handle())?;
        Ok(Box::new(EarlyResponse::new(socket)))
    }

    fn connected(
        &self,
        uri: &Uri,
        peer: Peer,
        deadline: ConnectDeadline,
    ) -> Result<std::net::TcpStream, ureq::Error> {
        let (host, port) = host_and_port(uri)?;
        let addresses = self.addresses(uri, peer, deadline)?;
        let stream = match socket::connect(&addresses, deadline.left()?) {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(deadline.expired());
            }
            Err(error) => return Err(failure::not_connected(error, peer)),
        };
        if let (2.., Ok(address)) = (addresses.len(), stream.peer_addr()) {
            self.resolver.worked(host, port, address);
        }
        Ok(stream)
    }

    fn addresses(
        &self,
        uri: &Uri,
        peer: Peer,
        deadline: ConnectDeadline,
    ) -> Result<Vec<SocketAddr>, ureq::Error> {
        let (host, port) = host_and_port(uri)?;
        let found = self.resolver.addresses(host, port, deadline.left()?);
        found.map_err(|error| match error {
            LookupError::TimedOut => deadline.expired(),
            LookupError::Failed(error) => failure::lookup(error, peer),
        })
    }

    /// Adds TLS where the URL wants it.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    fn secure(
        &self,
        transport: Box<dyn Transport>,
        uri: &Uri,
        peer: Peer,
        details: &ConnectionDetails<'_>,
        deadline: ConnectDeadline,
    ) -> Result<Box<dyn Transport>, ureq::Error> {
        if uri.scheme_str() != Some("https") {
            return Ok(transport);
        }
        let details = stage(details, uri, deadline, &NoResolver, NoResolver.empty())?;
        #[cfg(not(feature = "rustls"))]
        return system_tls::connect(&self.tls, &details, transport, peer);
        #[cfg(feature = "rustls")]
        match self.tls.connect(&details, Some(transport)) {
            Ok(Some(secured)) => Ok(Box::new(secured)),
            Ok(None) => Err(ureq::Error::TlsRequired),
            Err(error) => Err(failure::handshake(error, peer)),
        }
    }

    #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
    fn secure(
        &self,
        transport: Box<dyn Transport>,
        uri: &Uri,
        _: Peer,
        _: &ConnectionDetails<'_>,
        _: ConnectDeadline,
    ) -> Result<Box<dyn Transport>, ureq::Error> {
        match uri.scheme_str() {
            Some("https") => Err(ureq::Error::TlsRequired),
            _ => Ok(transport),
        }
    }

    /// Connects by way of a SOCKS proxy, on a socket of ureq's.
    ///
    /// Its bound of a write starts anew with each part that is written, so a request that nobody
    /// reads may use up the time in which [`EarlyResponse`] would look for a response.
    #[cfg(feature = "socks")]
    fn socks(
        &self,
        proxy: &ureq::Proxy,
        details: &ConnectionDetails<'_>,
        deadline: ConnectDeadline,
    ) -> Result<Box<dyn Transport>, ureq::Error> {
        use ureq::unversioned::transport::SocksConnector;

        let addresses = self.addresses(proxy.uri(), Peer::Proxy, deadline)?;
        let proxy_address = match addresses[..] {
            [address] => address,
            // ureq connects by itself, to one address after the other. A connection that is closed
            // again finds out which one accepts.
            _ => {
                let stream = self.connected(proxy.uri(), Peer::Proxy, deadline)?;
                stream
                    .peer_addr()
                    .map_err(|error| failure::not_connected(error, Peer::Proxy))?
            }
        };
        let resolver = OneAddress(proxy_address);
        // Some versions of SOCKS take addresses only.
        let target = match proxy.resolve_target() {
            true => self.addresses(details.uri, Peer::Server, deadline)?,
            false => Vec::new(),
        };
        let details = stage(details, details.uri, deadline, &resolver, list(&target))?;
        let none: Option<()> = None;
        match SocksConnector::default().connect(&details, none) {
            Ok(Some(connected)) => Ok(Box::new(EarlyResponse::new(connected))),
            Ok(None) => Err(ureq::Error::ConnectionFailed),
            Err(ureq::Error::Io(error)) => Err(failure::socks(error)),
            Err(error) => Err(error),
        }
    }

    #[cfg(not(feature = "socks"))]
    fn socks(
        &self,
        _: &ureq::Proxy,
        _: &ConnectionDetails<'_>,
        _: ConnectDeadline,
    ) -> Result<Box<dyn Transport>, ureq::Error> {
        // The builder refuses such a proxy.
        Err(ureq::Error::ConnectionFailed)
    }

    /// Forgets where a host and the proxy are: after a failure one of them may have moved.
    fn forget(&self, uri: &Uri) {
        let proxy = self.proxy.as_ref().map(ureq::Proxy::uri);
        for uri in proxy.into_iter().chain([uri]) {
            if let Ok((host, port)) = host_and_port(uri) {
                self.resolver.forget(host, port);
            }
        }
    }
}

fn host_and_port(uri: &Uri) -> Result<(&str, u16), ureq::Error> {
    let Some(authority) = uri.authority() else {
        return Err(ureq::Error::HostNotFound);
    };
    let default = match uri.scheme_str() {
        Some(scheme) if scheme.starts_with("socks") => 1080,
        scheme => port(None, scheme == Some("https")),
    };
    let port = authority.port_u16().unwrap_or(default);
    Ok((bare_host(authority), port))
}

fn buffers(config: &Config) -> LazyBuffers {
    LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size())
}

/// Returns the details of one step, with the time that is left for it.
#[cfg(any(feature = "rustls", feature = "native-tls", feature = "socks"))]
fn stage<'a>(
    details: &ConnectionDetails<'a>,
    uri: &'a Uri,
    deadline: ConnectDeadline,
    resolver: &'a dyn UreqResolver,
    addrs: ResolvedSocketAddrs,
) -> Result<ConnectionDetails<'a>, ureq::Error> {
    Ok(ConnectionDetails {
        uri,
        addrs,
        config: details.config,
        // For a request with settings of its own ureq would build the TLS configuration anew, at
        // each connection; ours is the same for all requests of a client.
        request_level: false,
        resolver,
        now: (details.current_time)(),
        timeout: deadline.next()?,
        current_time: details.current_time.clone(),
        run_connector: details.run_connector.clone(),
        register_shutdown: details.register_shutdown.clone(),
    })
}

/// Until when a connection has to be established, whatever it takes.
#[derive(Clone, Copy)]
struct ConnectDeadline {
    until: Option<Instant>,
    /// The limit that it is.
    reason: Timeout,
}

impl ConnectDeadline {
    fn start(timeout: NextTimeout) -> Self {
        let until = match timeout.after {
            time::Duration::Exact(after) => Instant::now().checked_add(after),
            time::Duration::NotHappening => None,
        };
        ConnectDeadline {
            until,
            reason: timeout.reason,
        }
    }

    /// Returns what is left; never zero.
    fn left(self) -> Result<Option<Duration>, ureq::Error> {
        let Some(until) = self.until else {
            return Ok(None);
        };
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(self.expired()),
            left => Ok(Some(left)),
        }
    }

    /// Returns the bound of the next read, write or step.
    fn next(self) -> Result<NextTimeout, ureq::Error> {
        Ok(NextTimeout {
            after: match self.left()? {
                Some(left) => left.into(),
                None => time::Duration::NotHappening,
            },
            reason: self.reason,
            per_read: None,
            per_write: None,
        })
    }

    fn expired(self) -> ureq::Error {
        ureq::Error::Timeout(self.reason)
    }
}

/// What an agent holds.
struct Handle(Arc<Connector>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl UreqConnector<()> for Handle {
    type Out = TracedTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        ExchangeTrace::trace(|trace| trace.connects += 1);
        let deadline = ConnectDeadline::start(details.timeout);
        match self.0.establish(details, deadline) {
            Ok(transport) => {
                let trust = self.0.trust.clone();
                Ok(Some(TracedTransport::new(transport, trust)))
            }
            Err(error) => {
                self.0.forget(details.uri);
                Err(error)
            }
        }
    }
}

/// ureq resolves the host before it looks into its pool. The connector does so when it connects,
/// within the time of the connection.
#[derive(Debug)]
struct NoResolver;

impl UreqResolver for NoResolver {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

/// The address of a SOCKS proxy, which its connector asks for.
#[cfg(feature = "socks")]
#[derive(Debug)]
struct OneAddress(SocketAddr);

#[cfg(feature = "socks")]
impl UreqResolver for OneAddress {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(list(&[self.0]))
    }
}

/// Returns the first addresses in ureq's list, which has a fixed size.
#[cfg(feature = "socks")]
fn list(addresses: &[SocketAddr]) -> ResolvedSocketAddrs {
    const ROOM: usize = 16;
    let mut list = NoResolver.empty();
    for address in addresses.iter().take(ROOM) {
        list.push(*address);
    }
    list
}

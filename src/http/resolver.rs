//! Resolves host names, and remembers the addresses and which of them worked.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the result of a lookup is used.
const LOOKUP_LIFETIME: Duration = Duration::from_secs(30);

/// Asks the system for the addresses of a host.
pub(crate) type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Shared by all agents of a client.
pub(crate) struct Resolver {
    /// Addresses that the caller gave, of hosts in lower case.
    fixed: Vec<(String, Vec<SocketAddr>)>,
    /// Few: a client has one host, and perhaps a proxy.
    hosts: Mutex<Vec<Host>>,
    lookup: Lookup,
}

/// What is known of a host and port.
struct Host {
    name: String,
    port: u16,
    found: Option<(Instant, Vec<SocketAddr>)>,
    /// The address of the last connection that was established.
    worked: Option<SocketAddr>,
}

/// Why a host has no address.
#[derive(Debug)]
pub(crate) enum LookupError {
    Failed(io::Error),
    TimedOut,
}

impl Resolver {
    pub(crate) fn new(fixed: Vec<(String, Vec<SocketAddr>)>, lookup: Lookup) -> Self {
        Resolver {
            fixed,
            hosts: Mutex::default(),
            lookup,
        }
    }

    /// Returns the addresses of a host, best first; never none.
    ///
    /// `bound` limits a lookup, with one exception: see [`Resolver::look_up`].
    pub(crate) fn addresses(
        &self,
        host: &str,
        port: u16,
        bound: Option<Duration>,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let addresses = match self.given(host, port) {
            Some(addresses) => addresses,
            None => match self.remembered(host, port) {
                Some(addresses) => addresses,
                None => self.find(host, port, bound)?,
            },
        };
        Ok(self.best_first(host, port, addresses))
    }

    /// Remembers the address of a connection, so that the next one is tried there first.
    pub(crate) fn worked(&self, host: &str, port: u16, address: SocketAddr) {
        self.with(host, port, |known| known.worked = Some(address));
    }

    /// Forgets a host after a failed connection: it may have moved.
    pub(crate) fn forget(&self, host: &str, port: u16) {
        self.hosts().retain(|known| !known.is(host, port));
    }

    /// Returns the addresses of a host that needs no lookup.
    fn given(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let mut fixed = self.fixed.iter();
        if let Some((_, addresses)) = fixed.find(|(name, _)| name.eq_ignore_ascii_case(host)) {
            return Some(addresses.clone());
        }
        // Plain http may go to `localhost`, so no resolver decides where that is.
        host.eq_ignore_ascii_case("localhost").then(|| {
            let loopback = [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()];
            loopback
                .map(|address| SocketAddr::new(address, port))
                .into()
        })
    }

    fn remembered(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let hosts = self.hosts();
        let known = hosts.iter().find(|known| known.is(host, port))?;
        let (when, addresses) = known.found.as_ref()?;
        (when.elapsed() < LOOKUP_LIFETIME).then(|| addresses.clone())
    }

    fn find(
        &self,
        host: &str,
        port: u16,
        bound: Option<Duration>,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        let found = self.look_up(host, port, bound)?;
        if found.is_empty() {
            let none = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            return Err(LookupError::Failed(none));
        }
        let found = interleaved(&found);
        self.with(host, port, |known| {
            known.found = Some((Instant::now(), found.clone()));
        });
        Ok(found)
    }

    /// Asks the system, on a thread of its own, because nothing else bounds a lookup.
    ///
    /// No thread can end a lookup: after a timeout its thread lives on until the system's resolver
    /// gives up, and its result is dropped. Where no thread can be started the lookup runs on this
    /// thread, bounded by the system's resolver only: late is better than never.
    fn look_up(
        &self,
        host: &str,
        port: u16,
        bound: Option<Duration>,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        let lookup = self.lookup;
        let Some(bound) = bound else {
            return lookup(host, port).map_err(LookupError::Failed);
        };
        let (sender, receiver) = sync_channel(1);
        let name = host.to_owned();
        let thread = std::thread::Builder::new()
            .name("bimpeai-lookup".to_owned())
            .spawn(move || {
                // Nobody waits any more after a timeout.
                let _ = sender.send(lookup(&name, port));
            });
        if thread.is_err() {
            return lookup(host, port).map_err(LookupError::Failed);
        }
        match receiver.recv_timeout(bound) {
            Ok(found) => found.map_err(LookupError::Failed),
            Err(RecvTimeoutError::Timeout) => Err(LookupError::TimedOut),
            // The thread panicked, so the system's resolver did.
            Err(RecvTimeoutError::Disconnected) => {
                Err(LookupError::Failed(io::ErrorKind::Other.into()))
            }
        }
    }

    fn best_first(&self, host: &str, port: u16, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let hosts = self.hosts();
        let worked = hosts
            .iter()
            .find(|known| known.is(host, port))
            .and_then(|known| known.worked);
        if let Some(at) = addresses.iter().position(|it| Some(*it) == worked) {
            addresses[..=at].rotate_right(1);
        }
        addresses
    }

    fn with(&self, host: &str, port: u16, change: impl FnOnce(&mut Host)) {
        let mut hosts = self.hosts();
        match hosts.iter_mut().find(|known| known.is(host, port)) {
            Some(known) => change(known),
            None => {
                let mut known = Host {
                    name: host.to_owned(),
                    port,
                    found: None,
                    worked: None,
                };
                change(&mut known);
                hosts.push(known);
            }
        }
    }

    fn hosts(&self) -> MutexGuard<'_, Vec<Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    fn is(&self, host: &str, port: u16) -> bool {
        self.port == port && self.name == host
    }
}

/// Asks the system's resolver.
pub(crate) fn system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    #[cfg(test)]
    if let Some(result) = tests::scripted(host) {
        return result;
    }
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Orders addresses so that the families alternate, as RFC 8305 wants it: one family may have no
/// route. The system's choice of the first stays the first.
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let of_first = |address: &&SocketAddr| address.is_ipv4() == first_is_ipv4;
    let (first, second): (Vec<_>, Vec<_>) = addresses.iter().partition(of_first);
    let mut second = second.into_iter();
    let mut ordered = Vec::with_capacity(addresses.len());
    for address in first {
        ordered.push(address);
        ordered.extend(second.next());
    }
    ordered.extend(second);
    ordered
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// The results of the system's resolver for a host, one after the other; the last one is repeated.
    pub(crate) fn script(host: &str, responses: Vec<io::Result<Vec<SocketAddr>>>) {
        SCRIPTS
            .lock()
            .unwrap()
            .push((host.to_owned(), responses.into()));
    }

    type Results = VecDeque<io::Result<Vec<SocketAddr>>>;
    static SCRIPTS: Mutex<Vec<(String, Results)>> = Mutex::new(Vec::new());

    pub(super) fn scripted(host: &str) -> Option<io::Result<Vec<SocketAddr>>> {
        let mut scripts = SCRIPTS.lock().unwrap();
        let (_, responses) = scripts.iter_mut().find(|(name, _)| name == host)?;
        match responses.len() {
            1 => responses.front().map(|result| match result {
                Ok(addresses) => Ok(addresses.clone()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            }),
            _ => responses.pop_front(),
        }
    }

    const BOUND: Option<Duration> = Some(Duration::from_secs(10));

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn never(host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        panic!("{host} was resolved")
    }

    #[test]
    fn localhost_and_literal_addresses_are_never_looked_up() {
        let resolver = Resolver::new(Vec::new(), never);
        for host in ["localhost", "LOCALHOST"] {
            let found = resolver.addresses(host, 8080, BOUND).unwrap();
            assert_eq!(found, addresses(&["127.0.0.1:8080", "[::1]:8080"]));
        }
        let found = resolver.addresses("192.0.2.1", 1, BOUND).unwrap();
        assert_eq!(found, addresses(&["192.0.2.1:1"]));
        let found = resolver.addresses("2001:db8::1", 2, BOUND).unwrap();
        assert_eq!(found, addresses(&["[2001:db8::1]:2"]));
    }

    #[test]
    fn families_alternate_after_the_first_address() {
        let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(interleaved(&found), expected);
        let found = addresses(&["1.1.1.1:1", "2.2.2.2:1"]);
        assert_eq!(interleaved(&found), found);
        assert_eq!(interleaved(&[]), []);
    }

    #[test]
    fn the_address_that_worked_is_first_until_the_host_is_forgotten() {
        let given = addresses(&["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]);
        let fixed = vec![("api.test".to_owned(), given.clone())];
        let resolver = Resolver::new(fixed, never);
        let found = || resolver.addresses("api.test", 1, BOUND).unwrap();
        assert_eq!(found(), given);
        resolver.worked("api.test", 1, given[2]);
        assert_eq!(found(), addresses(&["3.3.3.3:1", "1.1.1.1:1", "2.2.2.2:1"]));
        resolver.forget("api.test", 2);
        assert_ne!(found(), given);
        resolver.forget("api.test", 1);
        assert_eq!(found(), given);
    }

    #[test]
    fn a_lookup_is_used_again_until_a_connection_fails() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        fn counting(_: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            ASKED.fetch_add(1, Ordering::SeqCst);
            Ok(vec![([192, 0, 2, 1], port).into()])
        }
        let resolver = Resolver::new(Vec::new(), counting);
        for _ in 0..3 {
            resolver.addresses("api.test", 1, BOUND).unwrap();
        }
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        resolver.forget("api.test", 1);
        resolver.addresses("api.test", 1, BOUND).unwrap();
        assert_eq!(ASKED.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_lookup_that_hangs_is_bounded() {
        fn hangs(_: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            std::thread::sleep(Duration::from_secs(2));
            Ok(Vec::new())
        }
        let resolver = Resolver::new(Vec::new(), hangs);
        let started = Instant::now();
        let bound = Some(Duration::from_millis(50));
        let error = resolver.addresses("api.test", 1, bound).unwrap_err();
        assert!(matches!(error, LookupError::TimedOut), "{error:?}");
        assert!(started.elapsed() < Duration::from_millis(1_500));
    }

    #[test]
    fn a_host_without_addresses_is_not_found() {
        let resolver = Resolver::new(Vec::new(), |_, _| Ok(Vec::new()));
        let error = resolver.addresses("api.test", 1, BOUND).unwrap_err();
        let LookupError::Failed(error) = error else {
            panic!("{error:?}")
        };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

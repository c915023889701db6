//! Why a connection was not established: the lookup, the sockets and the proxy.

use std::io;

use super::{ConnectionFailure, NOT_CONNECTED, is_http};
use crate::error::{ConnectionKind, Excerpt, is_retryable_status};
use crate::http::head;

/// Which end of a connection a step of connecting has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Server,
    Proxy,
}

/// The error of a host name that could not be resolved.
pub(crate) fn lookup(error: io::Error, peer: Peer) -> ureq::Error {
    let (kind, what) = match (is_no_such_host(&error), peer) {
        (true, Peer::Server) => (
            ConnectionKind::HostNotFound,
            "the host does not exist; check the base URL",
        ),
        (true, Peer::Proxy) => (
            ConnectionKind::HostNotFound,
            "the proxy's host does not exist; check the proxy's URL",
        ),
        (false, Peer::Server) => (
            ConnectionKind::LookupFailed,
            "the host name could not be resolved; check the base URL and the network",
        ),
        (false, Peer::Proxy) => (
            ConnectionKind::LookupFailed,
            "the proxy's host name could not be resolved; check the proxy's URL and the network",
        ),
    };
    ConnectionFailure {
        kind,
        what: what.to_owned(),
        // The system's words, though std keeps no code of a failed lookup.
        source: Some(error.into()),
    }
    .into()
}

/// The error of addresses none of which could be connected to.
pub(crate) fn not_connected(error: io::Error, peer: Peer) -> ureq::Error {
    let what = match (error.kind(), peer) {
        (io::ErrorKind::ConnectionRefused, Peer::Server) => {
            "connection refused: nothing listens there; is the server running, and is the base URL \
             right?"
        }
        (io::ErrorKind::ConnectionRefused, Peer::Proxy) => {
            "connection refused: the proxy does not listen there; is it running, and is its URL \
             right?"
        }
        (_, Peer::Server) => NOT_CONNECTED,
        (_, Peer::Proxy) => "no connection to the proxy could be established",
    };
    ConnectionFailure::new(ConnectionKind::NotConnected, what, Some(error)).into()
}

/// The error of a proxy that refuses `CONNECT`.
pub(crate) fn proxy_refused(status: u16, reason: &str, https: bool) -> ureq::Error {
    let kind = match is_retryable_status(status) {
        true => ConnectionKind::NotConnected,
        false => ConnectionKind::ProxyRefused,
    };
    let status = format!("{status} {}", Excerpt(reason, 60));
    let status = status.trim_end();
    let what = match status.get(..3) {
        Some("401" | "407") => format!(
            "the proxy asks for a user and password: {status}; give the right ones in its URL, as \
             in http://user:password@host:port"
        ),
        _ if https => format!("the proxy refused to connect to the host: {status}"),
        _ => format!(
            "the proxy refused to connect to the host: {status}; plain http goes by CONNECT too, \
             which many proxies allow for port 443 only"
        ),
    };
    ConnectionFailure::new(kind, &what, None).into()
}

/// The error of a proxy whose response to `CONNECT` is not valid HTTP.
pub(crate) fn proxy_malformed(bytes: &[u8]) -> ureq::Error {
    let what = match is_http(bytes) {
        true => format!(
            "the proxy's response is malformed: {}",
            head::defect(bytes, "")
        ),
        false => {
            "the proxy's response is not HTTP/1.1; is this the proxy's port, and is the scheme \
                  of its URL right?"
                .to_owned()
        }
    };
    ConnectionFailure::new(ConnectionKind::MalformedResponse, &what, None).into()
}

/// The error of a proxy whose headers do not end.
pub(crate) fn proxy_head_too_large(most: usize) -> ureq::Error {
    let what = format!("the headers of the proxy's response are larger than {most} bytes");
    ConnectionFailure::new(ConnectionKind::MalformedResponse, &what, None).into()
}

/// The error of a proxy that closes the connection before it has responded to `CONNECT`.
pub(crate) fn proxy_closed() -> ureq::Error {
    let what = "the proxy closed the connection without a response";
    ConnectionFailure::new(ConnectionKind::NotConnected, what, None).into()
}

/// The error of a SOCKS proxy, in ureq's words.
#[cfg(feature = "socks")]
pub(crate) fn socks(error: io::Error) -> ureq::Error {
    const REFUSED: [&str; 9] = [
        "no acceptable auth methods",
        "unknown auth method",
        "password authentication failed",
        "connection not allowed by ruleset",
        "command not supported",
        "address kind not supported",
        "unsupported address type",
        "invalid response version",
        "SOCKS4 does not support IPv6",
    ];
    if error.get_ref().is_none() {
        return not_connected(error, Peer::Proxy);
    }
    let why = error.to_string();
    let refused = matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
    );
    let kind = match refused || REFUSED.contains(&why.as_str()) {
        true => ConnectionKind::ProxyRefused,
        false => ConnectionKind::NotConnected,
    };
    let what = format!(
        "the proxy refused to connect to the host: {}",
        Excerpt(&why, 120)
    );
    ConnectionFailure::new(kind, &what, None).into()
}

/// Returns whether the resolver says that a host does not exist or has no address.
///
/// std keeps no code of a failed lookup, only the system's text. A text that is not known here,
/// such as a translated one, counts as temporary.
fn is_no_such_host(error: &io::Error) -> bool {
    // The resolver's own, for a host without an address.
    if error.kind() == io::ErrorKind::NotFound && error.raw_os_error().is_none() {
        return true;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
        // The system's own error, such as no free file, says nothing about the host.
        assert!(!is_no_such_host(&io::Error::from_raw_os_error(24)));
    }
}

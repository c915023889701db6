//! Why a connection was not established: the lookup, the sockets, the proxy and TLS.

use std::fmt;
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

/// The error of a TLS handshake.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(crate) fn handshake(error: ureq::Error, peer: Peer) -> ureq::Error {
    let failure = match error {
        ureq::Error::Tls(what) => tls_failed(ConnectionKind::TlsRefused, &what, peer),
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(error) => tls_failed(tls_kind(&error), &error, peer),
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(error) => tls_failed(ConnectionKind::TlsRefused, &error, peer),
        ureq::Error::Io(error) => match tls_error(&error) {
            Some((kind, why)) => tls_failed(kind, &why, peer),
            None => {
                let what = match peer {
                    Peer::Server => "the connection was lost during the TLS handshake",
                    Peer::Proxy => "the connection to the proxy was lost during the TLS handshake",
                };
                ConnectionFailure::new(ConnectionKind::NotConnected, what, Some(error))
            }
        },
        other => return other,
    };
    failure.into()
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

/// Returns what TLS says, where an I/O error is one of TLS and not, say, of what unpacks a body.
pub(super) fn tls_error(error: &io::Error) -> Option<(ConnectionKind, String)> {
    #[cfg(feature = "rustls")]
    return error
        .get_ref()?
        .downcast_ref::<rustls::Error>()
        .map(|error| (tls_kind(error), error.to_string()));
    #[cfg(not(feature = "rustls"))]
    return {
        let _ = error;
        None
    };
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

/// The error of a TLS handshake: what is wrong with the server's certificate or with ours, and what
/// to do.
pub(super) fn tls_failed(
    kind: ConnectionKind,
    why: &dyn fmt::Display,
    peer: Peer,
) -> ConnectionFailure {
    let why = why.to_string();
    let tls = match peer {
        Peer::Server => "TLS failed",
        Peer::Proxy => "TLS with the proxy failed",
    };
    let (suspicion, advice) = tls_advice(&why);
    let what = format!("{tls}: {suspicion}{}{advice}", Excerpt(&why, 300));
    ConnectionFailure::new(kind, &what, None)
}

/// What comes before and after the words of the TLS library: rustls, OpenSSL, or the system's.
fn tls_advice(why: &str) -> (&'static str, &'static str) {
    const UNTRUSTED: [&str; 7] = [
        "unknownissuer",
        "unknown issuer",
        "badsignature",
        "self-signed",
        "self signed",
        "local issuer",
        "not trusted",
    ];
    let why = why.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| why.contains(words));
    if says(&["expired", "not valid yet", "not yet valid"]) {
        (
            "",
            "; check the clock of this machine, or have the certificate renewed",
        )
    } else if says(&["not valid for name", "hostname mismatch"]) {
        (
            "",
            "; check the host in the URL, and whether something intercepts the connection",
        )
    } else if says(&["certificaterequired"]) {
        (
            "",
            "; the server wants a certificate: give one with ClientBuilder::client_certificate",
        )
    } else if says(&UNTRUSTED) {
        (
            "the certificate is not trusted, so something may intercept the connection, such as a \
             proxy or a virus scanner: ",
            "; if the server has a private authority, trust it with \
             ClientBuilder::root_certificates",
        )
    } else {
        ("", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untrusted_certificate_is_told_from_an_expired_one_in_the_words_of_any_library() {
        for (why, suspicious, advice) in [
            (
                "invalid peer certificate: UnknownIssuer",
                true,
                "a private authority",
            ),
            (
                "invalid peer certificate: BadSignature",
                true,
                "a private authority",
            ),
            (
                "certificate verify failed (self-signed certificate in certificate chain)",
                true,
                "a private authority",
            ),
            (
                "certificate verify failed (unable to get local issuer certificate)",
                true,
                "a private authority",
            ),
            (
                "The certificate was not trusted.",
                true,
                "a private authority",
            ),
            (
                "certificate verify failed (certificate has expired)",
                false,
                "the clock",
            ),
            (
                "invalid peer certificate: certificate not valid yet",
                false,
                "the clock",
            ),
            (
                "certificate verify failed (Hostname mismatch)",
                false,
                "the host in the URL",
            ),
            (
                "received fatal alert: CertificateRequired",
                false,
                "ClientBuilder::client_certificate",
            ),
            ("received fatal alert: UnknownCA", false, ""),
            ("received fatal alert: HandshakeFailure", false, ""),
        ] {
            let (suspicion, found) = tls_advice(why);
            assert_eq!(suspicion.contains("may intercept"), suspicious, "{why}");
            assert!(found.contains(advice), "{why}: {found}");
            assert!(!advice.is_empty() || found.is_empty(), "{why}: {found}");
        }
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
        // The system's own error, such as no free file, says nothing about the host.
        assert!(!is_no_such_host(&io::Error::from_raw_os_error(24)));
    }
}

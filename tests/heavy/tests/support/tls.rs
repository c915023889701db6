//! A private authority, certificates that it signs, and a server that uses them.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bimpeai::{Client, ClientBuilder, Error};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::support::{KEY, retrieve};

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

pub struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for these names or addresses.
    pub fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_of_years(names, 2020, 2080)
    }

    pub fn leaf_of_years(&self, names: &[&str], from: i32, until: i32) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf { certificate, key }
    }
}

impl Leaf {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    pub fn chain_pem(&self) -> String {
        self.certificate.pem()
    }

    /// The key in PKCS#8.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The same key in the older format of OpenSSL, which PKCS#8 wraps.
    pub fn key_pem_of_sec1(&self) -> String {
        use base64::Engine as _;
        let der = self.key.serialize_der();
        // Version 1, followed by the key of 32 bytes.
        let start = [0x02, 0x01, 0x01, 0x04, 0x20];
        let at = der.windows(start.len()).position(|it| it == start).unwrap() - 2;
        let text = base64::prelude::BASE64_STANDARD.encode(&der[at..]);
        format!("-----BEGIN EC PRIVATE KEY-----\n{text}\n-----END EC PRIVATE KEY-----\n")
    }
}

/// Serves one response per connection over TLS, and counts the requests that it could read.
pub struct TlsServer {
    pub port: u16,
    pub requests: Arc<AtomicUsize>,
}

pub const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"data\":{\"id\":\"abc\"}}";

pub fn serve(config: ServerConfig, response: &'static str, orderly: bool) -> TlsServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let (config, counter) = (Arc::new(config), requests.clone());
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            socket
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut byte) {
                    Ok(1) => head.push(byte[0]),
                    _ => break,
                }
            }
            if head.ends_with(b"\r\n\r\n") {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(response.as_bytes());
                if orderly {
                    stream.conn.send_close_notify();
                }
                let _ = stream.flush();
            }
            let _ = stream.sock.shutdown(Shutdown::Write);
            if !head.ends_with(b"\r\n\r\n") {
                // A socket that is closed with unread bytes sends a reset, which may overtake the
                // alert that says why. So the client closes first.
                let _ = std::io::copy(&mut stream.sock, &mut std::io::sink());
            }
        }
    });
    TlsServer { port, requests }
}

/// Serves one connection over TLS: reads the head of a request, writes this, and reads no further.
pub fn serve_early(config: ServerConfig, response: &'static str) -> TlsServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
            head.push(byte[0]);
        }
        let _ = stream.write_all(response.as_bytes());
        let _ = stream.flush();
        // Keeps the connection open without reading.
        std::thread::sleep(Duration::from_secs(5));
    });
    TlsServer {
        port,
        requests: Arc::default(),
    }
}

/// A proxy that speaks TLS. `then` gets the connection when `CONNECT` was read.
pub fn proxy(
    config: ServerConfig,
    then: impl Fn(StreamOwned<ServerConnection, TcpStream>) + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (config, then) = (Arc::new(config), Arc::new(then));
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (config, then) = (config.clone(), then.clone());
            std::thread::spawn(move || {
                let connection = ServerConnection::new(config).unwrap();
                let mut stream = StreamOwned::new(connection, socket);
                if read_head(&mut stream).is_some_and(|head| head.starts_with("CONNECT ")) {
                    then(stream);
                }
            });
        }
    });
    port
}

/// Reads one head, and nothing after it.
pub fn read_head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// A server without client certificates, of any version of TLS that the client offers.
pub fn config(leaf: &Leaf) -> ServerConfig {
    config_of(leaf, rustls::DEFAULT_VERSIONS)
}

pub fn config_of(
    leaf: &Leaf,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(leaf.chain(), leaf.key())
        .unwrap()
}

pub fn config_with_client_certificates(leaf: &Leaf, authority: &Authority) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(leaf.chain(), leaf.key())
        .unwrap()
}

impl TlsServer {
    /// A client of this server by the name `api.test`.
    pub fn builder(&self) -> ClientBuilder {
        Client::builder(KEY)
            .base_url(format!("https://api.test:{}", self.port))
            .resolve("api.test", [([127, 0, 0, 1], self.port).into()])
            .max_retries(0)
    }

    #[track_caller]
    pub fn accepts(&self, builder: ClientBuilder) {
        let agent = retrieve(builder).unwrap();
        assert_eq!(agent.id, "abc");
    }

    /// Checks that TLS fails with these words, and that nothing is sent.
    #[track_caller]
    pub fn refused(&self, builder: ClientBuilder, says: &[&str]) {
        let error = retrieve(builder).unwrap_err();
        let line = error.to_string();
        assert!(matches!(error, Error::Connection(_)), "{line}");
        assert!(line.contains("TLS failed: "), "{line}");
        for words in says {
            assert!(line.contains(words), "{words:?}: {line}");
        }
        assert!(!error.may_have_been_sent(), "{line}");
        assert_eq!(self.requests.load(Ordering::SeqCst), 0);
    }
}

//! The settings of TLS: root certificates and the client certificate.

use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::error::Error;

pub(crate) use settings::{Tls, TlsSettings};

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
mod settings {
    use super::*;

    #[derive(Default)]
    pub(crate) struct TlsSettings {}

    impl TlsSettings {
        pub(crate) fn trust(&mut self, _: &[u8]) -> Result<(), Error> {
            Err(Error::user(
                "this build has no TLS: enable the feature `rustls`",
            ))
        }

        pub(crate) fn show(&mut self, chain: &[u8], _: &str) -> Result<(), Error> {
            self.trust(chain)
        }

        pub(crate) fn resolve(self) -> Option<Tls> {
            None
        }
    }

    pub(crate) enum Tls {}

    impl Tls {
        pub(crate) fn apply(&self, _: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
            match *self {}
        }
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod settings {
    use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

    use super::*;

    /// The builder's settings. They are parsed when they are set, so that a program without any
    /// links no parser.
    #[derive(Default)]
    pub(crate) struct TlsSettings {
        /// If empty, the usual roots are trusted.
        roots: Vec<Certificate<'static>>,
        client: Option<ClientCert>,
    }

    impl TlsSettings {
        /// Trusts root certificates (PEM), besides those that were set before.
        pub(crate) fn trust(&mut self, pem: &[u8]) -> Result<(), Error> {
            let roots = certificates("root certificates", pem)?;
            check_roots(&roots)?;
            self.roots.extend(roots);
            Ok(())
        }

        /// Sets the client certificate with its chain, and its private key (PEM).
        pub(crate) fn show(&mut self, chain: &[u8], key: &str) -> Result<(), Error> {
            let chain = certificates("client certificates", chain)?;
            let key = PrivateKey::from_pem(key.as_bytes())
                .map_err(|_| Error::user("the client certificate's key is not valid PEM"))?;
            check_pair(&chain, &key)?;
            self.client = Some(ClientCert::new_with_certs(&chain, key));
            Ok(())
        }

        pub(crate) fn resolve(self) -> Option<Tls> {
            let provider = if cfg!(feature = "rustls") {
                TlsProvider::Rustls
            } else {
                TlsProvider::NativeTls
            };
            let mut config = TlsConfig::builder()
                .provider(provider)
                .client_cert(self.client);
            if !self.roots.is_empty() {
                config = config.root_certs(RootCerts::Specific(self.roots.into()));
            } else if cfg!(feature = "platform-verifier") || cfg!(not(feature = "rustls")) {
                config = config.root_certs(RootCerts::PlatformVerifier);
            }
            Some(Tls(config.build()))
        }
    }

    pub(crate) struct Tls(TlsConfig);

    impl Tls {
        pub(crate) fn apply(&self, config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
            config.tls_config(self.0.clone())
        }
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn certificates(what: &str, pem: &[u8]) -> Result<Vec<ureq::tls::Certificate<'static>>, Error> {
    use ureq::tls::{PemItem, parse_pem};

    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(Error::user(format!("the {what} are not valid PEM"))),
        }
    }
    if found.is_empty() {
        return Err(Error::user(format!("the {what} hold no certificate")));
    }
    Ok(found)
}

/// Refuses a root that is not a certificate: ureq would leave it out, and then trust nobody.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn check_roots(roots: &[ureq::tls::Certificate<'_>]) -> Result<(), Error> {
    #[cfg(feature = "rustls")]
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        #[cfg(feature = "rustls")]
        let parsed = store.add(root.der().into());
        #[cfg(not(feature = "rustls"))]
        let parsed = native_tls::Certificate::from_der(root.der());
        if parsed.is_err() {
            return Err(Error::user("a root certificate is not valid PEM"));
        }
    }
    Ok(())
}

/// Refuses a key that is not that of its certificate: ureq would panic with rustls, and fail with
/// the system's library, at the first connection.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn check_pair(
    chain: &[ureq::tls::Certificate<'_>],
    key: &ureq::tls::PrivateKey<'_>,
) -> Result<(), Error> {
    if belong_together(chain, key) {
        return Ok(());
    }
    let formats = match cfg!(feature = "rustls") {
        true => "",
        false => "; the feature `native-tls` reads keys in PKCS#8 only (BEGIN PRIVATE KEY)",
    };
    Err(Error::user(format!(
        "the client certificate and its key do not belong together, or one of them is of a kind \
         that is not known{formats}"
    )))
}

#[cfg(feature = "rustls")]
fn belong_together(chain: &[ureq::tls::Certificate<'_>], key: &ureq::tls::PrivateKey<'_>) -> bool {
    use rustls::pki_types::PrivateKeyDer;
    let chain = chain.iter().map(|one| one.der().to_vec().into()).collect();
    let provider = rustls::crypto::ring::default_provider();
    PrivateKeyDer::try_from(key.der().to_vec())
        .is_ok_and(|key| rustls::sign::CertifiedKey::from_der(chain, key, &provider).is_ok())
}

/// Makes a connector as ureq does: OpenSSL compares the two only then. SChannel does not compare them.
#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
fn belong_together(chain: &[ureq::tls::Certificate<'_>], key: &ureq::tls::PrivateKey<'_>) -> bool {
    let chain: String = chain
        .iter()
        .map(|one| pem("CERTIFICATE", one.der()))
        .collect();
    let key = pem("PRIVATE KEY", key.der());
    native_tls::Identity::from_pkcs8(chain.as_bytes(), key.as_bytes())
        .and_then(|identity| {
            native_tls::TlsConnector::builder()
                .identity(identity)
                .build()
        })
        .is_ok()
}

#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let mut pem = format!("-----BEGIN {label}-----\n");
    // 48 bytes make a line of 64 characters.
    for line in der.chunks(48) {
        base64::prelude::BASE64_STANDARD.encode_string(line, &mut pem);
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

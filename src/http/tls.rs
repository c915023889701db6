//! Whom to trust, and what to show; nothing of it in a build without TLS.

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

    /// What the builder was told: read as it is told, so that who tells it nothing links nothing
    /// that reads it.
    #[derive(Default)]
    pub(crate) struct TlsSettings {
        /// Trusted, and nothing else is; none where the usual roots are.
        roots: Vec<Certificate<'static>>,
        client: Option<ClientCert>,
    }

    impl TlsSettings {
        /// Trusts certificates in PEM, besides those that were given before.
        pub(crate) fn trust(&mut self, pem: &[u8]) -> Result<(), Error> {
            let roots = certificates("root certificates", pem)?;
            check_roots(&roots)?;
            self.roots.extend(roots);
            Ok(())
        }

        /// Shows a certificate with its chain, which has this key, all in PEM.
        pub(crate) fn show(&mut self, chain: &[u8], key: &str) -> Result<(), Error> {
            let chain = certificates("client certificates", chain)?;
            let pem = key.as_bytes();
            let key = PrivateKey::from_pem(pem)
                .map_err(|_| Error::user("the client certificate's key is not valid PEM"))?;
            check_pair(&chain, pem)?;
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

/// ureq leaves out a root that it cannot read, and then trusts nobody.
#[cfg(feature = "rustls")]
fn check_roots(roots: &[ureq::tls::Certificate<'_>]) -> Result<(), Error> {
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        if store.add(root.der().into()).is_err() {
            return Err(Error::user("a root certificate is not valid PEM"));
        }
    }
    Ok(())
}

/// ureq panics at the first connection where a key is not that of its certificate.
#[cfg(feature = "rustls")]
fn check_pair(chain: &[ureq::tls::Certificate<'_>], key: &[u8]) -> Result<(), Error> {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject as _;
    let chain = chain.iter().map(|one| one.der().to_vec().into()).collect();
    let provider = rustls::crypto::ring::default_provider();
    let fits = PrivateKeyDer::from_pem_slice(key)
        .is_ok_and(|key| rustls::sign::CertifiedKey::from_der(chain, key, &provider).is_ok());
    if fits {
        return Ok(());
    }
    Err(Error::user(
        "the client certificate and its key do not belong together, or one of them is of a kind \
         that is not known",
    ))
}

#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
fn check_roots(_: &[ureq::tls::Certificate<'_>]) -> Result<(), Error> {
    Ok(())
}

/// The operating system's library refuses a wrong pair itself, when it connects.
#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
fn check_pair(_: &[ureq::tls::Certificate<'_>], _: &[u8]) -> Result<(), Error> {
    Ok(())
}

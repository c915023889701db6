//! Whom to trust, and what to show; nothing of it in a build without TLS.

use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::error::Error;
use crate::types::Secret;

/// What the builder was told, in PEM.
#[derive(Default)]
pub(crate) struct TlsSettings {
    /// Trusted, and nothing else is; empty where the usual roots are.
    pub(crate) roots: Vec<u8>,
    /// A certificate with its chain, and its key.
    pub(crate) client: Option<(Vec<u8>, Secret)>,
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
pub(crate) enum Tls {}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
impl Tls {
    pub(crate) fn apply(&self, _: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
        match *self {}
    }
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
impl TlsSettings {
    pub(crate) fn resolve(self) -> Result<Option<Tls>, Error> {
        if self.roots.is_empty() && self.client.is_none() {
            return Ok(None);
        }
        Err(Error::user(
            "this build has no TLS: turn on the feature `rustls`",
        ))
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(crate) struct Tls(ureq::tls::TlsConfig);

#[cfg(any(feature = "rustls", feature = "native-tls"))]
impl Tls {
    pub(crate) fn apply(&self, config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
        config.tls_config(self.0.clone())
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
impl TlsSettings {
    pub(crate) fn resolve(self) -> Result<Option<Tls>, Error> {
        use ureq::tls::{ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

        let provider = if cfg!(feature = "rustls") {
            TlsProvider::Rustls
        } else {
            TlsProvider::NativeTls
        };
        let mut config = TlsConfig::builder().provider(provider);
        if !self.roots.is_empty() {
            let roots = certificates("root certificates", &self.roots)?;
            check_roots(&roots)?;
            config = config.root_certs(RootCerts::new_with_certs(&roots));
        } else if cfg!(feature = "platform-verifier") || cfg!(not(feature = "rustls")) {
            config = config.root_certs(RootCerts::PlatformVerifier);
        }
        if let Some((chain, key)) = self.client {
            let chain = certificates("client certificates", &chain)?;
            let pem = key.expose().as_bytes();
            let key = PrivateKey::from_pem(pem)
                .map_err(|_| Error::user("the client certificate's key is not valid PEM"))?;
            check_pair(&chain, pem)?;
            config = config.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(Some(Tls(config.build())))
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
            return Err(Error::user(
                "one of the root certificates is no certificate",
            ));
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

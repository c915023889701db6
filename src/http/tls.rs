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
            config = config.root_certs(RootCerts::new_with_certs(&roots));
        } else if cfg!(feature = "platform-verifier") || cfg!(not(feature = "rustls")) {
            config = config.root_certs(RootCerts::PlatformVerifier);
        }
        if let Some((chain, key)) = self.client {
            let chain = certificates("client certificates", &chain)?;
            let key = PrivateKey::from_pem(key.expose().as_bytes())
                .map_err(|_| Error::user("the client certificate's key is not valid PEM"))?;
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

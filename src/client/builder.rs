//! Building a client: settings, their defaults and their checks.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, HeaderValue};

use crate::attempt::Attempt;
use crate::environment;
use crate::error::Error;
use crate::http::cancel::Cancel;
use crate::http::headers::{CallerHeader, caller_header};
use crate::http::path::BaseUrl;
use crate::http::proxy;
use crate::http::rate_limit::RateGate;
use crate::http::retry::{RetryPolicy, SystemClock};
use crate::http::tls::TlsSettings;
use crate::http::transport::{Network, clamp};
use crate::http::{Http, OnAttempt, client_headers};
use crate::random;
use crate::types::Secret;

use super::Client;
use super::api_key::check_key;

const KEY_VARIABLE: &str = "BIMPEAI_API_KEY";
/// Names that programs use by mistake.
const MISTAKEN_KEY_VARIABLES: [&str; 3] = ["BIMPE_API_KEY", "BIMPE_AI_API_KEY", "BIMPEAI_KEY"];
const DEFAULT_BASE_URL: &str = "https://api.bimpe.ai";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_MAX_RESPONSE_SIZE: usize = 16 << 20;

/// Configures a [`Client`].
///
/// ```
/// use std::time::Duration;
///
/// # fn main() -> Result<(), bimpeai::Error> {
/// let client = bimpeai::Client::builder("sk_1")
///     .base_url("http://127.0.0.1:8080")
///     .timeout(Duration::from_secs(10))
///     .max_retries(4)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct ClientBuilder {
    key: Secret,
    /// What a refusal calls it.
    key_name: &'static str,
    base_url: Option<String>,
    http_hosts: Vec<String>,
    timeout: Option<Duration>,
    connect_timeout: Duration,
    retry: RetryPolicy,
    default_headers: HeaderMap,
    user_agent_suffix: Option<String>,
    max_response_size: usize,
    deadline: Option<Duration>,
    requests_per_minute: Option<u32>,
    share_rate_limit: bool,
    on_attempt: Option<OnAttempt>,
    proxy: Proxy,
    tls: TlsSettings,
    addresses: Vec<(String, Vec<SocketAddr>)>,
    /// The first invalid setting, reported by `build`.
    refused: Option<Error>,
}

// The compiler cannot see it through the trait objects of rustls, which nothing changes.
impl UnwindSafe for ClientBuilder {}
impl RefUnwindSafe for ClientBuilder {}

enum Proxy {
    Environment,
    None,
    Url(Secret),
}

impl ClientBuilder {
    pub(super) fn new(key: &str) -> Self {
        ClientBuilder {
            key: Secret::from(key),
            key_name: "the API key",
            base_url: None,
            http_hosts: Vec::new(),
            timeout: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            retry: RetryPolicy::default(),
            default_headers: HeaderMap::new(),
            user_agent_suffix: None,
            max_response_size: DEFAULT_MAX_RESPONSE_SIZE,
            deadline: None,
            requests_per_minute: None,
            share_rate_limit: true,
            on_attempt: None,
            proxy: Proxy::Environment,
            tls: TlsSettings::default(),
            addresses: Vec::new(),
            refused: None,
        }
    }

    pub(super) fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Error> {
        let text = |name| environment::text(name, &variable);
        let Some(key) = text(KEY_VARIABLE)? else {
            let is_set = |name: &&&str| variable(name).is_some_and(|value| !value.is_empty());
            return Err(Error::user(
                match MISTAKEN_KEY_VARIABLES.iter().find(is_set) {
                    Some(name) => format!(
                        "no API key: {name} is set, but this crate reads {KEY_VARIABLE}; rename it"
                    ),
                    None => format!(
                        "no API key: set {KEY_VARIABLE} to an API key (sk_…) from the console"
                    ),
                },
            ));
        };
        let mut builder = ClientBuilder::new(&key);
        builder.key_name = KEY_VARIABLE;
        if let Some(url) = text("BIMPEAI_BASE_URL")? {
            builder = builder.base_url(url);
        }
        if let Some(hosts) = text("BIMPEAI_ALLOW_HTTP")? {
            for host in hosts.split(',') {
                builder = builder.allow_http(host.trim());
            }
        }
        Ok(builder)
    }

    /// Sets the base URL. Default: `https://api.bimpe.ai`.
    ///
    /// If the URL has a path, such as that of a gateway, it comes before `/api/v1/console`: with
    /// `https://gateway.example.com/bimpeai`, requests go to
    /// `https://gateway.example.com/bimpeai/api/v1/console/…`. The URL may include all or the
    /// beginning of `/api/v1/console`: only the missing part is appended.
    #[doc(alias = "baseUrl")]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Allows plain http to this host, such as a server inside a cluster.
    ///
    /// Anyone on the network path can read the API key. Loopback addresses and `localhost` are
    /// always allowed.
    ///
    /// ```
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// let client = bimpeai::Client::builder("sk_1")
    ///     .base_url("http://gateway.internal:8080")
    ///     .allow_http("gateway.internal")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_http(mut self, host: impl Into<String>) -> Self {
        self.http_hosts.push(host.into());
        self
    }

    /// Limits one attempt of a call, from the DNS lookup to the last byte of the response.
    ///
    /// Default: 30 s, and 60 s for `conversations().send`, which waits for the assistant. A value
    /// that you set applies to both.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.refuse(Error::user("timeout must not be zero"));
        }
        self.timeout = Some(clamp(timeout));
        self
    }

    /// Limits the time to establish a connection: DNS lookup, TCP, proxy and TLS together.
    ///
    /// Default: 10 s. The timeout of the call and its deadline limit it too.
    ///
    /// - If a host has several addresses, they are tried as in RFC 8305: the next address is tried
    ///   in parallel if the previous one has not responded after 250 ms. The address that worked is
    ///   tried first
    ///   from then on, so an address that drops packets costs 250 ms once.
    /// - A DNS lookup runs on a thread of its own. Nothing can end a lookup, so after a timeout this
    ///   thread lives on until the system's resolver gives up. If no thread can be started, the lookup
    ///   runs on the calling thread, and the system's resolver alone limits it.
    #[doc(alias = "DNS lookup")]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.refuse(Error::user("connect_timeout must not be zero"));
        }
        self.connect_timeout = timeout;
        self
    }

    /// Sets the maximum number of retries of a call. Default: 2.
    ///
    /// A wait for a rate limit is not a retry, and happens with 0 retries too. To fail at once
    /// instead, set [`max_retry_wait`](ClientBuilder::max_retry_wait) to zero.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.retry.max_retries = retries;
        self
    }

    /// Sets the maximum time that one call spends in waits that the server asks for. Default: 120 s.
    ///
    /// These waits are the delays of `Retry-After`, and the time until a rate limit has room again. If
    /// they would exceed the maximum together, the call fails immediately with the server's error, or
    /// with [`Error::RateLimited`] if it was never sent. [`Error::retry_after`] returns the delay.
    ///
    /// A 429 with `Retry-After` does not count towards [`max_retries`](Self::max_retries). A wait
    /// of less than 1 s is counted as 1 s here. So even if a server always sends `Retry-After: 0`,
    /// the number of attempts is limited.
    pub fn max_retry_wait(mut self, wait: Duration) -> Self {
        self.retry.max_retry_wait = wait;
        self
    }

    /// Sets the default limit of a whole call: all attempts and the waits between them.
    ///
    /// Default: none. For a list, it applies to each page.
    /// [`Request::deadline`](crate::Request::deadline) sets another one for a call.
    #[doc(alias = "total timeout")]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Limits the rate of requests of this client and its clones, in requests per minute.
    ///
    /// Set it if several processes share a rate limit. If each process gets its share of the limit,
    /// the server refuses almost nothing. The requests are spread evenly, after a short burst at
    /// the
    /// start. Default: no limit but the server's.
    ///
    /// ```
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// // Four processes share 120 requests per minute.
    /// let client = bimpeai::Client::builder("sk_1")
    ///     .requests_per_minute(120 / 4)
    ///     # .base_url("http://localhost") // a build without TLS has no https
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        if requests == 0 {
            self.refuse(Error::user("requests_per_minute must not be zero"));
        }
        self.requests_per_minute = Some(requests);
        self
    }

    /// Sets whether the client and its clones share the rate limit that responses report. Default:
    /// `true`.
    ///
    /// After a 429, or a response with `X-RateLimit-Remaining: 0`, no call is sent until the limit
    /// resets. Waiting calls are then sent one after the other. Streams wait in the same way before
    /// they open.
    ///
    /// With `false`, each call only honours its own responses, and
    /// [`Client::rate_limit`](crate::Client::rate_limit) returns `None`.
    pub fn share_rate_limit(mut self, share: bool) -> Self {
        self.share_rate_limit = share;
        self
    }

    /// Calls a function after each attempt of each call, for metrics and progress.
    ///
    /// It also sees the failed attempts that were retried, and the waits between them. The result
    /// of a call does not show these. It runs on the thread of the call, so it should return
    /// quickly.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let refused = Arc::new(AtomicU32::new(0));
    /// let count = refused.clone();
    /// let builder = bimpeai::Client::builder("sk_1").on_attempt(move |attempt| {
    ///     if attempt.status() == Some(429) {
    ///         count.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// ```
    #[doc(alias = "metrics")]
    #[doc(alias = "progress")]
    #[doc(alias = "hook")]
    pub fn on_attempt(mut self, report: impl Fn(&Attempt<'_>) + Send + Sync + 'static) -> Self {
        self.on_attempt = Some(Box::new(report));
        self
    }

    /// Sends a header with every request. Its value is never printed.
    ///
    /// [`build`](ClientBuilder::build) refuses `Idempotency-Key` and `X-Request-Id`, which belong to
    /// one call, and the headers that [`Request::header`](crate::request::Request::header) refuses.
    #[doc(alias = "default_headers")]
    #[doc(alias = "defaultHeaders")]
    pub fn default_header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        match caller_header(name.as_ref(), value.as_ref()) {
            Ok(CallerHeader::Plain(name, value)) => {
                self.default_headers.insert(name, value);
            }
            Ok(CallerHeader::IdempotencyKey(_) | CallerHeader::RequestId(_)) => {
                self.refuse(Error::user(format!(
                    "the header {:?} belongs to one call; set it on the request",
                    name.as_ref()
                )));
            }
            Err(error) => self.refuse(error),
        }
        self
    }

    /// Appends a text to the user agent, such as `my-tool/1.2`. Maximum 1,024 bytes.
    #[doc(alias = "user-agent")]
    pub fn user_agent_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.user_agent_suffix = Some(suffix.into());
        self
    }

    /// Sets the maximum size of a response body, in bytes after decompression. Default: 16 MiB.
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.max_response_size = bytes;
        self
    }

    /// Sends all requests through this proxy.
    ///
    /// Schemes: `http`, `https` and, with the feature `socks`, `socks4`, `socks4a`, `socks5` and
    /// `socks5h`. Put credentials into the URL, as in `http://user:password@proxy.example.com:3128`,
    /// and percent-encode special characters in them: `@` is `%40`, `/` is `%2F`, `#` is `%23`.
    /// [`build`](ClientBuilder::build) refuses a URL without a scheme, with an invalid port, or with
    /// a path.
    ///
    /// An HTTP proxy is asked for a tunnel with `CONNECT`, even if the base URL is plain http. Any
    /// 2xx response to it means that the tunnel is open. Many proxies allow tunnels to port 443
    /// only.
    ///
    /// Default: the proxy that the environment names.
    ///
    /// * `HTTPS_PROXY` applies to an https base URL, and `HTTP_PROXY` to a plain http one. If it is
    ///   unset, `ALL_PROXY` applies. A variable in lower case comes first. `host:3128` means
    ///   `http://host:3128`.
    /// * Loopback addresses and `localhost` are reached directly.
    /// * Hosts in `NO_PROXY` are reached directly. Entries are separated by commas or whitespace:
    ///
    ///   | entry | hosts |
    ///   | --- | --- |
    ///   | `example.com`, `.example.com`, `*.example.com` | the name and its subdomains |
    ///   | `10.0.0.7`, `fd00::1`, `[fd00::1]` | the address |
    ///   | `10.0.0.0/8`, `fd00::/8` | addresses of the network |
    ///   | `*` | all |
    ///   | `example.com:8443`, `[fd00::1]:8443` | the same, on that port only |
    ///
    ///   Case, and a dot at the end of a name, make no difference.
    /// * `HTTP_PROXY` is ignored under CGI (if `REQUEST_METHOD` is set), because there a client can
    ///   set it with a `Proxy` header.
    /// * `build` returns [`Error::User`] if one of these variables is not UTF-8 or not a valid
    ///   proxy URL.
    ///
    /// ```
    /// use bimpeai::Client;
    ///
    /// let client = Client::builder("sk_1")
    ///     .proxy("http://user:p%40ss@proxy.example.com:3128");
    /// ```
    #[doc(alias = "HTTPS_PROXY")]
    #[doc(alias = "http_client")]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Proxy::Url(Secret::from(url.into()));
        self
    }

    /// Connects directly and ignores the environment's proxy.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = Proxy::None;
        self
    }

    /// Trusts these root certificates (PEM, one or more) and no others, for a server with a private
    /// authority.
    ///
    /// [`build`](Self::build) returns [`Error::User`] if one of them is not a certificate.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = bimpeai::Client::builder_from_env()?
    ///     .root_certificates(std::fs::read("company-ca.pem")?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "CA certificate")]
    #[doc(alias = "TLS")]
    pub fn root_certificates(mut self, pem: impl AsRef<[u8]>) -> Self {
        if let Err(error) = self.tls.trust(pem.as_ref()) {
            self.refuse(error);
        }
        self
    }

    /// Sets the client certificate (PEM, with its chain) and its private key (PEM), for mTLS.
    ///
    /// The key is in PKCS#8, PKCS#1 or SEC1. With the feature `native-tls` it is in PKCS#8
    /// (`BEGIN PRIVATE KEY`), and on Windows an RSA key. It must not be encrypted.
    ///
    /// [`build`](Self::build) returns [`Error::User`] if the key cannot be read, or belongs to another
    /// certificate. SChannel, the library of `native-tls` on Windows, does not compare the two: the
    /// server then refuses the connection.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let chain = std::fs::read("client.pem")?;
    /// let key = std::fs::read_to_string("client.key")?;
    /// let client = bimpeai::Client::builder_from_env()?
    ///     .client_certificate(chain, key)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "mTLS")]
    #[doc(alias = "mutual TLS")]
    pub fn client_certificate(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<str>) -> Self {
        if let Err(error) = self.tls.show(chain.as_ref(), key.as_ref()) {
            self.refuse(error);
        }
        self
    }

    /// Sets the addresses of a host, which is then not resolved by DNS.
    ///
    /// For tests and for networks without DNS. The certificate is still checked for `host`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = bimpeai::Client::builder("sk_1")
    ///     .resolve("api.bimpe.ai", ["192.0.2.7:443".parse()?])
    ///     # .base_url("http://localhost") // a build without TLS has no https
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "DNS lookup")]
    pub fn resolve(
        mut self,
        host: impl Into<String>,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Self {
        let addresses: Vec<_> = addresses.into_iter().collect();
        let host = host.into().to_ascii_lowercase();
        if addresses.is_empty() {
            self.refuse(Error::user(format!(
                "the host {host:?} has no address at all; give `resolve` one"
            )));
        }
        self.addresses.retain(|(known, _)| *known != host);
        self.addresses.push((host, addresses));
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// [`Error::User`] if the API key, another setting or a proxy variable of the environment is
    /// invalid. The message names the setting and shows no secret.
    pub fn build(self) -> Result<Client, Error> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        check_key(self.key.expose())
            .map_err(|why| Error::user(format!("{} {why}", self.key_name)))?;
        let base_url = self.base_url.as_deref().unwrap_or(DEFAULT_BASE_URL);
        let base = BaseUrl::parse(base_url, &self.http_hosts)?;
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let proxy = self.proxy.resolve(&base)?;
        let tls = self.tls.resolve();
        let network = Network::new(self.connect_timeout, proxy, tls, self.addresses);
        let user_agent = user_agent(self.user_agent_suffix.as_deref())?;
        if self.requests_per_minute.is_some() && !self.share_rate_limit {
            return Err(Error::user(
                "requests_per_minute needs share_rate_limit, which is disabled",
            ));
        }
        let rate = self.requests_per_minute.map(f64::from);
        let gate = || RateGate::new(rate, Box::new(random::fraction));
        Ok(Client {
            http: Arc::new(Http {
                agent: network.agent(|config| config.timeout_global(Some(timeout))),
                headers: client_headers(&self.key, user_agent, &self.default_headers)?,
                base,
                network,
                key: self.key,
                timeout: Some(timeout),
                timeout_chosen: self.timeout.is_some(),
                retry: self.retry,
                gate: self.share_rate_limit.then(gate),
                largest_body: self.max_response_size,
                clock: Arc::new(SystemClock),
                deadline: self.deadline,
                on_attempt: self.on_attempt,
                shutdown: Cancel::default(),
            }),
        })
    }

    fn refuse(&mut self, error: Error) {
        self.refused.get_or_insert(error);
    }
}

/// Shows the base URL and the limits; no secret.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An invalid one may have a password in it.
        let base_url = match self.base_url.as_deref().unwrap_or(DEFAULT_BASE_URL) {
            url if BaseUrl::parse(url, &self.http_hosts).is_ok() => url,
            _ => "[invalid]",
        };
        f.debug_struct("ClientBuilder")
            .field("base_url", &base_url)
            .field("timeout", &self.timeout)
            .field("max_retries", &self.retry.max_retries)
            .finish_non_exhaustive()
    }
}

fn user_agent(suffix: Option<&str>) -> Result<HeaderValue, Error> {
    let own = concat!("bimpeai-rust/", env!("CARGO_PKG_VERSION"));
    if suffix.is_some_and(|suffix| suffix.len() > 1024) {
        return Err(Error::user(
            "the user agent suffix is longer than 1,024 bytes",
        ));
    }
    let text = match suffix {
        Some(suffix) => format!("{own} ({}) {suffix}", std::env::consts::OS),
        None => format!("{own} ({})", std::env::consts::OS),
    };
    HeaderValue::from_str(&text)
        .map_err(|_| Error::user("the user agent suffix has a character that no header may hold"))
}

impl Proxy {
    fn resolve(self, base: &BaseUrl) -> Result<Option<ureq::Proxy>, Error> {
        match self {
            Proxy::None => Ok(None),
            Proxy::Environment if base.is_loopback() => Ok(None),
            Proxy::Environment => proxy::from_environment(base, |name| std::env::var_os(name)),
            Proxy::Url(url) => proxy::from_url(url.expose()).map(Some),
        }
    }
}

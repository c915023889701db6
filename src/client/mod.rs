//! The client and how it is set up.

mod api_key;
mod builder;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{CallInfo, CallTraits, Error, RateLimit};
use crate::http::Http;

pub use builder::ClientBuilder;

/// A client of the BimpeAI Console API.
///
/// Cheap to clone; clones share one pool of connections. Any number of threads can use it at once: a
/// call blocks only the thread that sends it.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// let client = bimpeai::Client::from_env()?;
/// let workflows = client.workflows().list().send()?;
/// println!("{} workflows", workflows.data.len());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "BimpeAI")]
#[doc(alias = "AsyncBimpeAI")]
#[derive(Clone)]
pub struct Client {
    http: Arc<Http>,
}

impl Client {
    /// Creates a client with this API key (`sk_…`) and the defaults of [`ClientBuilder`].
    ///
    /// # Errors
    ///
    /// [`Error::User`] if the API key is empty, has characters that a header cannot contain, or has
    /// something around it: quotes, `NAME=`, `Bearer`, a literal `\n`.
    #[doc(alias = "authentication")]
    #[doc(alias = "credentials")]
    pub fn new(key: impl AsRef<str>) -> Result<Client, Error> {
        Client::builder(key).build()
    }

    /// Creates a client from the environment, as [`builder_from_env`](Client::builder_from_env)
    /// does, with the defaults of [`ClientBuilder`].
    ///
    /// # Errors
    ///
    /// [`Error::User`] if `BIMPEAI_API_KEY` is unset, the key or base URL is invalid, or a variable
    /// is not UTF-8.
    #[doc(alias = "authentication")]
    pub fn from_env() -> Result<Client, Error> {
        Client::builder_from_env()?.build()
    }

    /// Creates a builder with this API key (`sk_…`).
    pub fn builder(key: impl AsRef<str>) -> ClientBuilder {
        ClientBuilder::new(key.as_ref())
    }

    /// Creates a builder from the environment. An empty variable counts as unset.
    ///
    /// | variable | content |
    /// | --- | --- |
    /// | `BIMPEAI_API_KEY` | the API key; required |
    /// | `BIMPEAI_BASE_URL` | [`base_url`](ClientBuilder::base_url) |
    /// | `BIMPEAI_ALLOW_HTTP` | hosts for [`allow_http`](ClientBuilder::allow_http), comma-separated |
    ///
    /// [`build`](ClientBuilder::build) also reads the proxy variables, such as `HTTPS_PROXY`: see
    /// [`proxy`](ClientBuilder::proxy).
    ///
    /// # Errors
    ///
    /// [`Error::User`] if `BIMPEAI_API_KEY` is unset, or a variable is not UTF-8. The message names
    /// the variable, never its value.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// use bimpeai::Client;
    /// use std::time::Duration;
    ///
    /// let client = Client::builder_from_env()?
    ///     .timeout(Duration::from_secs(10))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder_from_env() -> Result<ClientBuilder, Error> {
        ClientBuilder::from_variables(|name| std::env::var_os(name))
    }

    /// Cancels all calls and streams of this client and its clones. Can be called from any thread.
    ///
    /// * Calls in progress, their retries and waits return [`Error::Cancelled`]. A request that was
    ///   already sent may have reached the server: see [`Error::may_have_been_sent`].
    /// * Streams yield one [`Error::Cancelled`] and then end.
    /// * Later calls fail with [`Error::Cancelled`] at once.
    ///
    /// It returns at once and can be called more than once. Calls end within milliseconds. A call
    /// that is in a DNS lookup or a TCP connect ends within `connect_timeout`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// let client = bimpeai::Client::from_env()?;
    /// let stop = client.clone();
    /// // In a Ctrl-C handler, with the crate `ctrlc`:
    /// // ctrlc::set_handler(move || stop.shutdown())?;
    /// # let _ = stop;
    /// for message in client.conversations().messages().stream("agt_1", "cnv_1") {
    ///     match message {
    ///         Err(bimpeai::Error::Cancelled(_)) => std::process::exit(130),
    ///         message => println!("{}", message?.id),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "cancel")]
    #[doc(alias = "close")]
    #[doc(alias = "abort")]
    #[doc(alias = "ctrl-c")]
    pub fn shutdown(&self) {
        // The flag is set before, so that a call whose connection is closed knows why.
        self.http
            .shutdown
            .cancel_with(|| self.http.agent.clone().shutdown());
    }

    /// Returns whether [`shutdown`](Client::shutdown) was called on this client or a clone of it.
    pub fn is_shut_down(&self) -> bool {
        self.http.shutdown.is_cancelled()
    }

    /// Returns the rate limit from the most recent response with `X-RateLimit-*` headers.
    ///
    /// `None` if there was no such response, or if
    /// [`share_rate_limit`](ClientBuilder::share_rate_limit) is disabled. The clones of a client share
    /// it.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// client.agents().list().send()?;
    /// if let Some(limit) = client.rate_limit() {
    ///     println!("{:?} of {:?} requests left", limit.remaining, limit.limit);
    ///     println!("resets in {:?}", limit.resets_in());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.http.gate.as_ref()?.snapshot()
    }

    /// Sleeps between two requests of one operation.
    pub(crate) fn pause(&self, time: Duration, operation: &str) -> Result<(), Error> {
        match self.http.clock.wait(time, &self.http.shutdown) {
            true => Ok(()),
            false => {
                let mut call = CallInfo::new(operation.to_owned(), CallTraits::READ);
                call.sent = true;
                Err(Error::cancelled(call))
            }
        }
    }

    pub(crate) fn http(&self) -> &Arc<Http> {
        &self.http
    }
}

/// Shows the base URL, never the API key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.http.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Defines the handle of a resource: a type that holds the client and has the operations as methods.
///
/// `handle! { /// Docs. pub struct Agents; }` expands to
///
/// ```text
/// #[derive(Debug, Clone)]
/// pub struct Agents { client: Client }
///
/// impl Agents { pub(crate) fn new(client: &Client) -> Self }
/// ```
macro_rules! handle {
    ($(#[$meta:meta])* pub struct $name:ident;) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name {
            pub(crate) client: $crate::client::Client,
        }

        impl $name {
            pub(crate) fn new(client: &$crate::client::Client) -> Self {
                $name {
                    client: client.clone(),
                }
            }
        }
    };
}
pub(crate) use handle;

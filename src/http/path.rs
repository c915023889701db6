//! Where a request goes: the base URL, and paths whose ids are data.

use std::fmt::Write as _;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Uri;
use ureq::http::uri::{Authority, Scheme};

use crate::error::{Error, Excerpt};

/// The start of all paths of the API.
pub(crate) const PREFIX: &str = "/api/v1/console";

/// Parts of the prefix that a base URL may end with, the longest first.
const PREFIX_PARTS: [&str; 3] = [PREFIX, "/api/v1", "/api"];

/// Everything but what RFC 3986 calls unreserved.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest URL that can be sent, a limit of the HTTP library's URL type.
const LONGEST_URL: usize = 65_534;

/// The path of a request below the API's prefix; a bad id is reported when it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    text: String,
    has_id: bool,
    refused: Option<String>,
}

impl Path {
    pub(crate) fn new(root: &str) -> Self {
        Path {
            text: format!("/{root}"),
            has_id: false,
            refused: None,
        }
    }

    /// Appends literal segments.
    pub(crate) fn then(mut self, literal: &str) -> Self {
        self.text.push('/');
        self.text.push_str(literal);
        self
    }

    /// Appends an id as one escaped segment; `name` is what a refusal calls it.
    pub(crate) fn id(self, name: &str, id: impl AsRef<str>) -> Self {
        self.id_except(name, id, &[])
    }

    /// Like [`Path::id`] where some ids would be another route.
    pub(crate) fn id_except(mut self, name: &str, id: impl AsRef<str>, routes: &[&str]) -> Self {
        let id = id.as_ref();
        self.has_id = true;
        if id.is_empty() {
            self.refuse(format!("{name} is empty; an id is needed here"));
        } else if id == "." || id == ".." {
            self.refuse(format!(
                "{name} is {id:?}, which is a step in a path and no id"
            ));
        } else if routes.contains(&id) {
            self.refuse(format!(
                "{name} is {id:?}, which is another route of the API and no id"
            ));
        }
        self.text.push('/');
        self.text.extend(utf8_percent_encode(id, ESCAPED));
        self
    }

    /// A path that the caller wrote, for what this crate does not know yet.
    pub(crate) fn written(path: &str) -> Self {
        let mut written = Path {
            text: path.to_owned(),
            // Collections have one segment, as far as anybody knows.
            has_id: path.trim_matches('/').contains('/'),
            refused: None,
        };
        if !path.starts_with('/') {
            written.refuse(format!(
                "the path {:?} must start with a slash, as in \"/agents\"",
                Excerpt(path, 80).to_string()
            ));
        } else if let Some(bad) = path
            .chars()
            .find(|c| !c.is_ascii_graphic() || matches!(c, '?' | '#' | '\\' | '"' | '<' | '>'))
        {
            written.refuse(format!(
                "the path has {bad:?} in it; escape it, and pass a query with `query`"
            ));
        } else if path.split('/').any(is_dot_segment) || path.contains("//") {
            written.refuse(
                "the path has an empty, `.` or `..` segment, which may leave the API's prefix",
            );
        } else if path.starts_with("/api/v1/") || path == "/api/v1" {
            written.refuse(format!(
                "the path starts with the API's prefix; leave {PREFIX} out, as in \"/agents\""
            ));
        }
        written
    }

    fn refuse(&mut self, why: impl Into<String>) {
        self.refused.get_or_insert(why.into());
    }

    pub(crate) fn has_id(&self) -> bool {
        self.has_id
    }

    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// `.` and `..`, written plainly or escaped.
fn is_dot_segment(segment: &str) -> bool {
    const DOTS: [&str; 6] = [".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"];
    DOTS.iter().any(|dots| segment.eq_ignore_ascii_case(dots))
}

/// Appends one parameter to a query.
pub(crate) fn push_query(query: &mut String, name: &str, value: &str) {
    query.push(if query.is_empty() { '?' } else { '&' });
    query.extend(utf8_percent_encode(name, ESCAPED));
    query.push('=');
    query.extend(utf8_percent_encode(value, ESCAPED));
}

/// The configured origin; every request goes there and nowhere else.
#[derive(Clone)]
pub(crate) struct BaseUrl {
    /// Scheme, authority and path, without a slash at the end.
    text: String,
    host: String,
}

impl BaseUrl {
    /// Checks a base URL. The part of the API's prefix that it ends with is removed. Plain `http` is
    /// for loopback addresses and the hosts in `http_hosts`.
    pub(crate) fn parse(text: &str, http_hosts: &[String]) -> Result<BaseUrl, Error> {
        let refuse = |why: &str| Err(Error::user(format!("the base URL {why}")));
        let text = text.trim_end_matches('/');
        let Ok(uri) = text.parse::<Uri>() else {
            return refuse("is not a URL; it looks like \"https://api.bimpe.ai\"");
        };
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return refuse("has no scheme; it looks like \"https://api.bimpe.ai\"");
        };
        if authority.as_str().contains('@') {
            return refuse("has user info in it; the API takes its key in a header only");
        }
        if uri.query().is_some() || text.contains('#') {
            return refuse("has a query or a fragment; use the host, with a path if it needs one");
        }
        if uri.path().split('/').any(is_dot_segment) {
            return refuse("has a `.` or `..` segment in its path");
        }
        let https = *scheme == Scheme::HTTPS;
        if !https && *scheme != Scheme::HTTP {
            return refuse("must start with \"https://\" (or \"http://\" for a loopback address)");
        }
        if cfg!(not(any(feature = "rustls", feature = "native-tls"))) && https {
            return refuse("is https, and this build has no TLS: enable the feature `rustls`");
        }
        let host = bare_host(authority).to_ascii_lowercase();
        if host.is_empty() {
            return refuse("has no host");
        }
        // An invalid port would be left out, and the key sent to another one.
        let port = authority.as_str().strip_prefix(authority.host());
        if port.is_some_and(|port| !port.is_empty() && parse_port(&port[1..]).is_none()) {
            return refuse("has a port that is not a number from 1 to 65535");
        }
        if !https && !is_loopback(&host) && !http_hosts.iter().any(|h| is_same_host(h, &host)) {
            return refuse(&format!(
                "is plain http to {host:?}, where anyone on the network path can read the API key; \
                 use https, or allow it with ClientBuilder::allow_http({host:?}) or BIMPEAI_ALLOW_HTTP={host}"
            ));
        }
        let path = uri.path().trim_end_matches('/');
        let mut parts = PREFIX_PARTS.iter();
        let part = parts
            .find(|part| path.ends_with(**part))
            .map_or(0, |part| part.len());
        let text = text[..text.len() - part].trim_end_matches('/').to_owned();
        Ok(BaseUrl { text, host })
    }

    /// The whole URL of a request, or why it cannot be one.
    pub(crate) fn join(&self, path: &Path, query: &str) -> Result<Uri, Error> {
        if let Some(why) = path.refused() {
            return Err(Error::user(why));
        }
        let mut url =
            String::with_capacity(self.text.len() + PREFIX.len() + path.text.len() + query.len());
        let _ = write!(url, "{}{PREFIX}{}{query}", self.text, path.text);
        if url.len() > LONGEST_URL {
            return Err(Error::user(format!(
                "the URL would be {} bytes long, and {LONGEST_URL} is the most that can be sent; \
                 check the ids and filters",
                url.len()
            )));
        }
        Uri::try_from(url).map_err(|_| Error::user("the URL is not valid"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    pub(crate) fn is_https(&self) -> bool {
        self.text
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }

    /// The host, in lower case and without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port, which is that of the scheme where the URL names none.
    pub(crate) fn port(&self) -> u16 {
        let uri = self.text.parse::<Uri>().ok();
        port(uri.and_then(|uri| uri.port_u16()), self.is_https())
    }
}

/// Returns the port that a URL names, if it is one: digits only, from 1 to 65535.
pub(crate) fn parse_port(digits: &str) -> Option<u16> {
    let are_digits = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|port| are_digits && *port > 0)
}

/// The port that a URL names, else that of its scheme.
pub(crate) fn port(named: Option<u16>, https: bool) -> u16 {
    named.unwrap_or(if https { 443 } else { 80 })
}

/// The host without the brackets of an IPv6 address.
pub(crate) fn bare_host(authority: &Authority) -> &str {
    let host = authority.host();
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Whether two names are of one host: case, and a dot at the end, make no difference.
fn is_same_host(a: &str, b: &str) -> bool {
    let name = |host: &str| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name(a) == name(b)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

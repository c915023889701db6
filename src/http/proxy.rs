//! The proxy: which one the environment asks for, and whether its URL can be used.
//!
//! ureq reads both too, but takes any variable for any scheme, ignores one that it cannot parse,
//! replaces a port that is not a number by 80, and knows no subdomains or networks in `NO_PROXY`.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr};

use super::path::{self, BaseUrl};
use crate::environment;
use crate::error::Error;

/// Returns the proxy of a URL that the program has set.
pub(crate) fn from_url(url: &str) -> Result<ureq::Proxy, Error> {
    parse(url).map_err(|why| Error::user(format!("the proxy URL {why}")))
}

/// Returns the proxy that the environment names for a base URL, or `None` for a direct connection.
pub(crate) fn from_environment(
    base: &BaseUrl,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<ureq::Proxy>, Error> {
    let first = |names: &[&'static str]| {
        for name in names {
            let value = environment::text(name, &variable)?;
            if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
                return Ok(Some((*name, value)));
            }
        }
        Ok::<_, Error>(None)
    };
    if let Some((_, hosts)) = first(&["no_proxy", "NO_PROXY"])? {
        if is_exempt(&hosts, base.host(), base.port()) {
            return Ok(None);
        }
    }
    let by_scheme: &[_] = if base.is_https() {
        &["https_proxy", "HTTPS_PROXY"]
    } else if variable("REQUEST_METHOD").is_some() {
        // Under CGI, `HTTP_PROXY` is a header that the client of the script has chosen.
        &["http_proxy"]
    } else {
        &["http_proxy", "HTTP_PROXY"]
    };
    let named = match first(by_scheme)? {
        None => first(&["all_proxy", "ALL_PROXY"])?,
        named => named,
    };
    let Some((name, url)) = named else {
        return Ok(None);
    };
    let url = url.trim();
    // `host:3128` is common in the environment, and means plain http to curl, Go and Python. They do
    // not agree on the port of a bare `host`.
    let proxy = match url.contains("://") {
        false if has_port(url) => parse(&format!("http://{url}")),
        _ => parse(url),
    };
    proxy.map(Some).map_err(|why| {
        Error::user(format!(
            "{name} in the environment {why}; correct it, or call ClientBuilder::no_proxy()"
        ))
    })
}

/// Returns the proxy of a URL, or what is wrong with it: never a part of it, for it may hold a
/// password.
fn parse(url: &str) -> Result<ureq::Proxy, String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("has no scheme; it looks like \"http://proxy.example.com:3128\"".to_owned());
    };
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "http" => {}
        "https" if cfg!(any(feature = "rustls", feature = "native-tls")) => {}
        "https" => {
            return Err("is https, and this build has no TLS: enable the feature `rustls`".into());
        }
        "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" if cfg!(feature = "socks") => {}
        "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => {
            return Err(
                "is for SOCKS, which this build has not: enable the feature `socks`".into(),
            );
        }
        _ => {
            let schemes = "http, https, socks4, socks4a, socks5 or socks5h";
            return Err(format!("has an unknown scheme; use {schemes}"));
        }
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host_and_port) = match authority.rsplit_once('@') {
        Some((user, host_and_port)) => (user, host_and_port),
        None => ("", authority),
    };
    // Where one of them is in the password, the user name would become the host.
    if path.contains('@') || user.contains('@') {
        return Err(
            "has a `/`, `?`, `#` or `@` in its user name or password; percent-encode it as %2F, \
             %3F, %23 or %40"
                .to_owned(),
        );
    }
    let (host, port) = split_port(host_and_port);
    if host.is_empty() {
        return Err("has no host".to_owned());
    }
    if !matches!(path, "" | "/") {
        return Err("has a path, query or fragment; end it with the port".to_owned());
    }
    if !user.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(
            "has a space or a character that is not ASCII in its user name or password; \
             percent-encode it"
                .to_owned(),
        );
    }
    let is_valid = match host.strip_prefix('[') {
        Some(address) => address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')),
    };
    if !is_valid {
        return Err(
            "has an invalid host; put an IPv6 address in brackets, as in \"http://[::1]:3128\""
                .to_owned(),
        );
    }
    if port.is_some_and(|port| path::parse_port(port).is_none()) {
        return Err("has a port that is not a number from 1 to 65535".to_owned());
    }
    ureq::Proxy::new(url).map_err(|_| {
        "is not valid; percent-encode special characters in its user name and password".to_owned()
    })
}

/// Splits a host from the text after its colon; the colons of an IPv6 address in brackets are its
/// own.
fn split_port(host_and_port: &str) -> (&str, Option<&str>) {
    match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host_and_port, None),
    }
}

/// Whether a URL without a scheme names a port.
fn has_port(url: &str) -> bool {
    let authority = url.strip_suffix('/').unwrap_or(url);
    let host_and_port = authority.rsplit('@').next().unwrap_or(authority);
    split_port(host_and_port).1.is_some()
}

/// Whether a list such as `localhost,.example.com,10.0.0.0/8` contains this host.
///
/// Entries are separated by commas or whitespace, and compared without case and without a dot at
/// the end. A name stands for its subdomains too, with or without `.` or `*.` before it; an address
/// for itself; `10.0.0.0/8` for a network; `*` for everything. A port after any of them limits the
/// entry to that port.
fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.');
    let address = host.parse::<IpAddr>().ok();
    list.split(|c: char| c == ',' || c.is_whitespace())
        .any(|entry| {
            let entry = entry.to_ascii_lowercase();
            let (name, entry_port) = match entry.rsplit_once(':') {
                // A second colon, without a bracket, is of an IPv6 address.
                Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port),
                _ => (entry.as_str(), ""),
            };
            if !entry_port.is_empty() && path::parse_port(entry_port) != Some(port) {
                return false;
            }
            let name = name.replace(['[', ']'], "");
            let name = name.strip_prefix("*.").unwrap_or(&name);
            match (name.trim_matches('.'), address) {
                ("", _) => false,
                _ if name == "*" => true,
                (name, Some(address)) => holds(name, address),
                (name, None) => host
                    .strip_suffix(name)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.')),
            }
        })
}

/// Whether an address, or a network such as `10.0.0.0/8`, contains this address.
fn holds(network: &str, address: IpAddr) -> bool {
    let (network, length) = match network.split_once('/') {
        Some((network, length)) => (network, Some(length)),
        None => (network, None),
    };
    let (bits, network, address) = match (network.parse(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
            (32, u32::from(network).into(), u32::from(address).into())
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => {
            (128, u128::from(network), u128::from(address))
        }
        _ => return false,
    };
    let length = match length.map(str::parse) {
        None => bits,
        Some(Ok(length)) if length <= bits => length,
        Some(_) => return false,
    };
    let rest = bits - length;
    // A shift by all the bits there are is none.
    network.checked_shr(rest).unwrap_or(0) == address.checked_shr(rest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, Error> {
        let hosts = ["plain.example.com".to_owned()];
        let base = BaseUrl::parse(url, &hosts).unwrap();
        let found = from_environment(&base, |name| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some((*value).into())
        })?;
        Ok(found.map(|proxy| proxy.host().to_owned()))
    }

    #[test]
    fn the_scheme_says_which_variable_counts() {
        let all = [
            ("HTTP_PROXY", "http://plain:1"),
            ("HTTPS_PROXY", "http://secure:1"),
            ("ALL_PROXY", "http://all:1"),
        ];
        fn host(url: &str, variables: &[(&str, &str)]) -> Option<String> {
            chosen(url, variables).unwrap()
        }
        let (https, http) = ("https://api.bimpe.ai", "http://plain.example.com");
        assert_eq!(host(http, &all).unwrap(), "plain");
        assert_eq!(host(http, &all[1..]).unwrap(), "all");
        assert_eq!(host(http, &[all[0], ("REQUEST_METHOD", "GET")]), None);
        if cfg!(not(any(feature = "rustls", feature = "native-tls"))) {
            return;
        }
        assert_eq!(host(https, &all).unwrap(), "secure");
        assert_eq!(host(https, &all[..1]), None);
        assert_eq!(
            host(https, &[("https_proxy", "lower:1"), all[1]]).unwrap(),
            "lower"
        );
        assert_eq!(host(https, &[("https_proxy", " "), all[2]]).unwrap(), "all");
    }

    #[track_caller]
    fn check(host: &str, exempt: &[&str], others: &[&str]) {
        for list in exempt {
            assert!(is_exempt(list, host, 8443), "{host} is in {list:?}");
        }
        for list in others {
            assert!(!is_exempt(list, host, 8443), "{host} is not in {list:?}");
        }
    }

    #[test]
    fn a_name_in_no_proxy_includes_its_subdomains() {
        check(
            "api.bimpe.ai",
            &["*", "api.bimpe.ai", "API.Bimpe.AI", "bimpe.ai", "ai"],
            &[
                "",
                ",",
                ".",
                "*.",
                "pe.ai",
                "bimpe.a",
                "x.api.bimpe.ai",
                "*bimpe.ai",
            ],
        );
        check(
            "api.bimpe.ai",
            &[".bimpe.ai", "*.bimpe.ai", "*.api.bimpe.ai"],
            &["..", ".*"],
        );
        check(
            "api.bimpe.ai",
            &[],
            &["10.0.0.0/8", "::/0", "http://bimpe.ai"],
        );
    }

    #[test]
    fn a_dot_at_the_end_of_a_name_means_nothing() {
        for host in ["api.bimpe.ai", "api.bimpe.ai."] {
            check(
                host,
                &[
                    "api.bimpe.ai.",
                    "bimpe.ai.",
                    ".bimpe.ai.",
                    "*.bimpe.ai.",
                    "api.bimpe.ai.:8443",
                ],
                &["pe.ai.", "x.api.bimpe.ai.", "api.bimpe.ai.:443"],
            );
            check(host, &["api.bimpe.ai", "bimpe.ai"], &["pe.ai"]);
        }
        check("10.0.0.7.", &["10.0.0.7", "10.0.0.0/8"], &["10.0.0.8"]);
        let of = |exempt| {
            let variables = [("HTTP_PROXY", "http://proxy:1"), ("NO_PROXY", exempt)];
            ["http://plain.example.com", "http://plain.example.com."]
                .map(|url| chosen(url, &variables).unwrap())
        };
        assert_eq!(of("example.com"), [None, None]);
        assert!(of("example.org").iter().all(Option::is_some));
    }

    #[test]
    fn entries_of_no_proxy_are_separated_by_commas_and_any_whitespace() {
        for between in [
            ",", " ", ", ", " ,", "\t", "\n", "\r\n", "\u{b}", "\u{a0}", ",\n\t ,",
        ] {
            let list = format!("x.test{between}bimpe.ai{between}y.test{between}");
            check("api.bimpe.ai", &[&list], &[]);
            check("api.bimpe.com", &[], &[&list]);
        }
        check(
            "api.bimpe.ai",
            &["\nbimpe.ai", "bimpe.ai\r\n", "\tbimpe.ai\t"],
            &["bimpe;ai", "x;bimpe.ai"],
        );
    }

    #[test]
    fn a_port_in_no_proxy_limits_an_entry_to_that_port() {
        check(
            "api.bimpe.ai",
            &[
                "api.bimpe.ai:8443",
                "bimpe.ai:8443",
                "*.bimpe.ai:08443",
                "*:8443",
                "bimpe.ai:",
            ],
            &[
                "api.bimpe.ai:443",
                "bimpe.ai:x",
                "bimpe.ai:99999",
                "bimpe.ai:+8443",
                "*:443",
                ":8443",
            ],
        );
        assert!(is_exempt("api.bimpe.ai:443", "api.bimpe.ai", 443));
        assert!(!is_exempt("api.bimpe.ai:80", "api.bimpe.ai", 443));
    }

    #[test]
    fn an_address_in_no_proxy_includes_itself_or_its_network() {
        check(
            "10.0.0.7",
            &[
                "10.0.0.7",
                "10.0.0.0/8",
                "0.0.0.0/0",
                "10.0.0.7:8443",
                "10.0.0.7/32",
                "10.0.0.0/8:8443",
            ],
            &[
                "10.0.0.8",
                "11.0.0.0/8",
                "10.0.0.0/x",
                "10.0.0.0/33",
                "10.0.0.0/",
                "::/0",
                "0.0.7",
                "10.0.0.6/32",
            ],
        );
        check(
            "fd00::1",
            &[
                "fd00::1",
                "FD00:0::1",
                "[fd00::1]",
                "[fd00::1]:8443",
                "fd00::/8",
                "[fd00::]/8",
                "::/0",
            ],
            &["fd00::2", "fd00::/129", "[fd00::1]:443", "0.0.0.0/0"],
        );
    }
}

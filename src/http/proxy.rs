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

/// Whether a list such as `localhost,.example.com,10.0.0.0/8` has this host in it.
fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    let address = host.parse::<IpAddr>().ok();
    list.split([',', ' ']).any(|entry| {
        let entry = entry.trim().to_ascii_lowercase();
        let (name, entry_port) = match entry.rsplit_once(':') {
            // A second colon, and no bracket, is an IPv6 address.
            Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
                (name, digits.parse().ok())
            }
            _ => (entry.as_str(), None),
        };
        if entry_port.is_some_and(|entry_port: u16| entry_port != port) {
            return false;
        }
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let name = name.trim_start_matches("*.").trim_start_matches('.');
        match (name, address) {
            ("", _) => false,
            ("*", _) => true,
            (name, Some(address)) => holds(name, address),
            (name, None) => host
                .strip_suffix(name)
                .is_some_and(|before| before.is_empty() || before.ends_with('.')),
        }
    })
}

/// Whether an address, or a network such as `10.0.0.0/8`, holds this address.
fn holds(network: &str, address: IpAddr) -> bool {
    let (network, length) = match network.split_once('/') {
        Some((network, length)) => (network, length.parse::<u32>().ok()),
        None => (network, Some(128)),
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
    let Some(length) = length else {
        return false;
    };
    let rest = bits - length.min(bits);
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
        assert_eq!(host(https, &all).unwrap(), "secure");
        assert_eq!(host(http, &all).unwrap(), "plain");
        assert_eq!(host(https, &all[..1]), None);
        assert_eq!(host(http, &all[1..]).unwrap(), "all");
        assert_eq!(
            host(https, &[("https_proxy", "lower:1"), all[1]]).unwrap(),
            "lower"
        );
        assert_eq!(host(https, &[("https_proxy", " "), all[2]]).unwrap(), "all");
        assert_eq!(host(http, &[all[0], ("REQUEST_METHOD", "GET")]), None);
    }

    #[test]
    fn hosts_in_no_proxy_are_reached_directly() {
        let is = |list, host| is_exempt(list, host, 8443);
        for list in [
            "*",
            "api.bimpe.ai",
            "API.Bimpe.AI",
            "bimpe.ai",
            ".bimpe.ai",
            "*.bimpe.ai",
            "x, bimpe.ai",
            "x bimpe.ai",
            "api.bimpe.ai:8443",
        ] {
            assert!(is(list, "api.bimpe.ai"), "{list}");
        }
        for list in [
            "",
            ",",
            "pe.ai",
            "bimpe.a",
            "x.api.bimpe.ai",
            "bimpe.ai:1",
            "10.0.0.0/8",
        ] {
            assert!(!is(list, "api.bimpe.ai"), "{list}");
        }
        for list in [
            "10.0.0.7",
            "10.0.0.0/8",
            "0.0.0.0/0",
            "10.0.0.7:8443",
            "10.0.0.7/32",
        ] {
            assert!(is(list, "10.0.0.7"), "{list}");
        }
        for list in [
            "10.0.0.8",
            "11.0.0.0/8",
            "10.0.0.0/x",
            "::/0",
            "0.0.7",
            "10.0.0.6/32",
        ] {
            assert!(!is(list, "10.0.0.7"), "{list}");
        }
        for list in ["fd00::1", "[fd00::1]", "[fd00::1]:8443", "fd00::/8", "::/0"] {
            assert!(is(list, "fd00::1"), "{list}");
        }
        assert!(!is("fd00::2", "fd00::1"));
        assert!(is_exempt("api.bimpe.ai:443", "api.bimpe.ai", 443));
        assert!(!is_exempt("api.bimpe.ai:80", "api.bimpe.ai", 443));
    }
}

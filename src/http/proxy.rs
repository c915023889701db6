//! Which proxy the environment asks for.
//!
//! ureq reads it too, but takes any of its variables for any scheme, leaves out one that it cannot
//! read, as if there were none, and knows no subdomains and no networks in `NO_PROXY`.

use std::ffi::OsString;
use std::net::IpAddr;

use super::path::BaseUrl;
use crate::environment;
use crate::error::Error;

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
    match ureq::Proxy::new(url.trim()) {
        Ok(proxy) => Ok(Some(proxy)),
        Err(_) => Err(Error::user(format!(
            "{name} in the environment is no valid URL of a proxy; correct it, or call \
             ClientBuilder::no_proxy()"
        ))),
    }
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
    fn a_variable_that_is_no_url_is_refused_and_not_shown() {
        let error = chosen("https://api.bimpe.ai", &[("HTTPS_PROXY", "::canary::")]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("HTTPS_PROXY in the environment"),
            "{message}"
        );
        assert!(!message.contains("canary"), "{message}");
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

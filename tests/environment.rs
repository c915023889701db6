//! Environment variables. All threads share one environment, so each test starts a child process.
#![cfg(unix)]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use bimpeai::Client;

/// Run by the other tests as a child process, each time with another environment.
#[test]
#[ignore = "is run by the other tests"]
fn child() {
    match Client::from_env() {
        Ok(client) => println!("\nbuilt: {client:?}"),
        Err(error) => println!("\nrefused: {error}\nrefused: {error:?}"),
    }
}

/// Returns the result of `Client::from_env` in this environment.
fn from_env(variables: &[(&str, &[u8])]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--ignored", "--nocapture"]);
    child.env_clear();
    for (name, value) in variables {
        child.env(name, OsStr::from_bytes(value));
    }
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| {
        let known = ["built: ", "refused: "];
        known.iter().any(|start| line.starts_with(start))
    });
    lines.collect::<Vec<_>>().join("\n")
}

const KEY: (&str, &[u8]) = ("BIMPEAI_API_KEY", b"sk_1");

/// A base URL that needs no TLS, and goes through the proxy for plain http.
const PLAIN: [(&str, &[u8]); 3] = [
    KEY,
    ("BIMPEAI_BASE_URL", b"http://api.test"),
    ("BIMPEAI_ALLOW_HTTP", b"api.test"),
];

/// Whether this build speaks https, as the default base URL does.
const TLS: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

#[test]
fn a_missing_api_key_says_which_variable_to_set_or_to_rename() {
    for variables in [
        &[][..],
        &[("BIMPEAI_API_KEY", &b""[..])],
        &[("BIMPE_API_KEY", &b""[..])],
    ] {
        let result = from_env(variables);
        let says = "refused: no API key: set BIMPEAI_API_KEY to an API key";
        assert!(result.starts_with(says), "{result}");
        assert!(!result.contains("BIMPE_API_KEY"), "{result}");
    }
    for name in ["BIMPE_API_KEY", "BIMPE_AI_API_KEY", "BIMPEAI_KEY"] {
        for value in [&b"sk_canary"[..], b"canary\xff"] {
            let result = from_env(&[(name, value), ("BIMPEAI_API_KEY", b"")]);
            let says = format!(
                "refused: no API key: {name} is set, but this crate reads BIMPEAI_API_KEY; rename it"
            );
            assert!(result.starts_with(&says), "{result}");
            assert!(!result.contains("canary"), "{result}");
            // If the right variable is set, the wrong one is ignored.
            let result = from_env(&[&PLAIN[..], &[(name, value)]].concat());
            assert!(result.starts_with("built: "), "{result}");
        }
    }
}

#[test]
fn an_invalid_api_key_is_refused_by_the_name_of_its_variable() {
    for (key, says) in [
        (&b"\"sk_canary\""[..], "has quotes around or in it"),
        (b"'sk_canary'", "has quotes around or in it"),
        (b"BIMPEAI_API_KEY=sk_canary", "as in NAME=sk_"),
        (b"sk_canary\\n", "has an escape such as \\n"),
        (b"sk_canary\r", "starts or ends with whitespace"),
        (b"\xef\xbb\xbfsk_canary", "has a byte order mark"),
    ] {
        let result = from_env(&[("BIMPEAI_API_KEY", key)]);
        assert!(result.starts_with("refused: BIMPEAI_API_KEY "), "{result}");
        assert!(result.contains(says), "{says}: {result}");
        assert!(!result.contains("canary"), "{result}");
    }
}

#[test]
fn a_variable_that_is_not_utf_8_is_refused_by_its_name_and_never_shown() {
    // Latin-1, a byte that is never UTF-8, a lone continuation byte, and a character cut short.
    for bad in [
        &b"http://canary.test/\xfc"[..],
        b"\xffcanary",
        b"canary\x80.test",
        b"canary.test\xe2\x82",
    ] {
        for (name, others) in [
            ("BIMPEAI_API_KEY", &[][..]),
            ("BIMPEAI_BASE_URL", &[KEY]),
            ("BIMPEAI_ALLOW_HTTP", &[KEY]),
            ("https_proxy", &[KEY]),
            ("HTTPS_PROXY", &[KEY]),
            ("all_proxy", &PLAIN),
            ("ALL_PROXY", &PLAIN),
            ("no_proxy", &PLAIN),
            (
                "NO_PROXY",
                &[
                    PLAIN[0],
                    PLAIN[1],
                    PLAIN[2],
                    ("HTTP_PROXY", b"http://proxy.test:1"),
                ],
            ),
            ("http_proxy", &PLAIN),
            ("HTTP_PROXY", &PLAIN),
        ] {
            if !TLS && name.eq_ignore_ascii_case("https_proxy") {
                continue;
            }
            let mut variables = others.to_vec();
            variables.push((name, bad));
            let result = from_env(&variables);
            let says = format!("refused: {name} in the environment is not valid UTF-8");
            assert!(result.starts_with(&says), "{name}: {result}");
            assert!(!result.contains("canary"), "{result}");
        }
    }
}

#[test]
fn unused_environment_variables_are_not_validated() {
    let bad: &[u8] = b"\xff";
    let plain = |others: &[(&'static str, &'static [u8])]| [&PLAIN[..], others].concat();
    let mut sets = vec![
        // Plain http does not go through the proxy for https, and a set variable comes first.
        plain(&[("HTTPS_PROXY", bad)]),
        plain(&[
            ("http_proxy", b"http://proxy.test:1"),
            ("HTTP_PROXY", bad),
            ("ALL_PROXY", bad),
        ]),
        plain(&[("no_proxy", b"*"), ("NO_PROXY", bad), ("HTTP_PROXY", bad)]),
        // Loopback needs no proxy.
        vec![
            KEY,
            ("BIMPEAI_BASE_URL", b"http://127.0.0.1:1"),
            ("HTTP_PROXY", bad),
            ("NO_PROXY", bad),
        ],
    ];
    if TLS {
        sets.push(vec![KEY, ("http_proxy", bad), ("HTTP_PROXY", bad)]);
        sets.push(vec![
            KEY,
            ("https_proxy", b"http://proxy.test:1"),
            ("HTTPS_PROXY", bad),
            ("ALL_PROXY", bad),
        ]);
    }
    for variables in sets {
        let result = from_env(&variables);
        assert!(result.starts_with("built: "), "{variables:?}: {result}");
    }
}

#[test]
fn environment_proxies_are_validated_like_builder_proxies() {
    for (url, says) in [
        (&b"http://user:canary@proxy.test:99999"[..], "port"),
        (b"http://user:can#ary@proxy.test:3128", "percent-encode"),
        (b"canary", "has no scheme"),
        (b"gopher://canary:1", "has an unknown scheme"),
        (b"\"http://canary.test:1\"", "has an unknown scheme"),
        (b"canary.test:port", "port"),
    ] {
        for (name, others) in [
            ("HTTP_PROXY", &PLAIN[..]),
            ("http_proxy", &PLAIN),
            ("ALL_PROXY", &PLAIN),
            ("all_proxy", &PLAIN),
            ("HTTPS_PROXY", &[KEY]),
            ("https_proxy", &[KEY]),
        ] {
            if !TLS && others == [KEY] {
                continue;
            }
            let result = from_env(&[others, &[(name, url)]].concat());
            let start = format!("refused: {name} in the environment has ");
            assert!(result.starts_with(&start), "{name}: {result}");
            assert!(result.contains(says), "{says}: {result}");
            assert!(
                result.contains("ClientBuilder::no_proxy()"),
                "{name}: {result}"
            );
            assert!(!result.contains("can"), "{result}");
        }
    }
    for url in [
        &b"proxy.test:3128"[..],
        b"user:password@proxy.test:3128",
        b"[::1]:3128",
        b"proxy.test:3128/",
        b" http://proxy.test ",
    ] {
        let result = from_env(&[&PLAIN[..], &[("HTTP_PROXY", url)]].concat());
        assert!(result.starts_with("built: "), "{result}");
    }
}

//! Rate limits by each kind of limiter.

use std::time::Duration;

use bimpeai::emulator::{EmulatorBuilder, Fault};

use crate::support::{Api, Reply, api, quiet, start};

const HEADERS: [&str; 3] = [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
];

fn number(reply: &Reply, name: &str) -> u64 {
    let value = reply.header(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {reply:?}"));
    value.parse().unwrap()
}

/// The time of a response, in whole seconds of the emulator's clock.
fn date(reply: &Reply) -> u64 {
    let date = httpdate::parse_http_date(reply.header("Date").unwrap()).unwrap();
    let since = date.duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs()
}

/// Sends requests until one is refused: those that were accepted, and the refused one.
fn until_refused(api: &Api) -> (Vec<Reply>, Reply) {
    let mut accepted = Vec::new();
    loop {
        let reply = api.get("/agents");
        if reply.status == 429 {
            return (accepted, reply);
        }
        accepted.push(reply);
        assert!(accepted.len() < 100, "nothing is refused");
    }
}

#[test]
fn without_a_limit_there_are_no_rate_headers() {
    let api = api();
    for path in ["/agents", "/agents/none", "/nowhere"] {
        let reply = api.get(path);
        for name in HEADERS {
            assert_eq!(reply.header(name), None, "{name} of {path}");
        }
    }
    assert_eq!(api.rate_limited_requests(), 0);
}

#[test]
fn a_rate_limit_refuses_until_its_window_ends() {
    let api = start(quiet().rate_limit(2, Duration::from_secs(30)));
    assert_eq!(
        api.get("/agents").header("X-RateLimit-Remaining"),
        Some("1")
    );
    assert_eq!(api.get("/agents").status, 200);
    let refused = api.get("/agents");
    assert_eq!(refused.code(), (429, "rate_limited".to_owned()));
    let wait: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait));
    api.advance_clock(Duration::from_secs(wait));
    assert_eq!(api.get("/agents").status, 200);
}

#[test]
fn each_limiter_refuses_excess_requests_and_says_when_to_retry() {
    let minute = Duration::from_secs(60);
    let limiters: [(EmulatorBuilder, u64); 3] = [
        (quiet().rate_limit(5, minute), 60),
        (quiet().token_bucket(6, minute, 5), 10),
        (quiet().sliding_log(5, minute), 60),
    ];
    for (index, (builder, wait)) in limiters.into_iter().enumerate() {
        let api = start(builder);
        let (accepted, refused) = until_refused(&api);
        let remaining: Vec<u64> = accepted
            .iter()
            .map(|reply| number(reply, HEADERS[1]))
            .collect();
        assert_eq!(remaining, [4, 3, 2, 1, 0], "limiter {index}");
        assert_eq!(refused.code(), (429, "rate_limited".to_owned()));
        assert_eq!(number(&refused, HEADERS[0]), 5);
        assert_eq!(number(&refused, HEADERS[1]), 0);
        let asked = number(&refused, "Retry-After");
        assert!(
            (wait - 1..=wait).contains(&asked),
            "limiter {index}: {asked}"
        );
        assert_eq!(api.rate_limited_requests(), 1);
        // Further requests do not postpone it.
        assert!(number(&api.get("/agents"), "Retry-After") <= asked);
        assert_eq!(api.rate_limited_requests(), 2);
        api.advance_clock(Duration::from_secs(asked));
        assert_eq!(api.get("/agents").status, 200, "limiter {index}");
        assert_eq!(api.rate_limited_requests(), 2);
    }
}

#[test]
fn the_reset_of_each_limiter_is_that_of_its_kind() {
    let minute = Duration::from_secs(60);
    // A fixed window ends a minute after its first request; a bucket is full when the tokens of
    // two requests are back; a sliding log has room when its first request is a minute old.
    for (builder, reset) in [
        (quiet().rate_limit(5, minute), 60),
        (quiet().token_bucket(6, minute, 5), 20),
        (quiet().sliding_log(5, minute), 60),
    ] {
        let api = start(builder);
        api.get("/agents");
        let second = api.get("/agents");
        let until = number(&second, HEADERS[2]) - date(&second);
        assert!(
            (reset - 1..=reset + 1).contains(&until),
            "{until} for {reset}"
        );
    }
}

#[test]
fn only_a_fixed_window_restores_all_requests_at_once() {
    let minute = Duration::from_secs(60);
    for (builder, accepted_later) in [
        (quiet().rate_limit(5, minute), 5),
        (quiet().token_bucket(6, minute, 5), 3),
        (quiet().sliding_log(5, minute), 1),
    ] {
        let api = start(builder);
        api.get("/agents");
        api.advance_clock(Duration::from_secs(30));
        until_refused(&api);
        api.advance_clock(Duration::from_secs(30));
        assert_eq!(until_refused(&api).0.len(), accepted_later);
    }
}

#[test]
fn each_api_key_has_its_own_limit() {
    let builder = quiet().scoped_key("sk_other", ["agents:read"]);
    let api = start(builder.token_bucket(1, Duration::from_secs(60), 2));
    until_refused(&api);
    let other = api.send("GET", "/agents", &[("X-Api-Key", "sk_other")], "");
    assert_eq!((other.status, number(&other, HEADERS[1])), (200, 1));
}

#[test]
fn a_fault_is_not_counted_as_a_refusal_of_the_limiter() {
    let api = start(quiet().rate_limit(9, Duration::from_secs(60)));
    api.fault(Fault::status(429));
    assert_eq!(api.get("/agents").status, 429);
    assert_eq!(api.rate_limited_requests(), 0);
}

//! An emulator that runs for days takes a bounded amount of memory.

use std::time::Duration;

use bimpeai::emulator::RecordedRequest;
use serde_json::json;

use crate::support::{api, quiet, start};

const MIB: usize = 1024 * 1024;

fn bodies(requests: &[RecordedRequest]) -> usize {
    requests.iter().map(|request| request.body.len()).sum()
}

#[test]
fn the_request_log_is_bounded_in_bytes_and_counts_dropped_requests() {
    let api = api();
    let body = "x".repeat(3_000_000);
    for _ in 0..20 {
        // Refused, and recorded all the same.
        let refused = api.send("POST", "/agents", &[("X-Api-Key", "sk_none")], &body);
        assert_eq!(refused.status, 401);
    }
    api.get("/agents?last");
    let kept = api.requests();
    assert!(bodies(&kept) <= 32 * MIB, "{} bytes", bodies(&kept));
    assert!(bodies(&kept) > 24 * MIB, "{} bytes", bodies(&kept));
    assert_eq!(kept.last().unwrap().raw_query, "last");
    assert_eq!(kept.len() as u64 + api.dropped_requests(), 21);

    api.clear_requests();
    assert_eq!((api.requests().len(), api.dropped_requests()), (0, 0));
}

#[test]
fn headers_paths_and_queries_count_towards_the_request_log() {
    let api = start(quiet().request_log_limit(100_000));
    let long = "x".repeat(4000);
    let sizes = |request: RecordedRequest| {
        let headers = request.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        request.path.len() + request.raw_query.len() + headers
    };
    for n in 0..40 {
        match n % 3 {
            0 => api.send("GET", "/agents", &[("X-Long", &long)], ""),
            1 => api.get(&format!("/{long}")),
            _ => api.get(&format!("/agents?{long}")),
        };
    }
    let kept: usize = api.requests().into_iter().map(sizes).sum();
    assert!((50_000..100_000).contains(&kept), "{kept} bytes");
    assert!(api.dropped_requests() > 10);
}

#[test]
fn a_request_larger_than_the_log_is_dropped_itself() {
    let api = start(quiet().request_log_limit(2000));
    api.get("/agents");
    api.post("/agents", json!({ "name": "x".repeat(2000) }));
    assert_eq!((api.requests().len(), api.dropped_requests()), (0, 2));
    api.get("/agents");
    assert_eq!((api.requests().len(), api.dropped_requests()), (1, 2));

    let api = start(quiet().request_log_limit(0));
    api.get("/agents");
    assert_eq!((api.requests().len(), api.dropped_requests()), (0, 1));
}

#[test]
fn unknown_keys_share_one_count_of_requests() {
    let api = start(quiet().rate_limit(9, Duration::from_secs(60)));
    let left = |key: &str| {
        let reply = api.send("GET", "/agents", &[("X-Api-Key", key)], "");
        reply.header("X-RateLimit-Remaining").unwrap().to_owned()
    };
    assert_eq!([left("sk_a"), left("sk_b"), left("sk_c")], ["8", "7", "6"]);
    assert_eq!(left(api.api_key()), "8");
}

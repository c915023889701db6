//! The feature `gzip`: what is compressed is read, what is empty is empty, and what is damaged is an
//! error.
#![cfg(feature = "gzip")]

#[path = "support/gzip.rs"]
mod gzip_support;
#[path = "../../support/mod.rs"]
mod support;

use bimpeai::agents::CreateAgent;
use bimpeai::{Client, Error};
use gzip_support::gzip;
use support::Server;

const JSON: &[u8] = br#"{"data":{"id":"abc"}}"#;

/// Writes this to every request.
fn writing(head: &str, body: impl AsRef<[u8]>) -> Server {
    let bytes = [head.as_bytes(), body.as_ref()].concat();
    Server::responding(move |connection, _, _| {
        connection.raw(&bytes);
    })
}

fn with(headers: &str, body: &[u8]) -> Server {
    let length = body.len();
    writing(
        &format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{headers}\r\n\r\n"),
        body,
    )
}

fn retrieve(server: &Server) -> Result<String, Error> {
    let client = server.builder().max_retries(0).build().unwrap();
    client.agents().retrieve("a").send().map(|agent| agent.id)
}

#[test]
fn an_empty_body_is_empty_and_not_damaged() {
    for head in [
        "HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: x-gzip\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let server = writing(head, "");
        let client = server.client();
        for method in ["DELETE", "POST", "GET"] {
            let request = client.request(method, "/x").discard_body();
            request
                .send()
                .unwrap_or_else(|error| panic!("{head}: {error}"));
        }
        client.agents().delete("a").send().unwrap();
        assert_eq!(server.requests().len(), 4, "{head}");
        assert_eq!(server.connections(), 1, "{head}");
    }
    // Until the end of the connection.
    let server = Server::start(|mut connection| {
        let _ = connection.request();
        connection.raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n");
        connection.shut();
    });
    server
        .client()
        .request("POST", "/x")
        .discard_body()
        .send()
        .unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_head_and_a_304_have_no_body_to_decompress() {
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n";
    let server = writing(head, "");
    let client = server.client();
    for _ in 0..2 {
        client.request("HEAD", "/x").discard_body().send().unwrap();
    }
    assert_eq!(server.connections(), 1);
    let server = writing(
        "HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n",
        "",
    );
    let error = retrieve(&server).unwrap_err();
    assert_eq!(error.status(), Some(304), "{error}");
}

#[test]
fn an_error_without_a_body_keeps_its_status() {
    let head = "HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n";
    let error = retrieve(&writing(head, "")).unwrap_err();
    assert_eq!(error.status(), Some(404), "{error}");
}

#[test]
fn gzip_has_several_spellings() {
    let body = gzip(JSON);
    for encoding in [
        "gzip",
        "GZIP",
        "Gzip",
        "x-gzip",
        "X-GZIP",
        "  gzip\t",
        "gzip, identity",
        "identity, x-gzip",
        ", gzip",
        "gzip\r\nContent-Encoding: identity",
    ] {
        let server = with(&format!("Content-Encoding: {encoding}"), &body);
        let client = server.client();
        let response = client.agents().retrieve("a").send_with_response();
        let response = response.unwrap_or_else(|error| panic!("{encoding}: {error}"));
        assert_eq!(response.data.id, "abc", "{encoding}");
        // What is left of the head belongs to the decompressed body.
        assert_eq!(response.headers.get("content-encoding"), None, "{encoding}");
        assert_eq!(response.headers.get("content-length"), None, "{encoding}");
        assert_eq!(server.requests()[0].header("accept-encoding"), Some("gzip"));
    }
}

#[test]
fn a_body_that_is_not_compressed_is_read_as_it_is() {
    for encoding in ["identity", "", "Identity"] {
        let server = with(&format!("Content-Encoding: {encoding}"), JSON);
        assert_eq!(retrieve(&server).unwrap(), "abc", "{encoding}");
    }
    for encoding in ["br", "zstd", "deflate", "gzip, gzip", "br, gzip"] {
        let server = with(&format!("Content-Encoding: {encoding}"), &gzip(JSON));
        let error = retrieve(&server).unwrap_err();
        assert!(
            error.to_string().contains("unexpected content encoding \""),
            "{encoding}: {error}"
        );
        assert!(!error.is_retryable(), "{encoding}: {error}");
    }
}

#[test]
fn compressed_bodies_of_every_framing_keep_the_connection() {
    let body = gzip(
        &[
            br#"{"data":{"id":"abc","name":""#,
            &[b'x'; 300_000][..],
            br#""}}"#,
        ]
        .concat(),
    );
    let mut chunked = Vec::new();
    for piece in body.chunks(100) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let server = writing(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        chunked,
    );
    let client = server.client();
    for _ in 0..3 {
        assert_eq!(
            client.agents().retrieve("a").send().unwrap().name.len(),
            300_000
        );
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn errors_are_decompressed_too() {
    let body = gzip(br#"{"message":"no such agent","code":"not_found"}"#);
    let head = format!(
        "HTTP/1.1 404 Not Found\r\nContent-Encoding: x-gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let error = retrieve(&writing(&head, body)).unwrap_err();
    assert!(error.to_string().contains("no such agent"), "{error}");
    // What there is of a damaged one does not hide the status.
    let head = "HTTP/1.1 503 Busy\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n";
    let error = retrieve(&writing(head, "{}\n")).unwrap_err();
    assert_eq!(error.status(), Some(503), "{error}");
}

#[test]
fn truncated_bodies_are_retried_and_damaged_bodies_are_not() {
    let whole = gzip(JSON);
    let create = |client: &Client| {
        let create = client.agents().create(CreateAgent::new("n"));
        create.send().map(|agent| agent.id)
    };
    for end in [1, 10, 15, whole.len() - 9, whole.len() - 1] {
        for closed in [false, true] {
            let whole = whole.clone();
            let server = Server::start(move |mut connection| {
                let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n";
                while connection.request().is_some() {
                    let body = match connection.number {
                        0 => &whole[..end],
                        _ => &whole[..],
                    };
                    // The server's own mistake, or a connection that was lost on the way.
                    let length = if closed { whole.len() } else { body.len() };
                    connection.raw(format!("{head}Content-Length: {length}\r\n\r\n"));
                    connection.raw(body);
                    if connection.number == 0 {
                        return connection.shut();
                    }
                }
            });
            assert_eq!(create(&server.client()).unwrap(), "abc", "{end} {closed}");
            assert_eq!(server.requests().len(), 2, "{end} {closed}");
        }
    }
    let mut wrong_sum = whole.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    for damaged in [
        JSON.to_vec(),
        wrong_sum,
        [&whole[..], b"more than one more header"].concat(),
    ] {
        let server = with("Content-Encoding: gzip", &damaged);
        let error = create(&server.client()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the compressed response is damaged"),
            "{error}"
        );
        assert!(
            !error.is_retryable() && error.may_have_been_sent(),
            "{error}"
        );
        assert_eq!(server.requests().len(), 1);
    }
}

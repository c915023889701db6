//! Iteration over pages: lazy, complete, without duplicates, and never endless.

mod support;

use std::collections::HashSet;
use std::time::Duration;

use bimpeai::agents::{Agent, AgentChannel, CreateAgent};
use bimpeai::emulator::Emulator;
use bimpeai::{Client, Error, ListRequest};
use serde::Deserialize;
use serde_json::Value;
use support::{Connection, Server};

const NONE: &[&str] = &[];
const TWO: &[&str] = &["a", "b"];

fn page<S: AsRef<str>>(items: &[S], current: u64, pages: u64, next: bool) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|id| format!(r#"{{"id":"{}"}}"#, id.as_ref()))
        .collect();
    format!(
        r#"{{"message":"Success","data":[{}],"meta":{{"total_count":9,"page_count":{pages},"current_page":{current},"limit":2,"has_next_page":{next},"has_previous_page":false}}}}"#,
        items.join(",")
    )
}

/// Serves `pages` pages of two items each.
fn paged(pages: u64) -> Server {
    Server::responding(move |connection, request, _| {
        let number: u64 = request.query("page").unwrap().parse().unwrap();
        let items = [format!("i{number}a"), format!("i{number}b")];
        connection.respond(200, &[], page(&items, number, pages, number < pages));
    })
}

/// Serves the given responses, whichever page is requested.
fn stuck(body: impl Fn(u64) -> String + Send + Sync + 'static) -> Server {
    Server::responding(move |connection, request, _| {
        let number: u64 = request.query("page").unwrap().parse().unwrap();
        connection.respond(200, &[], body(number));
    })
}

fn ids(items: impl IntoIterator<Item = Result<Agent, Error>>) -> Vec<String> {
    items.into_iter().map(|item| item.unwrap().id).collect()
}

#[test]
fn every_item_is_yielded_once_with_and_without_prefetch() {
    let server = paged(4);
    let wanted = ["i1a", "i1b", "i2a", "i2b", "i3a", "i3b", "i4a", "i4b"];
    for prefetch in [false, true] {
        let list = || {
            let list = server.client().agents().list().limit(2).search("x y");
            if prefetch { list.prefetch() } else { list }
        };
        assert_eq!(ids(list()), wanted);
        assert_eq!(ids(list().page(3)), wanted[4..]);
        assert_eq!(ids(list().send().unwrap()), wanted);
        let pages: Vec<_> = list().pages().map(Result::unwrap).collect();
        assert_eq!(pages.len(), 4);
        assert!(pages[0].has_next_page() && !pages[3].has_next_page());
        let second = pages[0].get_next_page().unwrap().unwrap();
        assert_eq!(second.data[0].id, "i2a");
        assert!(pages[3].get_next_page().unwrap().is_none());
    }
    for request in server.requests() {
        assert_eq!(request.query("limit"), Some("2"));
        assert_eq!(request.query("search"), Some("x%20y"));
    }
}

#[test]
fn nothing_is_fetched_before_it_is_needed() {
    let server = paged(4);
    let mut items = server.client().agents().list().into_iter();
    assert!(server.requests().is_empty());
    items.next().unwrap().unwrap();
    items.next().unwrap().unwrap();
    assert_eq!(server.requests().len(), 1);
    items.next().unwrap().unwrap();
    assert_eq!(server.requests().len(), 2);
}

/// Iterates to the end. Returns the number of items before the error, and the error.
fn end_of_iteration(client: &Client, prefetch: bool) -> (usize, Error) {
    let list = client.agents().list();
    let mut items = if prefetch { list.prefetch() } else { list }.into_iter();
    for count in 0..10_000 {
        match items.next() {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert!(items.next().is_none() && items.next().is_none(), "fused");
                return (count, error);
            }
            None => panic!("ended after {count} items as if it were complete"),
        }
    }
    panic!("no end");
}

#[test]
fn a_server_that_repeats_or_miscounts_pages_ends_in_an_error() {
    type Body = fn(u64) -> String;
    // The response to each page; items and requests until the error; a part of its line.
    let cases: &[(Body, usize, usize, &str)] = &[
        (
            |_| page(TWO, 1, 0, true),
            2,
            2,
            "requested page 2, got page 1 of 0",
        ),
        (
            |_| page(TWO, 1, 3, true),
            2,
            2,
            "requested page 2, got page 1 of 3",
        ),
        (
            |n| page(TWO, 1, 3, n == 1),
            2,
            2,
            "requested page 2, got page 1 of 3",
        ),
        (|_| page(TWO, 0, 3, true), 0, 1, "the page has no number"),
        (
            |n| page(TWO, n - 1, 3, true),
            0,
            1,
            "the page has no number",
        ),
        (
            |_| page(TWO, 2, 3, true),
            0,
            1,
            "requested page 1, got page 2 of 3",
        ),
        (
            |n| page(TWO, 2 * n - 1, 3, n == 1),
            2,
            2,
            "requested page 2, got page 3 of 3",
        ),
        (
            |_| page(TWO, u64::MAX, 0, true),
            0,
            1,
            "requested page 1, got page 18446744073709551615",
        ),
        (|n| page(TWO, n, 3, true), 2, 4, "got page 4 of 3"),
        // The page number is correct, but the items are those of the previous page.
        (
            |n| page(TWO, n, 0, true),
            2,
            12,
            "11 pages in a row had no new items",
        ),
        (
            |n| page(NONE, n, 0, true),
            0,
            11,
            "11 pages in a row had no new items",
        ),
    ];
    for (body, items, requests, line) in cases {
        for prefetch in [false, true] {
            let server = stuck(*body);
            let (count, error) = end_of_iteration(&server.client(), prefetch);
            assert!(error.to_string().contains(line), "{error}");
            assert!(matches!(error, Error::Decode(_)), "{error}");
            assert_eq!(error.status(), Some(200));
            assert_eq!(
                (count, server.requests().len()),
                (*items, *requests),
                "{line}"
            );
        }
    }
}

#[test]
fn the_highest_page_number_is_not_exceeded() {
    let server = stuck(|number| page(&["a"], number, 0, true));
    let error = server.client().agents().list().page(u64::MAX).send();
    let line = error.unwrap_err().to_string();
    assert!(
        line.contains("got page 18446744073709551615, the highest number"),
        "{line}"
    );
}

#[test]
fn a_list_that_became_shorter_ends_without_an_error() {
    // Asked for page 2, the server returns its last page, which now is the first one.
    let server = stuck(|number| page(&["a"], 1, if number == 1 { 2 } else { 1 }, number == 1));
    assert_eq!(ids(server.client().agents().list()), ["a"]);
    // A page beyond the last is empty, and says so.
    let server = stuck(|number| page(NONE, number, 3, false));
    assert!(ids(server.client().agents().list().page(99)).is_empty());
    // The last page of a list need not have a number.
    let server = stuck(|_| page(&["a"], 0, 1, false));
    assert_eq!(ids(server.client().agents().list()), ["a"]);
    // Some servers take page 0 for page 1.
    let server = stuck(|_| page(&["a"], 1, 1, false));
    assert_eq!(ids(server.client().agents().list().page(0)), ["a"]);
}

/// Serves these pages of ids, each as JSON.
fn listed(pages: &'static [&'static [&'static str]]) -> Server {
    Server::responding(move |connection, request, _| {
        let number: usize = request.query("page").unwrap().parse().unwrap();
        let items = pages[number - 1]
            .iter()
            .map(|id| format!(r#"{{"id":{id}}}"#));
        let meta = format!(
            r#"{{"current_page":{number},"has_next_page":{}}}"#,
            number < pages.len()
        );
        let data = items.collect::<Vec<_>>().join(",");
        connection.respond(200, &[], format!(r#"{{"data":[{data}],"meta":{meta}}}"#));
    })
}

/// The ids that each way to iterate over a list yields.
fn ways(list: impl Fn() -> ListRequest<Agent>) -> [Vec<String>; 6] {
    let of_pages = |list: ListRequest<Agent>| {
        let pages = list.pages().map(Result::unwrap);
        pages
            .flat_map(|page| page.data)
            .map(|agent| agent.id)
            .collect()
    };
    let mut by_hand = Vec::new();
    let mut next = Some(list().send().unwrap());
    while let Some(page) = next {
        by_hand.extend(page.data.iter().map(|agent| agent.id.clone()));
        next = page.get_next_page().unwrap();
    }
    [
        ids(list()),
        ids(list().prefetch()),
        of_pages(list()),
        of_pages(list().prefetch()),
        ids(list().send().unwrap()),
        by_hand,
    ]
}

#[test]
fn an_item_of_the_previous_page_is_not_yielded_again() {
    let cases: &[(&'static [&'static [&'static str]], &[&str])] = &[
        // One, then two new items before the list.
        (
            &[
                &[r#""e""#, r#""d""#],
                &[r#""d""#, r#""c""#],
                &[r#""d""#, r#""c""#],
                &[r#""b""#, r#""a""#],
            ],
            &["e", "d", "c", "b", "a"],
        ),
        // With pages of one item, an entire page may be a duplicate, several times in a row.
        (
            &[&[r#""b""#], &[r#""b""#], &[r#""b""#], &[r#""a""#]],
            &["b", "a"],
        ),
        (&[&[r#""b""#, r#""a""#], &[r#""a""#]], &["b", "a"]),
        // A number and its text are one id.
        (&[&["1", "2"], &[r#""2""#, "3"]], &["1", "2", "3"]),
        // Items with an empty id are different items.
        (
            &[&[r#""""#, r#""a""#], &[r#""""#, r#""b""#]],
            &["", "a", "", "b"],
        ),
        // Duplicates within one page are kept; only pages are compared.
        (&[&[r#""a""#, r#""a""#], &[r#""b""#]], &["a", "a", "b"]),
        // Only the previous page is remembered.
        (&[&[r#""a""#], &[r#""b""#], &[r#""a""#]], &["a", "b", "a"]),
    ];
    for (pages, expected) in cases {
        let server = listed(pages);
        for (way, yielded) in ways(|| server.client().agents().list()).iter().enumerate() {
            assert_eq!(yielded, expected, "way {way}");
        }
    }
}

#[test]
fn data_taken_out_of_a_page_is_still_compared_with_the_next_one() {
    let server = listed(&[&[r#""a""#, r#""b""#], &[r#""b""#, r#""c""#]]);
    let mut pages = server.client().agents().list().pages();
    let mut first = pages.next().unwrap().unwrap();
    first.data.clear();
    let second = pages.next().unwrap().unwrap();
    assert_eq!(second.data.len(), 1);
    assert_eq!(second.data[0].id, "c");
}

fn with_agents(count: usize) -> (Emulator, Client) {
    let emulator = Emulator::start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    for number in 0..count {
        create(&client, number);
    }
    (emulator, client)
}

fn create(client: &Client, number: usize) -> String {
    let body = CreateAgent::new(format!("Agent {number}"));
    client.agents().create(body).send().unwrap().id
}

#[test]
fn all_items_can_be_deleted_once_they_are_collected() {
    let (_emulator, client) = with_agents(45);
    let list = client.agents().list().limit(20);
    for agent in list.all().unwrap() {
        client.agents().delete(agent.id).send().unwrap();
    }
    assert!(list.all().unwrap().is_empty());
}

#[test]
fn creating_while_listing_yields_every_item_once() {
    let (_emulator, client) = with_agents(9);
    let there = client.agents().list().all().unwrap();
    let there: HashSet<String> = there.into_iter().map(|agent| agent.id).collect();
    let mut yielded = Vec::new();
    let list = client.agents().list().sort("-created_at").limit(2);
    for (number, agent) in list.into_iter().take(50).enumerate() {
        yielded.push(agent.unwrap().id);
        create(&client, 100 + number);
    }
    let different: HashSet<String> = yielded.iter().cloned().collect();
    assert_eq!(different.len(), yielded.len(), "{yielded:?}");
    assert!(there.is_subset(&different), "none is missing");
}

#[test]
fn first_and_find_fetch_no_more_than_they_need() {
    let server = paged(4);
    let list = server.client().agents().list();
    assert_eq!(list.first().unwrap().unwrap().id, "i1a");
    assert_eq!(
        list.clone()
            .limit(7)
            .prefetch()
            .first()
            .unwrap()
            .unwrap()
            .id,
        "i1a"
    );
    assert_eq!(list.clone().page(2).first().unwrap().unwrap().id, "i2a");
    let limits = |server: &Server| -> Vec<_> {
        let requests = server.take_requests();
        let limit = |request: &support::Request| request.query("limit").map(str::to_owned);
        requests.iter().map(limit).collect()
    };
    assert_eq!(
        limits(&server),
        [Some("1".to_owned()), Some("7".to_owned()), None]
    );

    let found = list.find(|agent| agent.id == "i2b").unwrap().unwrap();
    assert_eq!(found.id, "i2b");
    assert_eq!(limits(&server), [None, None]);
    assert!(list.find(|agent| agent.id == "x").unwrap().is_none());
    assert_eq!(list.page(3).all().unwrap().len(), 4);

    let server = stuck(|_| page(NONE, 1, 1, false));
    let empty = server.client().agents().list();
    assert!(empty.first().unwrap().is_none());
    assert!(empty.find(|_| true).unwrap().is_none());
    assert!(empty.all().unwrap().is_empty());
}

#[test]
fn an_error_in_mid_iteration_names_the_page() {
    type Fail = fn(&mut Connection);
    let failures: &[Fail] = &[
        |connection| {
            connection.respond(404, &[], r#"{"message":"gone"}"#);
        },
        |connection| {
            connection.respond(503, &["X-Request-Id: r_1"], "");
        },
        |connection| {
            connection.respond(200, &[], r#"{"data":[{"id":null}]}"#);
        },
        |connection| {
            connection.respond(200, &[], r#"{"data":null}"#);
        },
        |connection| connection.shut(),
        |_| {},
    ];
    for fail in failures {
        for prefetch in [false, true] {
            let fail = *fail;
            let server = Server::responding(move |connection, request, _| {
                match request.query("page").unwrap() {
                    "3" => fail(connection),
                    number => {
                        let number = number.parse().unwrap();
                        connection.respond(
                            200,
                            &[],
                            page(&[format!("i{number}")], number, 9, true),
                        );
                    }
                }
            });
            let builder = server
                .builder()
                .max_retries(0)
                .timeout(Duration::from_millis(300));
            let (count, error) = end_of_iteration(&builder.build().unwrap(), prefetch);
            assert_eq!(count, 2);
            assert_eq!(error.operation(), Some("GET /agents"));
            let line = error.to_string();
            assert!(line.contains("(page 3"), "{line}");
            assert_eq!(line.matches("page 3").count(), 1, "{line}");
        }
    }
}

#[test]
fn an_error_of_the_first_page_does_not_name_a_page() {
    let server = Server::responding(|connection, _, _| {
        connection.respond(404, &[], "{}");
    });
    let agents = server.client().agents();
    for error in [
        agents.list().send().unwrap_err(),
        agents.retrieve("a").send().unwrap_err(),
    ] {
        assert!(!error.to_string().contains("page"), "{error}");
    }
    let line = agents.list().page(7).send().unwrap_err().to_string();
    assert!(line.contains("(page 7, request "), "{line}");
}

/// The values of a header, page by page.
fn sent(server: &Server, name: &str) -> Vec<Option<String>> {
    let requests = server.take_requests();
    let value = |request: &support::Request| request.header(name).map(str::to_owned);
    requests.iter().map(value).collect()
}

#[test]
fn each_page_has_its_own_request_id() {
    let server = paged(3);
    let named = |id: &str| server.client().agents().list().request_id(id);
    for list in [
        named("mine"),
        named("mine").prefetch(),
        server
            .client()
            .agents()
            .list()
            .header("X-Request-ID", "mine"),
    ] {
        list.all().unwrap();
        let ids = sent(&server, "x-request-id").into_iter().flatten();
        assert_eq!(ids.collect::<Vec<_>>(), ["mine", "mine-2", "mine-3"]);
    }
    let page = named("mine").page(2).send().unwrap();
    assert_eq!(page.request_id.as_deref(), Some("mine"));
    page.get_next_page().unwrap();
    assert_eq!(sent(&server, "x-request-id")[1].as_deref(), Some("mine-3"));

    // Ids of the maximum length, and empty ids.
    let longest = "x".repeat(255);
    for list in [named(&longest), server.client().agents().list()] {
        list.all().unwrap();
        let ids: HashSet<_> = sent(&server, "x-request-id")
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.iter().all(|id| id.len() <= 255));
    }
    let refused = server
        .client()
        .agents()
        .list()
        .request_id("two words")
        .all();
    assert!(matches!(refused, Err(Error::User(_))));
    assert!(server.requests().is_empty());
}

#[test]
fn all_attempts_for_one_page_have_one_request_id() {
    let server = Server::responding(|connection, request, number| {
        let page_number = request.query("page").unwrap().parse().unwrap();
        match number {
            1 => connection.respond(503, &["Retry-After: 0.01"], ""),
            _ => connection.respond(200, &[], page(NONE, page_number, 2, page_number < 2)),
        };
    });
    server
        .client()
        .agents()
        .list()
        .request_id("mine")
        .all()
        .unwrap();
    let ids: Vec<_> = sent(&server, "x-request-id")
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(ids, ["mine", "mine-2", "mine-2"]);
}

#[test]
fn a_list_has_no_idempotency_key() {
    let server = paged(2);
    server.client().agents().list().all().unwrap();
    assert_eq!(sent(&server, "idempotency-key"), [None, None]);
    let refused = server
        .client()
        .agents()
        .list()
        .header("idempotency-KEY", "k")
        .send();
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::User(_)), "{error}");
    assert!(error.to_string().contains("Idempotency-Key"), "{error}");
    assert!(server.requests().is_empty());
}

#[test]
fn a_list_that_is_not_paginated_iterates_too() {
    let server = Server::responding(|connection, _, _| {
        connection.data(r#"[{"id":"c1"},{"id":"c2"},{"id":"c2"}]"#);
    });
    let list = || server.client().agents().channels().list("a");
    let mut ids = Vec::new();
    for channel in list() {
        let channel: AgentChannel = channel.unwrap();
        ids.push(channel.id);
    }
    assert_eq!(ids, ["c1", "c2", "c2"]);
    let requests = server.take_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].target, "/api/v1/console/agents/a/channels");

    // It is sent when the first item is needed, and once.
    let mut items = list().into_iter();
    assert!(server.requests().is_empty());
    assert_eq!(items.by_ref().count(), 3);
    assert!(items.next().is_none());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn the_error_of_a_list_that_is_not_paginated_is_its_only_item() {
    let server = Server::responding(|connection, _, _| {
        connection.respond(404, &[], "{}");
    });
    let mut items = server.client().agents().channels().list("a").into_iter();
    assert_eq!(items.next().unwrap().unwrap_err().status(), Some(404));
    assert!(items.next().is_none() && items.next().is_none());
    let mut refused = server.client().agents().channels().list("..").into_iter();
    assert!(matches!(refused.next(), Some(Err(Error::User(_)))));
    assert!(refused.next().is_none());
    assert_eq!(server.requests().len(), 1);
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
}

#[test]
fn a_request_for_any_list_iterates_over_all_its_pages() {
    let server = Server::responding(|connection, request, _| {
        let number: u64 = request.query("page").unwrap_or("1").parse().unwrap();
        let items = [format!("i{number}")];
        connection.respond(200, &[], page(&items, number, 3, number < 3));
    });
    let things = || {
        server
            .client()
            .request("GET", "/things")
            .query("kind", "x y")
    };
    let typed = things().request_id("mine").decode_as::<Vec<Named>>();
    let ids: Vec<_> = typed.into_iter().map(|item| item.unwrap().id).collect();
    assert_eq!(ids, ["i1", "i2", "i3"]);
    let requests = server.take_requests();
    let targets: Vec<_> = requests.iter().map(|request| &*request.target).collect();
    assert_eq!(
        targets,
        [
            "/api/v1/console/things?kind=x%20y",
            "/api/v1/console/things?page=2&kind=x%20y",
            "/api/v1/console/things?page=3&kind=x%20y",
        ]
    );
    let ids: Vec<_> = requests
        .iter()
        .filter_map(|r| r.header("x-request-id"))
        .collect();
    assert_eq!(ids, ["mine", "mine-2", "mine-3"]);
    let from = things().query("page", 2).decode_as::<Vec<Value>>();
    assert_eq!(from.into_iter().map(Result::unwrap).count(), 2);
    // `send` makes one call, as for other requests.
    assert_eq!(things().decode_as::<Vec<Value>>().send().unwrap().len(), 1);
    // Items without ids, or with equal ones, are all yielded.
    let server = stuck_at_any(r#"[1,{"id":null},{"id":"a"},{"id":"a"}]"#);
    let list = server
        .client()
        .request("GET", "/things")
        .decode_as::<Vec<Value>>();
    assert_eq!(list.into_iter().map(Result::unwrap).count(), 8);
}

#[test]
fn a_query_parameter_that_is_set_twice_is_sent_twice_on_every_page() {
    let server = paged(4);
    let tagged = || {
        let things = server.client().request("GET", "/things");
        things.query("tag", "a").query("page", 2).query("tag", "b")
    };
    tagged().send().unwrap();
    let list = tagged().query("page", 3).decode_as::<Vec<Value>>();
    assert_eq!(list.into_iter().map(Result::unwrap).count(), 4);
    let requests = server.requests();
    let targets = requests.iter().map(|request| &*request.target);
    let queries: Vec<_> = targets
        .filter_map(|target| target.strip_prefix("/api/v1/console/things?"))
        .collect();
    // A list starts at the last page that is named.
    assert_eq!(
        queries,
        [
            "tag=a&page=2&tag=b",
            "page=3&tag=a&tag=b",
            "page=4&tag=a&tag=b"
        ]
    );
}

/// Serves two pages with the same data.
fn stuck_at_any(data: &'static str) -> Server {
    Server::responding(move |connection, request, _| {
        let number = request.query("page").unwrap_or("1");
        let next = number == "1";
        let meta = format!(r#"{{"current_page":{number},"has_next_page":{next}}}"#);
        connection.respond(200, &[], format!(r#"{{"data":{data},"meta":{meta}}}"#));
    })
}

#[test]
fn only_get_requests_are_paginated() {
    let server = Server::responding(|connection, _, _| {
        connection.respond(200, &[], page(&["a"], 1, 2, true));
    });
    let client = server.client();
    let search = client.request("POST", "/search").decode_as::<Vec<Value>>();
    assert_eq!(search.into_iter().map(Result::unwrap).count(), 1);
    let bytes = client.request("GET", "/things").raw();
    let bytes: Vec<u8> = bytes.into_iter().map(Result::unwrap).collect();
    assert!(bytes.starts_with(b"{"));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn malformed_meta_is_ignored_on_unpaginated_lists() {
    for meta in [
        "[]",
        "\"x\"",
        "7",
        r#"{"current_page":"x","has_next_page":[]}"#,
    ] {
        let server = Server::responding(move |connection, _, _| {
            connection.respond(
                200,
                &[],
                format!(r#"{{"data":[{{"id":"a"}}],"meta":{meta}}}"#),
            );
        });
        let list = server.client().agents().channels().list("a");
        assert_eq!(list.into_iter().map(Result::unwrap).count(), 1, "{meta}");
    }
}

#[test]
fn a_few_empty_pages_do_not_end_an_iteration() {
    let server = stuck(|number| {
        let items = if number % 5 == 0 {
            vec![format!("i{number}")]
        } else {
            Vec::new()
        };
        page(&items, number, 20, number < 20)
    });
    assert_eq!(
        ids(server.client().agents().list()),
        ["i5", "i10", "i15", "i20"]
    );
}

#[test]
fn a_list_without_meta_is_its_only_page() {
    for meta in ["", r#","meta":null"#, r#","meta":{}"#] {
        let body = format!(r#"{{"message":"Success","data":[{{"id":"a"}}]{meta}}}"#);
        let server = stuck(move |_| body.clone());
        let page = server.client().agents().list().send().unwrap();
        assert!(!page.has_next_page(), "{meta}");
        assert_eq!(ids(page), ["a"]);
    }
}

#[test]
fn a_failed_page_is_the_last_item() {
    for prefetch in [false, true] {
        let server = Server::responding(|connection, request, _| {
            if request.query("page") == Some("1") {
                connection.respond(200, &[], page(&["a"], 1, 5, true));
            } else {
                connection.respond(404, &[], "{}");
            }
        });
        let list = server.client().agents().list();
        let mut items = if prefetch { list.prefetch() } else { list }.into_iter();
        assert_eq!(items.next().unwrap().unwrap().id, "a");
        assert_eq!(items.next().unwrap().unwrap_err().status(), Some(404));
        assert!(items.next().is_none());
        assert!(items.next().is_none());
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn prefetch_is_one_page_ahead_and_stops_when_the_iterator_is_dropped() {
    let server = paged(50);
    let mut items = server.client().agents().list().prefetch().into_iter();
    items.next().unwrap().unwrap();
    support::eventually("the second page is fetched", || {
        server.requests().len() == 2
    });
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(server.requests().len(), 2);
    drop(items);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(server.requests().len() <= 3);
}

#[test]
fn a_list_is_sent_and_iterated_over_from_another_thread() {
    fn is_send<T: Send + 'static>(value: T) -> T {
        value
    }
    let server = paged(2);
    let list = is_send(server.client().agents().list());
    let thread = std::thread::spawn(move || ids(is_send(list.into_iter())));
    assert_eq!(thread.join().unwrap().len(), 4);
}

#[test]
fn a_filter_that_is_set_twice_is_sent_once() {
    let server = paged(1);
    let agents = server.client().agents().list();
    let agents = agents.limit(1).search("a").limit(2).search("b").page(1);
    agents.send().unwrap();
    let requests = server.requests();
    let query = requests[0].target.split_once('?').expect("a query").1;
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["limit=2", "page=1", "search=b"]);
}

#[test]
fn a_dropped_iterator_ends_the_retries_of_the_next_page() {
    let (closed, is_closed) = std::sync::mpsc::channel();
    let server = Server::start(move |mut connection| {
        while let Some(request) = connection.request() {
            match request.query("page") {
                Some("2") => connection.respond(503, &["Retry-After: 0.05"], ""),
                _ => connection.respond(200, &[], page(TWO, 1, 2, true)),
            };
        }
        closed.send(()).unwrap();
    });
    // The iterator has the only client, so that its connection closes with it.
    let client = server.builder().max_retries(1_000).build().unwrap();
    let mut agents = client.agents().list().prefetch().into_iter();
    drop(client);
    assert_eq!(agents.next().unwrap().unwrap().id, "a");
    support::eventually("three requests", || server.requests().len() >= 3);
    drop(agents);
    let limit = Duration::from_secs(10);
    is_closed
        .recv_timeout(limit)
        .expect("the end of the retries");
}

#[test]
fn debug_names_the_kind() {
    let server = paged(2);
    let list = server.client().agents().list();
    let page = list.clone().send().unwrap();
    assert!(format!("{page:?}").contains("Page"));
    assert!(format!("{list:?}").contains("GET /agents"));
    assert!(format!("{:?}", list.clone().pages()).contains("Pages"));
    assert!(format!("{:?}", list.into_iter()).contains("Items"));
}

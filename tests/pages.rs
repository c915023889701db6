//! Walks over pages: lazy, complete, and never for ever.

mod support;

use bimpeai::agents::Agent;
use bimpeai::{Client, Error};
use support::Server;

fn page(items: &[String], current: u64, pages: u64, next: bool) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|id| format!(r#"{{"id":"{id}"}}"#))
        .collect();
    format!(
        r#"{{"message":"Success","data":[{}],"meta":{{"total_count":9,"page_count":{pages},"current_page":{current},"limit":2,"has_next_page":{next},"has_previous_page":false}}}}"#,
        items.join(",")
    )
}

/// Serves `pages` pages of two items each.
fn paged(pages: u64) -> Server {
    Server::answering(move |connection, request, _| {
        let number: u64 = request.query("page").unwrap().parse().unwrap();
        let items = [format!("i{number}a"), format!("i{number}b")];
        connection.answer(200, &[], page(&items, number, pages, number < pages));
    })
}

/// Serves whatever it is told, whichever page is asked for.
fn stuck(body: impl Fn(u64) -> String + Send + Sync + 'static) -> Server {
    Server::answering(move |connection, request, _| {
        let number: u64 = request.query("page").unwrap().parse().unwrap();
        connection.answer(200, &[], body(number));
    })
}

fn ids(items: impl IntoIterator<Item = Result<Agent, Error>>) -> Vec<String> {
    items.into_iter().map(|item| item.unwrap().id).collect()
}

#[test]
fn a_walk_gives_every_item_once_with_and_without_prefetch() {
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

/// Walks to the end and gives the error that it ended with.
fn end_of_walk(client: &Client, prefetch: bool) -> (usize, String) {
    let list = client.agents().list();
    let mut items = if prefetch { list.prefetch() } else { list }.into_iter();
    for count in 0..10_000 {
        match items.next() {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert!(matches!(error, Error::Decode(_)), "{error}");
                assert_eq!(error.status(), Some(200));
                assert!(items.next().is_none() && items.next().is_none(), "fused");
                return (count, error.to_string());
            }
            None => panic!("ended after {count} as if it were whole"),
        }
    }
    panic!("no end");
}

#[test]
fn item_20_a_server_that_repeats_a_page_is_found_out() {
    let two = ["a".to_owned(), "b".to_owned()];
    for prefetch in [false, true] {
        let items = two.clone();
        let server = stuck(move |_| page(&items, 1, 0, true));
        let (count, line) = end_of_walk(&server.client(), prefetch);
        assert_eq!((count, server.requests().len()), (2, 2));
        assert!(
            line.contains("page 1 of 0 came when page 2 was asked for"),
            "{line}"
        );

        let server = stuck(move |number| page(&[], number, 0, true));
        let (count, line) = end_of_walk(&server.client(), prefetch);
        assert_eq!((count, server.requests().len()), (0, 11));
        assert!(line.contains("11 empty pages came in a row"), "{line}");

        let items = two.clone();
        let server = stuck(move |number| page(&items, number, 3, true));
        let (count, line) = end_of_walk(&server.client(), prefetch);
        assert_eq!((count, server.requests().len()), (6, 4));
        assert!(line.contains("page 4 of 3"), "{line}");

        let items = two.clone();
        let server = stuck(move |_| page(&items, u64::MAX, 0, true));
        let (count, line) = end_of_walk(&server.client(), prefetch);
        assert_eq!((count, server.requests().len()), (0, 1));
        assert!(line.contains("the last number that there is"), "{line}");
    }
}

#[test]
fn a_few_empty_pages_are_walked_over() {
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
fn a_failed_page_is_the_last_item_of_a_walk() {
    for prefetch in [false, true] {
        let server = Server::answering(|connection, request, _| {
            if request.query("page") == Some("1") {
                connection.answer(200, &[], page(&["a".to_owned()], 1, 5, true));
            } else {
                connection.answer(404, &[], "{}");
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
fn a_list_is_sent_and_walked_from_another_thread() {
    fn is_send<T: Send + 'static>(value: T) -> T {
        value
    }
    let server = paged(2);
    let list = is_send(server.client().agents().list());
    let walk = std::thread::spawn(move || ids(is_send(list.into_iter())));
    assert_eq!(walk.join().unwrap().len(), 4);
}

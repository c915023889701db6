//! Which API keys are accepted, and what the refusal of the others says.

mod support;

use bimpeai::{Client, Error};
use support::{Server, retrieve};

#[track_caller]
fn refusal(key: &str) -> String {
    let printed = format!("{:?}", Client::builder(key));
    match Client::new(key) {
        Err(error @ Error::User(_)) => format!("{error} {error:?} {printed}"),
        other => panic!("{key:?}: {other:?}"),
    }
}

#[test]
fn text_around_an_api_key_is_refused_and_never_shown() {
    const SPACE: &str = "starts or ends with whitespace or a line end";
    const QUOTES: &str = "has quotes around or in it; remove them";
    const NAME: &str = "starts with a name, as in NAME=sk_…; use the API key alone";
    const COMMAND: &str = "starts with a shell command such as `export`";
    const ESCAPE: &str = "has an escape such as \\n in it";
    const BEARER: &str = "starts with \"Bearer\" or the name of the header";
    const VARIABLE: &str = "is a placeholder or a variable that was not expanded";
    for (key, says) in [
        ("", "is empty"),
        ("sk_canary\n", SPACE),
        ("sk_canary\r\n", SPACE),
        (" sk_canary", SPACE),
        ("\u{a0}sk_canary", SPACE),
        ("   ", SPACE),
        ("\"sk_canary\"\n", SPACE),
        ("\"sk_canary\"", QUOTES),
        ("'sk_canary'", QUOTES),
        ("`sk_canary`", QUOTES),
        ("“sk_canary”", QUOTES),
        ("\"sk_canary", QUOTES),
        ("sk_canary'", QUOTES),
        ("\"\"", QUOTES),
        ("BIMPEAI_API_KEY=sk_canary", NAME),
        ("BIMPEAI_API_KEY=\"sk_canary\"", NAME),
        ("bimpeai_api_key='sk_canary'", NAME),
        ("BIMPEAI_API_KEY = sk_canary", NAME),
        ("BIMPEAI_API_KEY: sk_canary", NAME),
        ("key:sk_canary", NAME),
        ("x=sk_canary", NAME),
        ("API_TOKEN=canary", NAME),
        ("export BIMPEAI_API_KEY=sk_canary", COMMAND),
        ("export BIMPEAI_API_KEY=\"sk_canary\"", COMMAND),
        ("set BIMPEAI_API_KEY=sk_canary", COMMAND),
        ("sk_canary\\n", ESCAPE),
        ("sk_canary\\r\\n", ESCAPE),
        ("sk_ca\\tnary", ESCAPE),
        ("sk_canary\\u000a", ESCAPE),
        ("sk_canary%0A", ESCAPE),
        ("\u{feff}sk_canary", "has a byte order mark in it"),
        ("\u{feff}\"sk_canary\"", "has a byte order mark in it"),
        ("sk_ca\nnary", "a control character, such as a line end"),
        ("sk_ca\0nary", "a control character"),
        ("sk_ca nary", "has whitespace in it"),
        ("sk_cänary", "not ASCII"),
        ("sk_canary\u{200b}", "not ASCII"),
        ("Bearer_sk_canary", BEARER),
        ("Bearer sk_canary", BEARER),
        ("bearer sk_canary", BEARER),
        ("Authorization: Bearer sk_canary", BEARER),
        ("$BIMPEAI_API_KEY", VARIABLE),
        ("${BIMPEAI_API_KEY}", VARIABLE),
        ("%BIMPEAI_API_KEY%", VARIABLE),
        ("<canary>", VARIABLE),
        ("{{canary}}", VARIABLE),
        ("sk_canary,", "ends with a comma or semicolon"),
        ("sk_canary;", "ends with a comma or semicolon"),
        (&"canary".repeat(1_000), "is longer than any API key"),
    ] {
        let line = refusal(key);
        assert!(line.starts_with("the API key "), "{key:?}: {line}");
        assert!(line.contains(says), "{key:?}: {line}");
        assert!(
            !line.contains("nary") && !line.contains("_API_KEY}"),
            "{line}"
        );
    }
}

#[test]
fn a_key_of_any_other_form_is_sent_as_it_is() {
    let server = Server::responding(|connection, _, _| {
        connection.data(r#"{"id":"a"}"#);
    });
    for key in [
        "sk_test_0123456789abcdef",
        "sk_live_AZaz09-._~+/==",
        "sk_a=b",
        "YWJjZGVmZ2hpamts==",
        "bm9rZXk=",
        "nokey=",
        "user:password",
        "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
        "x",
    ] {
        retrieve(Client::builder(key).base_url(server.url())).unwrap();
        let sent = server.take_requests().remove(0);
        assert_eq!(
            sent.header("authorization"),
            Some(&*format!("Bearer {key}"))
        );
    }
}

//! What keeps the key of a step in use, and what leaves no trace.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use bimpeai::Client;
use bimpeai::agents::CreateAgent;
use bimpeai::batch::{Reconciled, RowError, Shard};

use crate::fake::{Act, Fake, Folder, batch, make, rows, run};
use crate::support::Server;

/// Longer than the default window, whatever the clock of a busy machine does.
const LONG_AGO: Duration = Duration::from_secs(25 * 3600);

#[test]
fn a_step_that_two_processes_began_differently_is_in_doubt_at_once() {
    let folder = Folder::new();
    let api = Fake::new(|_, number| match number {
        0 => Act::Lose,
        _ => Act::Serve,
    });
    let client = api.client();
    run(batch(&folder), &client, 1);
    // Another process has counted one refusal more.
    let own = std::fs::read_to_string(folder.path().join("0-of-1.jsonl")).unwrap();
    let other = own.replace("\"try\":0", "\"try\":1");
    assert_ne!(own, other);
    std::fs::write(folder.path().join("1-of-2.jsonl"), other).unwrap();
    let report = run(batch(&folder), &client, 1);
    assert_eq!((report.in_doubt, api.keys().len()), (1, 1), "{report}");
    let message = &report.problems[0].message;
    let expected = "step \"agent\" (POST /agents) was started by two processes that disagree";
    assert!(message.starts_with(expected), "{message}");
    let plan = batch(&folder).plan(rows(1), String::clone).unwrap();
    assert_eq!(plan.in_doubt, 1);
    let not_done = batch(&folder).reconcile(|_| Reconciled::NotDone);
    assert_eq!(run(not_done, &client, 1).exit_code(), 0);
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    for (minutes, in_doubt) in [(4, 0), (6, 1)] {
        let folder = Folder::new();
        let api = Fake::new(|_, number| match number {
            0 => Act::Lose,
            _ => Act::Serve,
        });
        let client = api.client();
        run(batch(&folder), &client, 1);
        // Started by a process whose clock is ahead.
        let path = folder.path().join("0-of-1.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        let start = text.find("\"at\":").unwrap() + 5;
        let end = start + text[start..].find('}').unwrap();
        let later = UNIX_EPOCH.elapsed().unwrap() + Duration::from_secs(60 * minutes);
        let text = format!("{}{}{}", &text[..start], later.as_millis(), &text[end..]);
        std::fs::write(path, text).unwrap();
        let report = run(batch(&folder), &client, 1);
        assert_eq!(report.in_doubt, in_doubt, "{minutes} minutes: {report}");
        assert_eq!(report.finished, 1 - in_doubt);
    }
}

#[test]
fn a_step_waits_as_long_as_a_day_if_the_server_asks_for_that() {
    for (hours, is_waited_for) in [(2, true), (23, true), (25, false)] {
        let folder = Folder::new();
        let retry_after = format!("Retry-After: {}", hours * 3600);
        let api = Server::responding(move |connection, _, _| {
            connection.respond(503, &[&retry_after], "{}");
        });
        let waits = Arc::new(Mutex::new(Vec::new()));
        let (seen, client) = (waits.clone(), Arc::new(OnceLock::<Client>::new()));
        let shut_down = client.clone();
        let built = api.builder().on_attempt(move |attempt| {
            seen.lock().unwrap().push(attempt.next_wait());
            shut_down.get().unwrap().shutdown();
        });
        let client = client.get_or_init(|| built.build().unwrap());
        run(batch(&folder).threads(1), client, 1);
        let expected = is_waited_for.then_some(Duration::from_secs(hours * 3600));
        assert_eq!(*waits.lock().unwrap(), [expected], "{hours} h");
    }
}

#[test]
fn a_later_attempt_that_was_surely_not_performed_does_not_free_the_key() {
    let folder = Folder::new();
    let api = Fake::new(|_, number| match number {
        0 => Act::Lose,
        1 => Act::Refuse(429, ""),
        _ => Act::Serve,
    });
    let client = api.client();
    for _ in 0..2 {
        assert_eq!(run(batch(&folder), &client, 1).failed_rows(), 1);
    }
    assert_eq!((folder.count("started"), folder.count("void")), (1, 0));
    folder.age(LONG_AGO);
    assert_eq!(run(batch(&folder), &client, 1).in_doubt, 1);
}

#[test]
fn a_row_is_reported_by_its_first_failure_unless_a_later_step_is_in_doubt() {
    let folder = Folder::new();
    let api = Fake::new(|request, _| match request.text().contains("first") {
        true => Act::Refuse(429, ""),
        false => Act::Lose,
    });
    let client = api.client();
    let both = || {
        let result = batch(&folder).run(&client, rows(1), String::clone, |step, _| {
            for name in ["first", "second", "third"] {
                let _ = step.send(name, client.agents().create(CreateAgent::new(name)));
            }
            Ok(())
        });
        result.unwrap()
    };
    let report = both();
    assert_eq!(report.failed.get("429"), Some(&1), "{report}");
    assert_eq!(report.problems[0].step.as_deref(), Some("first"));
    folder.age(LONG_AGO);
    let report = both();
    assert_eq!(report.in_doubt, 1, "{report}");
    assert_eq!(report.problems[0].step.as_deref(), Some("second"));
}

#[test]
fn a_read_leaves_no_trace_unless_it_succeeds() {
    let folder = Folder::new();
    let api = Fake::new(|_, number| match number {
        0 => Act::Lose,
        1 => Act::Refuse(404, r#"{"code":"not_found","message":"no"}"#),
        2 => Act::Refuse(429, ""),
        _ => Act::Refuse(200, r#"{"data":{"id":"agt-1","name":"a"}}"#),
    });
    let client = api.client();
    let look = || {
        let result = batch(&folder).run(&client, rows(1), String::clone, |step, _| {
            step.send("look", client.agents().retrieve("agt-1"))?;
            Err(RowError::new("not yet"))
        });
        result.unwrap()
    };
    for _ in 0..3 {
        look();
        assert_eq!(folder.lines(), [""; 0]);
    }
    for _ in 0..2 {
        look();
        assert_eq!((folder.lines().len(), folder.count("done")), (1, 1));
    }
    assert_eq!(api.server().requests().len(), 4);
}

#[test]
fn a_client_that_is_shut_down_begins_no_more_rows() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    let begun = AtomicU32::new(0);
    let report = batch(&folder)
        .threads(1)
        .run(&client, rows(10), String::clone, |step, row| {
            begun.fetch_add(1, Ordering::SeqCst);
            make(&client, step, row)?;
            client.shutdown();
            Ok(())
        })
        .unwrap();
    assert_eq!((report.finished, report.exit_code()), (1, 130), "{report}");
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}

#[test]
#[ignore = "is run by the other tests"]
fn shard_of_the_environment() {
    println!(
        "\nshard: {:?}",
        Shard::from_env().map(|shard| shard.to_string())
    );
}

#[test]
fn the_shard_is_read_from_the_environment_of_the_process() {
    for (value, expected) in [
        (None, r#"Ok("0/1")"#),
        (Some("2/3"), r#"Ok("2/3")"#),
        (Some("3/3"), "Err"),
    ] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "doubt::shard_of_the_environment", "--ignored"]);
        child.arg("--nocapture").env_clear();
        if let Some(value) = value {
            child.env("BIMPEAI_SHARD", value);
        }
        let output = child.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let shard = text.lines().find_map(|line| line.strip_prefix("shard: "));
        assert!(shard.unwrap().starts_with(expected), "{text}");
    }
}

//! What is recorded of a step that did not simply succeed, and what the next run makes of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bimpeai::Client;
use bimpeai::agents::CreateAgent;
use bimpeai::batch::{Batch, Reconciled, Report, RowError, Step, StepError};
use bimpeai::calls::MakeCall;
use serde_json::json;

use crate::fake::{Act, Fake, Folder, batch, is_status, make, rows, run};
use crate::support::{Gate, Server};

const DAY: Duration = Duration::from_secs(24 * 3600);

const BAD: &str = r#"{"code":"bad_request","message":"no"}"#;

const REUSED: &str = r#"{"code":"conflict","message":"This Idempotency-Key was used with a different request body."}"#;

/// Creates an agent with this name for each row.
fn agents(batch: Batch<'_>, client: &Client, name: &str, count: usize) -> Report {
    batch
        .run(client, rows(count), String::clone, |step, _| {
            step.send("agent", client.agents().create(CreateAgent::new(name)))?;
            Ok(())
        })
        .unwrap()
}

#[test]
fn a_stored_refusal_does_not_block_a_row_and_the_row_may_change() {
    let folder = Folder::new();
    let api = Fake::new(|request, _| match request.text().contains("bad") {
        true => Act::StoreRefusal(400, BAD),
        false => Act::Serve,
    });
    let client = api.client();
    for _ in 0..2 {
        let report = agents(batch(&folder), &client, "bad", 1);
        assert_eq!(report.failed.get("400 bad_request"), Some(&1), "{report}");
    }
    assert_eq!(agents(batch(&folder), &client, "good", 1).exit_code(), 0);
    let keys = api.keys();
    assert_eq!(keys.len(), 3);
    assert!(keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");
}

#[test]
fn a_refusal_whose_response_was_lost_does_not_block_a_row_either() {
    let folder = Folder::new();
    // The refusal is stored, and the first response is lost.
    let api = Fake::new(|request, number| match number {
        0 => Act::LoseRequest,
        _ if request.text().contains("bad") => Act::StoreRefusal(400, BAD),
        _ => Act::Serve,
    });
    let client = api.client();
    agents(batch(&folder), &client, "bad", 1);
    let report = agents(batch(&folder), &client, "bad", 1);
    assert_eq!(report.failed.get("400 bad_request"), Some(&1), "{report}");
    assert_eq!(agents(batch(&folder), &client, "good", 1).exit_code(), 0);
    let keys = api.keys();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
}

/// Statuses that say nothing about a request that was sent before: something in front of the API
/// may have said them.
#[test]
fn a_refusal_from_before_the_api_does_not_free_a_key_that_was_used() {
    for (status, body) in [
        (401, r#"{"code":"api_key_expired","message":"expired"}"#),
        (403, r#"{"code":"insufficient_scope","message":"scope"}"#),
        (
            404,
            r#"{"code":"not_found","message":"Cannot POST /agents"}"#,
        ),
        (400, "<html>nginx</html>"),
        (413, ""),
        (405, ""),
        (409, REUSED),
        (422, REUSED),
        (429, ""),
        (500, ""),
        (501, ""),
        (302, ""),
    ] {
        let folder = Folder::new();
        let api = Fake::new(move |_, number| match number {
            0 => Act::Lose,
            1 => Act::Refuse(status, body),
            _ => Act::Serve,
        });
        let client = api.client();
        for _ in 0..2 {
            assert_ne!(agents(batch(&folder), &client, "one", 1).exit_code(), 0);
        }
        assert_eq!(agents(batch(&folder), &client, "one", 1).exit_code(), 0);
        let keys = api.keys();
        assert_eq!((&keys[0], &keys[0]), (&keys[1], &keys[2]), "{status}");
        assert_eq!(api.made().len(), 1);
        assert_eq!(api.made()["one"], (1, 0), "{status}");
    }
}

#[test]
fn a_refusal_of_a_fresh_step_lets_the_row_change() {
    for (status, body, same_key) in [
        (400, BAD, false),
        (404, "", false),
        (422, BAD, false),
        (401, "", true),
        (429, "", true),
    ] {
        let folder = Folder::new();
        let api = Fake::new(move |_, number| match number {
            0 => Act::Refuse(status, body),
            _ => Act::Serve,
        });
        let client = api.client();
        agents(batch(&folder), &client, "one", 1);
        let report = agents(batch(&folder), &client, "two", 1);
        assert_eq!(report.exit_code(), 0, "{status}: {report}");
        let keys = api.keys();
        assert_eq!(keys[0] == keys[1], same_key, "{status}");
    }
}

#[test]
fn a_step_that_was_never_sent_leaves_no_record() {
    let folder = Folder::new();
    let api = Fake::fair();
    let closed = {
        let server = Server::responding(|_, _, _| {});
        server.url()
    };
    let offline = Client::builder("sk_1")
        .base_url(closed)
        .max_retries(0)
        .build()
        .unwrap();
    let report = agents(batch(&folder), &offline, "one", 1);
    assert_eq!(report.failed.get("connection"), Some(&1), "{report}");
    assert_eq!((folder.count("started"), folder.count("void")), (1, 1));
    folder.age(2 * DAY);
    // A day later, with another body: nothing was sent that could be in doubt.
    assert_eq!(
        agents(batch(&folder), &api.client(), "two", 1).exit_code(),
        0
    );
    assert_eq!(api.keys().len(), 1);
}

#[test]
fn a_row_that_changed_after_it_was_sent_is_an_error_until_it_is_restored() {
    for act in [
        Act::Lose,
        Act::Refuse(503, ""),
        Act::Body("{"),
        Act::Body(""),
    ] {
        let folder = Folder::new();
        let first = act.clone();
        let api = Fake::new(move |_, number| match number {
            0 => first.clone(),
            _ => Act::Serve,
        });
        let client = api.client();
        assert_eq!(agents(batch(&folder), &client, "one", 1).exit_code(), 3);
        let report = agents(batch(&folder), &client, "two", 1);
        assert_eq!(
            report.failed.get("changed row"),
            Some(&1),
            "{act:?} {report}"
        );
        let message = &report.problems[0].message;
        assert!(
            message.contains("step \"agent\" (POST /agents) was started with"),
            "{message}"
        );
        assert_eq!(api.keys().len(), 1);
        assert_eq!(agents(batch(&folder), &client, "one", 1).exit_code(), 0);
        assert_eq!(api.made()["one"], (1, 0));
    }
}

#[test]
fn a_row_that_changed_after_a_step_was_done_is_an_error() {
    let folder = Folder::new();
    let api = Fake::new(
        |request, number| match request.path().ends_with("/agents") {
            false if number == 1 => Act::Refuse(503, ""),
            _ => Act::Serve,
        },
    );
    let client = api.client();
    run(batch(&folder), &client, 1);
    let report = agents(batch(&folder), &client, "changed", 1);
    assert_eq!(report.failed.get("changed row"), Some(&1), "{report}");
    let message = &report.problems[0].message;
    assert!(
        message.contains("is done, with another request"),
        "{message}"
    );
    assert_eq!(run(batch(&folder), &client, 1).exit_code(), 0);
    api.assert_each_once(1);
}

/// Each of these is what the first step of a row meets.
#[test]
fn a_closure_that_swallows_errors_loses_no_row() {
    for (status, body) in [
        (503, ""),
        (429, ""),
        (500, "<html>"),
        (401, r#"{"code":"unauthorized","message":"no"}"#),
        (403, r#"{"code":"agent_limit_reached","message":"full"}"#),
        (408, ""),
        (0, ""),
        (1, ""),
        (200, ""),
        (201, "[]"),
    ] {
        let folder = Folder::new();
        let broken = std::sync::Arc::new(AtomicBool::new(true));
        let breaks = broken.clone();
        let api = Fake::new(move |request, _| {
            let is_first = request.path().ends_with("/agents");
            match (is_first && breaks.load(Ordering::SeqCst), status) {
                (false, _) => Act::Serve,
                (true, 0) => Act::Lose,
                (true, 1) => Act::LoseRequest,
                (true, 200 | 201) => Act::Body(body),
                (true, _) => Act::Refuse(status, body),
            }
        });
        let client = api.client();
        let swallow = || {
            batch(&folder)
                .run(&client, rows(4), String::clone, |step, row| {
                    let _ = make(&client, step, row);
                    Ok(())
                })
                .unwrap()
        };
        let report = swallow();
        assert_eq!(report.finished, 0, "{status} {report}");
        assert_ne!(report.exit_code(), 0, "{status} {report}");
        assert_eq!(folder.count("finished"), 0);
        broken.store(false, Ordering::SeqCst);
        let report = swallow();
        assert_eq!(
            (report.finished, report.exit_code()),
            (4, 0),
            "{status} {report}"
        );
        api.assert_each_once(4);
    }
}

#[test]
fn a_closure_that_handles_a_refusal_finishes_its_row() {
    let folder = Folder::new();
    let api = Fake::new(|request, _| match request.text().contains("two") {
        true => Act::Refuse(400, BAD),
        false => Act::Serve,
    });
    let client = api.client();
    let work = |step: &Step<'_>, row: &String| {
        for name in ["one", "two", "three"] {
            match step.send(name, client.agents().create(CreateAgent::new(name))) {
                Err(StepError::Call(error)) if is_status(&error, 400) => {}
                other => drop(other?),
            }
        }
        assert_eq!(step.row(), row);
        Ok(())
    };
    let report = batch(&folder)
        .run(&client, rows(1), String::clone, work)
        .unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    assert_eq!(api.made().len(), 2);
    let report = batch(&folder)
        .run(&client, rows(1), String::clone, work)
        .unwrap();
    assert_eq!((report.skipped, report.attempts), (1, 0));
}

#[test]
fn a_409_is_retried_until_the_request_in_progress_has_ended() {
    const PROGRESS: &str = r#"{"code":"conflict","message":"in progress"}"#;
    // After a lost response, and in a process that has not sent it before.
    for first in [Act::Lose, Act::Refuse(409, PROGRESS)] {
        let folder = Folder::new();
        let api = Fake::new(move |_, number| match number {
            0 => first.clone(),
            1..4 => Act::Refuse(409, PROGRESS),
            _ => Act::Serve,
        });
        let client = api.server().builder().max_retries(1).build().unwrap();
        let report = agents(batch(&folder), &client, "one", 1);
        assert_eq!(report.exit_code(), 0, "{report}");
        assert_eq!(report.attempts, 5);
        let keys = api.keys();
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(folder.count("started"), 1);
        assert_eq!(api.made()["one"], (1, 0));
    }
}

/// The job was begun with another journal.
#[test]
fn a_key_that_another_job_used_for_another_body_is_not_replaced() {
    for status in [409, 422] {
        let folder = Folder::new();
        let api = Fake::new(move |_, _| Act::Refuse(status, REUSED));
        let client = api.client();
        for _ in 0..2 {
            let report = agents(batch(&folder), &client, "one", 1);
            assert_eq!(report.failed_rows(), 1, "{report}");
        }
        let keys = api.keys();
        assert_eq!((keys.len(), &keys[0]), (2, &keys[1]), "{status}");
    }
}

#[test]
fn a_409_that_is_a_limit_of_the_plan_is_final() {
    const LIMIT: &str = r#"{"code":"integration_limit_reached","message":"full"}"#;
    let folder = Folder::new();
    let api = Fake::new(|_, number| match number {
        0 => Act::Refuse(409, LIMIT),
        _ => Act::Serve,
    });
    let client = api.client();
    let report = agents(batch(&folder), &client, "one", 1);
    assert_eq!(report.failed.get("409 integration_limit_reached"), Some(&1));
    assert_eq!(agents(batch(&folder), &client, "two", 1).exit_code(), 0);
}

#[test]
fn refused_credentials_end_the_job_at_once() {
    for (status, body) in [
        (401, r#"{"code":"api_key_invalid","message":"no"}"#),
        (401, ""),
        (
            403,
            r#"{"code":"insufficient_scope","message":"agents:write"}"#,
        ),
        (403, r#"{"code":"forbidden","message":"no"}"#),
    ] {
        let folder = Folder::new();
        let current = std::sync::Arc::new(AtomicU16::new(status));
        let now = current.clone();
        let api = Fake::new(move |request, _| match now.load(Ordering::SeqCst) {
            0 => Act::Serve,
            _ if request.text().contains("r0") => Act::Serve,
            status => Act::Refuse(status, body),
        });
        let client = api.client();
        let report = run(batch(&folder).threads(3), &client, 50);
        assert_eq!(report.exit_code(), 4, "{report}");
        let stopped = report.stopped().unwrap();
        assert!(
            stopped.starts_with("the credentials were refused: POST"),
            "{stopped}"
        );
        assert!(
            api.server().requests().len() <= 8,
            "the others were not sent"
        );
        current.store(0, Ordering::SeqCst);
        assert_eq!(run(batch(&folder), &client, 50).exit_code(), 0);
        api.assert_each_once(50);
    }
}

#[test]
fn a_row_under_way_sends_nothing_after_a_stop() {
    let folder = Folder::new();
    let api = Fake::new(|request, _| match request.text().contains("r1") {
        true => Act::Refuse(401, ""),
        false => Act::Serve,
    });
    let client = api.client();
    let (sent, refused) = (Gate::new(), Gate::new());
    let report = batch(&folder)
        .run(&client, rows(2), String::clone, |step, row| {
            if row == "r1" {
                sent.wait();
                let result = make(&client, step, row);
                refused.open();
                return result;
            }
            let agents = client.agents();
            let agent = step.send("agent", agents.create(CreateAgent::new(row)))?;
            sent.open();
            refused.wait();
            // A write and a read.
            let again = step.send("again", agents.create(CreateAgent::new(row)));
            assert!(matches!(again, Err(StepError::Stopping)));
            let look = step.send("look", agents.retrieve(&agent.id));
            assert!(matches!(look, Err(StepError::Stopping)));
            Ok(())
        })
        .unwrap();
    assert_eq!(
        (report.unfinished, report.failed_rows()),
        (1, 1),
        "{report}"
    );
    assert_eq!(api.server().requests().len(), 2);
}

#[test]
fn a_client_that_is_shut_down_ends_the_job_in_whatever_state_it_is() {
    let folder = Folder::new();
    let gate = std::sync::Arc::new(Gate::new());
    let opened = gate.clone();
    let count = AtomicU16::new(0);
    // One row waits for a response, one to retry, one for a request in progress, and the rest for
    // a thread.
    let api = Fake::new(move |request, _| {
        let text = request.text();
        let act = match &*text {
            text if text.contains("r0") => Act::Stall,
            text if text.contains("r1") => Act::TooFast("30"),
            text if text.contains("r2") => Act::Refuse(409, ""),
            _ => Act::Serve,
        };
        if count.fetch_add(1, Ordering::SeqCst) >= 3 {
            opened.open();
        }
        act
    });
    // Without the rate gate, which would hold the other rows back as well.
    let builder = api.server().builder().max_retries(3);
    let client = builder.share_rate_limit(false).build().unwrap();
    let stop = client.clone();
    let ended = Mutex::new(None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            gate.wait();
            *ended.lock().unwrap() = Some(Instant::now());
            stop.shutdown();
        });
        let report = run(batch(&folder).threads(3), &client, 40);
        let ended = ended.lock().unwrap().unwrap().elapsed();
        assert!(ended < Duration::from_secs(2), "{ended:?}");
        assert_eq!(report.exit_code(), 130, "{report}");
        assert_eq!(
            (report.unfinished, report.failed_rows()),
            (3, 0),
            "{report}"
        );
        assert_eq!(report.stopped().as_deref(), Some("interrupted"));
    });
    // A client that is shut down sends nothing at all.
    api.server().take_requests();
    assert_eq!(run(batch(&folder), &client, 40).exit_code(), 130);
    assert!(api.server().requests().is_empty());
}

#[test]
fn a_full_plan_ends_the_job_and_the_rows_under_way_are_finished() {
    for (status, body) in [
        (403, r#"{"code":"agent_limit_reached","message":"full"}"#),
        (
            400,
            r#"{"message":"Agent limit reached for your plan. Please upgrade to create more agents.","statusCode":400}"#,
        ),
    ] {
        let folder = Folder::new();
        let full = std::sync::Arc::new(AtomicBool::new(true));
        let is_full = full.clone();
        let api = Fake::new(move |request, number| {
            let creates = request.path().ends_with("/agents");
            match creates && number > 20 && is_full.load(Ordering::SeqCst) {
                true => Act::StoreRefusal(status, body),
                false => Act::Serve,
            }
        });
        let client = api.client();
        let report = run(batch(&folder).threads(3), &client, 50);
        assert_eq!(report.exit_code(), 3, "{report}");
        let stopped = report.stopped().unwrap();
        assert!(
            stopped.starts_with("the plan allows no more agents: POST"),
            "{stopped}"
        );
        assert!(
            report.failed_rows() <= 3 && report.unfinished == 0,
            "{report}"
        );
        assert!(api.made().values().all(|made| *made == (1, 1)));
        // The plan was upgraded; the refusals are still stored.
        full.store(false, Ordering::SeqCst);
        assert_eq!(run(batch(&folder), &client, 50).exit_code(), 0);
        api.assert_each_once(50);
    }
}

#[test]
fn too_many_failures_end_the_job() {
    for (limit, failed) in [(0, 1), (1, 1), (5, 5)] {
        let folder = Folder::new();
        let api = Fake::new(|_, _| Act::Refuse(400, BAD));
        let client = api.client();
        let report = run(batch(&folder).threads(1).max_failures(limit), &client, 50);
        assert_eq!((report.failed_rows(), report.exit_code()), (failed, 3));
        let stopped = report.stopped().unwrap();
        let says = if failed == 1 {
            "1 row failed"
        } else {
            "5 rows failed"
        };
        assert_eq!(stopped, says);
        assert_eq!(api.server().requests().len() as u64, failed);
    }
}

#[test]
fn a_step_older_than_the_window_is_in_doubt_and_not_sent() {
    let folder = Folder::new();
    let api = Fake::new(|_, number| match number {
        0 => Act::Lose,
        _ => Act::Serve,
    });
    let client = api.client();
    agents(batch(&folder), &client, "r0", 1);
    folder.age(DAY);
    for _ in 0..2 {
        let report = run(batch(&folder), &client, 3);
        assert_eq!((report.in_doubt, report.exit_code()), (1, 5), "{report}");
        assert!(report.problems[0].is_in_doubt());
        let message = &report.problems[0].message;
        assert!(
            message.starts_with("step \"agent\" (POST /agents) was sent 24 h 0 min ago"),
            "{message}"
        );
    }
    assert_eq!(api.made()["r0"], (1, 0));
    // A longer window, and the server still knows.
    let longer = batch(&folder).idempotency_window(2 * DAY);
    assert_eq!(run(longer, &client, 3).exit_code(), 0);
    api.assert_each_once(3);
}

#[test]
fn a_clock_that_was_wrong_leaves_a_step_in_doubt() {
    let folder = Folder::new();
    let api = Fake::new(|_, number| match number {
        0 => Act::Lose,
        _ => Act::Serve,
    });
    let client = api.client();
    agents(batch(&folder), &client, "r0", 1);
    // Started in the future.
    let path = folder.path().join("0-of-1.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find("\"at\":").unwrap() + 5;
    let end = start + text[start..].find('}').unwrap();
    let later = UNIX_EPOCH.elapsed().unwrap() + Duration::from_secs(3600);
    let text = format!("{}{}{}", &text[..start], later.as_millis(), &text[end..]);
    std::fs::write(path, text).unwrap();
    let report = agents(batch(&folder), &client, "r0", 1);
    assert_eq!((report.in_doubt, api.keys().len()), (1, 1), "{report}");
}

#[test]
fn a_server_that_forgets_makes_no_duplicates_with_a_window_of_zero() {
    let folder = Folder::new();
    let api = Fake::new(|_, number| match number % 5 {
        2 => Act::Lose,
        3 => Act::Refuse(503, ""),
        4 => Act::TooFast("0.01"),
        _ => Act::Serve,
    })
    .forgetful();
    // Refusals at random are not those of a rate limit.
    let builder = api.server().builder().max_retries(3);
    let client = builder.share_rate_limit(false).build().unwrap();
    let mut finished = 0;
    for _ in 0..4 {
        let report = run(
            batch(&folder).idempotency_window(Duration::ZERO),
            &client,
            60,
        );
        finished += report.finished;
        assert_eq!(report.exit_code(), 5, "{report}");
        assert_eq!(report.failed_rows(), 0, "{report}");
        assert_eq!(finished + report.in_doubt, 60, "{report}");
    }
    for (row, (agents, knowledge)) in api.made() {
        assert!(agents <= 1 && knowledge <= 1, "{row}: {agents} {knowledge}");
    }
    assert!(finished > 10);
}

/// A connection of the pool that dies is replaced without counting as a retry: that is a second
/// sending, too.
#[test]
fn a_dead_connection_is_not_replaced_where_the_server_may_have_forgotten_the_key() {
    for (window, sent) in [(Duration::ZERO, 2), (DAY, 3)] {
        let folder = Folder::new();
        // The second request on a connection is performed, and the connection closed.
        let api = Fake::new(|_, number| match number {
            1 => Act::Lose,
            _ => Act::Serve,
        });
        let client = api.client();
        let report = run(batch(&folder).idempotency_window(window), &client, 1);
        assert_eq!(api.keys().len(), sent, "{report}");
        assert_eq!(report.attempts, sent as u64);
        assert_eq!(report.in_doubt, u64::from(window.is_zero()), "{report}");
        api.assert_each_once(1);
    }
}

#[test]
fn the_age_of_a_step_is_judged_after_all_waiting() {
    let folder = Folder::new();
    let api = Fake::new(|_, number| match number {
        0 => Act::Lose,
        // Young enough when the run begins, and too old after this wait.
        1 => Act::TooFast("1.2"),
        _ => Act::Serve,
    });
    let window = Duration::from_secs(1);
    let client = api.client();
    agents(batch(&folder).idempotency_window(window), &client, "r0", 1);
    let client = api.server().builder().max_retries(2).build().unwrap();
    let report = agents(batch(&folder).idempotency_window(window), &client, "r0", 1);
    assert_eq!((report.in_doubt, api.keys().len()), (1, 2), "{report}");
    assert!(report.waited >= window, "{report:?}");
}

#[test]
fn reconcile_decides_about_a_step_in_doubt() {
    let folder = Folder::new();
    let api = Fake::new(|_, number| match number {
        0..3 => Act::Lose,
        _ => Act::Serve,
    });
    let client = api.client();
    let job = || batch(&folder).threads(1);
    let asked = Mutex::new(Vec::new());
    agents(job(), &client, "one", 3);
    folder.age(DAY);
    let report = job()
        .reconcile(|step| {
            let age = step.started().elapsed().unwrap();
            assert!(age >= DAY && age < DAY + DAY);
            asked.lock().unwrap().push((
                step.row().to_owned(),
                step.step().to_owned(),
                step.operation().to_owned(),
            ));
            match step.row() {
                "r0" => Reconciled::Done(json!({"id": "agt-old"})),
                "r1" => Reconciled::NotDone,
                _ => Reconciled::Unknown,
            }
        })
        .run(&client, rows(3), String::clone, |step, row| {
            let agent = step.send("agent", client.agents().create(CreateAgent::new("one")))?;
            assert_eq!(agent.id, if row == "r0" { "agt-old" } else { "agt-one" });
            Ok(())
        })
        .unwrap();
    assert_eq!((report.finished, report.in_doubt), (2, 1), "{report}");
    let asked = asked.into_inner().unwrap();
    let expected = ["r0", "r1", "r2"].map(|row| {
        (
            row.to_owned(),
            "agent".to_owned(),
            "POST /agents".to_owned(),
        )
    });
    assert_eq!(asked, expected);
    let keys = api.keys();
    assert_eq!(keys.len(), 4);
    assert!(!keys[..3].contains(&keys[3]), "a new key");
    // The decisions are recorded.
    let report = agents(job(), &client, "one", 3);
    assert_eq!((report.skipped, report.in_doubt), (2, 1), "{report}");
}

#[test]
fn a_result_that_does_not_fit_is_not_recorded() {
    let folder = Folder::new();
    let api = Fake::new(|_, _| Act::Lose);
    let client = api.client();
    agents(batch(&folder), &client, "one", 1);
    folder.age(DAY);
    let report = agents(
        batch(&folder).reconcile(|_| Reconciled::Done(json!(["no agent"]))),
        &client,
        "one",
        1,
    );
    assert_eq!(
        report.failed.get("undecodable response"),
        Some(&1),
        "{report}"
    );
    assert_eq!(folder.count("done"), 0);
    assert_eq!(agents(batch(&folder), &client, "one", 1).in_doubt, 1);
}

#[test]
fn a_phone_call_in_doubt_is_never_repeated() {
    let folder = Folder::new();
    let api = Fake::new(|_, _| Act::LoseRequest);
    let client = api.client();
    let call = |batch: Batch<'_>| {
        batch
            .run(
                &client,
                ["r0"],
                |row| row.to_string(),
                |step, _| {
                    let call = MakeCall::new("+2348012345678", true);
                    step.send("call", client.calls().make("agt-1", call))?;
                    Ok(())
                },
            )
            .unwrap()
    };
    call(batch(&folder));
    folder.age(DAY);
    let report = call(batch(&folder).reconcile(|step| {
        assert_eq!(step.operation(), "POST /agents/agt-1/calls");
        Reconciled::NotDone
    }));
    assert_eq!((report.in_doubt, report.exit_code()), (1, 5), "{report}");
    assert_eq!(api.server().requests().len(), 1);
}

#[test]
fn replays_of_steps_that_the_journal_never_started_are_counted() {
    let api = Server::responding(|connection, _, _| {
        let replayed = "Idempotency-Replayed: true";
        connection.respond(201, &[replayed], r#"{"data":{"id":"agt-old"}}"#);
    });
    let folder = Folder::new();
    let report = run(batch(&folder), &api.client(), 2);
    assert_eq!((report.finished, report.replayed), (2, 4), "{report}");
    assert!(
        report.to_string().contains("replayed     4 steps"),
        "{report}"
    );

    // A replay of what this job sent itself is expected.
    let folder = Folder::new();
    let count = AtomicU16::new(0);
    let api = Server::start(move |mut connection| {
        while connection.request().is_some() {
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                return connection.reset();
            }
            let replayed = "Idempotency-Replayed: true";
            connection.respond(201, &[replayed], r#"{"data":{"id":"agt-1"}}"#);
        }
    });
    let client = api.builder().max_retries(0).build().unwrap();
    agents(batch(&folder), &client, "one", 1);
    let report = agents(batch(&folder), &client, "one", 1);
    assert_eq!((report.finished, report.replayed), (1, 0), "{report}");
}

#[test]
fn an_error_of_the_closure_is_counted_by_its_kind() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    let report = batch(&folder)
        .run(&client, rows(3), String::clone, |_, row| {
            match row.as_str() {
                "r0" => Err(RowError::new("no phone number")),
                "r1" => Err("x".parse::<u8>().unwrap_err().into()),
                _ => Err(client.agents().retrieve("").send().unwrap_err().into()),
            }
        })
        .unwrap();
    assert_eq!(report.failed.get("row error"), Some(&2), "{report}");
    assert_eq!(report.failed.get("invalid request"), Some(&1), "{report}");
}

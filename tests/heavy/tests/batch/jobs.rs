//! What a job does with its rows.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bimpeai::agents::CreateAgent;
use bimpeai::batch::{Batch, RowError, Shard, StepError};

use crate::fake::{Act, Fake, Folder, batch, make, rows, run};
use crate::support::Gate;

#[test]
fn every_row_is_done_once_and_then_skipped_without_a_request() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    let report = run(batch(&folder), &client, 20);
    assert_eq!((report.finished, report.exit_code()), (20, 0));
    assert_eq!((report.attempts, report.skipped), (40, 0));
    api.assert_each_once(20);

    api.server().take_requests();
    let report = run(batch(&folder), &client, 25);
    assert_eq!((report.finished, report.skipped), (5, 20));
    assert_eq!(api.server().requests().len(), 10);
    api.assert_each_once(25);
}

#[test]
fn a_step_that_is_done_returns_its_result_without_a_request() {
    // The second step fails until the third run.
    let api = Fake::new(
        |request, number| match request.path().ends_with("/agents") {
            false if number < 5 => Act::Refuse(503, ""),
            _ => Act::Serve,
        },
    );
    let (client, folder) = (api.client(), Folder::new());
    let report = run(batch(&folder), &client, 1);
    assert_eq!(report.failed.get("503"), Some(&1), "{report}");
    assert_eq!(report.exit_code(), 3);
    let problem = &report.problems[0];
    assert_eq!(
        (&*problem.row, problem.step.as_deref()),
        ("r0", Some("menu"))
    );
    assert!(problem.message.contains("503"), "{problem}");
    for _ in 0..4 {
        run(batch(&folder), &client, 1);
    }
    api.assert_each_once(1);
    let keys = api.keys();
    assert_eq!(
        keys.len(),
        6,
        "one request for the agent, five for its knowledge"
    );
    assert!(keys[1..].iter().all(|key| *key == keys[1]), "{keys:?}");
}

#[test]
fn a_lost_response_is_requested_again_under_the_same_key() {
    let api = Fake::new(|_, number| match number {
        0 => Act::LoseRequest,
        1 => Act::Lose,
        // On a connection that was used before: a new one takes its place at once.
        3 => Act::Lose,
        _ => Act::Serve,
    });
    let (client, folder) = (api.client(), Folder::new());
    for exit_code in [3, 3, 0] {
        assert_eq!(run(batch(&folder), &client, 1).exit_code(), exit_code);
    }
    api.assert_each_once(1);
    let keys = api.keys();
    assert_eq!((&keys[0], &keys[1]), (&keys[1], &keys[2]));
    assert_eq!(keys[3], keys[4]);
}

#[test]
fn started_is_on_disk_before_the_request_and_done_before_the_next_one() {
    let folder = Folder::new();
    let path = folder.path().join("0-of-1.jsonl");
    let api = Fake::new(move |request, number| {
        let text = std::fs::read_to_string(&path).unwrap();
        let count = |kind: &str| text.matches(&format!("{{\"{kind}\":")).count();
        assert_eq!(count("started"), number + 1, "{} {text}", request.target);
        assert_eq!(count("done"), number, "{} {text}", request.target);
        Act::Serve
    });
    let report = run(batch(&folder).threads(1), &api.client(), 3);
    assert_eq!(report.finished, 3, "{report}");
}

#[test]
fn a_read_is_a_step_too_and_is_recorded() {
    let api = Fake::new(|request, _| match request.method.as_str() {
        "GET" => Act::Refuse(200, r#"{"data":{"id":"agt-1","name":"a \u00e9"}}"#),
        "DELETE" => Act::Refuse(200, ""),
        _ => Act::Serve,
    });
    let (client, folder) = (api.client(), Folder::new());
    let names = Mutex::new(Vec::new());
    for _ in 0..2 {
        let report = batch(&folder)
            .run(
                &client,
                ["r"],
                |row| row.to_string(),
                |step, _| {
                    let agent = step.send("look", client.agents().retrieve("agt-1"))?;
                    names.lock().unwrap().push(agent.name);
                    step.send("gone", client.agents().delete("agt-1"))?;
                    let raw = step.send(
                        "raw",
                        client
                            .request("POST", "/agents")
                            .json(&serde_json::json!({"name": "x"}))
                            .raw(),
                    )?;
                    names.lock().unwrap().push(String::from_utf8(raw)?);
                    Err(RowError::new("not yet"))
                },
            )
            .unwrap();
        assert_eq!(report.failed.get("row error"), Some(&1));
        assert_eq!(report.problems[0].message, "not yet");
    }
    assert_eq!(api.server().requests().len(), 3);
    let names = names.into_inner().unwrap();
    assert_eq!(names[0], "a é");
    assert_eq!(names[..2], names[2..]);
}

#[test]
fn rows_and_keys_stay_on_the_calling_thread_and_are_read_as_they_are_needed() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    let here = std::thread::current().id();
    let (read, ended) = (Rc::new(RefCell::new(0)), AtomicUsize::new(0));
    let gate = Gate::new();
    // Neither the iterator nor the key function could go to another thread.
    let reading = read.clone();
    let rows = (0..50).inspect(move |_| {
        assert_eq!(std::thread::current().id(), here);
        *reading.borrow_mut() += 1;
    });
    let keyed = read.clone();
    let report = batch(&folder)
        .threads(3)
        .run(
            &client,
            rows,
            |row| {
                let read: usize = *keyed.borrow();
                // Three rows are under way, and one more is read.
                assert!(read <= ended.load(Ordering::SeqCst) + 4);
                if read == 4 {
                    gate.open();
                }
                format!("r{row}")
            },
            |step, row| {
                gate.wait();
                assert_eq!(step.row(), format!("r{row}"));
                let result = make(&client, step, step.row());
                ended.fetch_add(1, Ordering::SeqCst);
                result
            },
        )
        .unwrap();
    assert_eq!((report.finished, *read.borrow()), (50, 50));
}

#[test]
fn a_job_moves_to_another_number_of_shards() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    let shard = |index, count| batch(&folder).shard(Shard::new(index, count).unwrap());
    let report = run(shard(0, 3), &client, 60);
    assert_eq!(report.finished + report.other_shards, 60);
    let of_first = report.finished;
    // The second dies half-way: this run of it has fewer rows.
    run(shard(1, 3), &client, 30);
    api.server().take_requests();
    let reports: Vec<_> = (0..4)
        .map(|index| run(shard(index, 4), &client, 60))
        .collect();
    api.assert_each_once(60);
    let skipped: u64 = reports.iter().map(|report| report.skipped).sum();
    let finished: u64 = reports.iter().map(|report| report.finished).sum();
    assert!(skipped > of_first, "{skipped}");
    assert_eq!(skipped + finished, 60);
    assert_eq!(api.server().requests().len() as u64, 2 * finished);
}

#[test]
fn progress_and_problems_are_told_on_the_calling_thread() {
    let api = Fake::new(|request, _| match request.text().contains("r3") {
        true => Act::Refuse(400, r#"{"code":"bad_request","message":"no"}"#),
        false => Act::Serve,
    });
    let (client, folder) = (api.client(), Folder::new());
    let here = std::thread::current().id();
    let (mut seen, mut problems) = (Vec::new(), Vec::new());
    let report = batch(&folder)
        .on_progress(|progress| {
            assert_eq!(std::thread::current().id(), here);
            seen.push((progress.finished, progress.failed, progress.rows()));
        })
        .on_problem(|problem| problems.push(problem.to_string()))
        .run(&client, rows(6), String::clone, |step, row| {
            make(&client, step, row)
        })
        .unwrap();
    assert_eq!((report.finished, report.failed_rows()), (5, 1));
    assert_eq!(seen.last(), Some(&(5, 1, 6)));
    assert!(seen.len() >= 6);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("row 4 (\"r3\"), step \"agent\": POST /agents: 400 bad_request"),
        "{problems:?}"
    );
}

#[test]
fn rows_that_are_skipped_show_progress_ten_times_a_second() {
    const ROWS: usize = 1_000;
    let (api, folder) = (Fake::fair(), Folder::new());
    let shard = Shard::new(0, 2).unwrap();
    let others = (0..).map(|number| format!("r{number}"));
    let others = others.filter(|row| !shard.contains(row)).take(ROWS);
    let mut shown = Vec::new();
    let mut last_but_one = None;
    let rows = others.enumerate().map(|(number, row)| {
        if number == ROWS - 1 {
            // By now, nothing has been shown for this long.
            let since: &Instant = last_but_one.get_or_insert_with(Instant::now);
            while since.elapsed() < Duration::from_millis(100) {
                std::thread::yield_now();
            }
        }
        row
    });
    batch(&folder)
        .shard(shard)
        .on_progress(|progress| shown.push(progress.other_shards))
        .run(&api.client(), rows, String::clone, |_, _| Ok(()))
        .unwrap();
    // The last row, and the end.
    let all = ROWS as u64;
    assert_eq!(shown[shown.len() - 2..], [all, all], "{shown:?}");
    assert!(shown.len() < ROWS / 2, "{} times", shown.len());
}

#[test]
fn a_report_keeps_the_first_thousand_problems() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let mut told = 0;
    let report = batch(&folder)
        .on_problem(|_| told += 1)
        .run(&api.client(), rows(1_001), String::clone, |_, _| {
            Err(RowError::new("no phone number"))
        })
        .unwrap();
    assert_eq!((told, report.failed_rows()), (1_001, 1_001));
    assert_eq!(report.problems.len(), 1_000);
}

#[test]
fn rows_that_cannot_be_told_apart_are_errors_and_the_others_are_done() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    for exit_code in [3, 3] {
        let rows = ["r0", "r1", "", "r0", "r2", ""];
        let report = batch(&folder)
            .run(
                &client,
                rows,
                |row| row.to_string(),
                |step, row| make(&client, step, row),
            )
            .unwrap();
        assert_eq!(report.failed.get("duplicate row key"), Some(&1), "{report}");
        assert_eq!(report.failed.get("no row key"), Some(&2), "{report}");
        assert_eq!(report.finished + report.skipped, 3);
        assert_eq!(report.exit_code(), exit_code);
        let numbers: Vec<_> = report
            .problems
            .iter()
            .map(|problem| problem.number)
            .collect();
        assert_eq!(numbers, [3, 4, 6]);
    }
    api.assert_each_once(3);
}

#[test]
fn two_steps_of_one_name_are_an_error_and_the_second_is_not_sent() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    for name in ["agent", ""] {
        let report = batch(&folder)
            .run(&client, [format!("r-{name}")], String::clone, |step, _| {
                let create = || client.agents().create(CreateAgent::new("one"));
                if !name.is_empty() {
                    step.send(name, create())?;
                }
                let error = step.send(name, create()).unwrap_err();
                assert!(
                    matches!(&error, StepError::Name(wrong) if wrong == name),
                    "{error}"
                );
                Ok(())
            })
            .unwrap();
        assert_eq!(report.failed.get("step name"), Some(&1), "{report}");
    }
    assert_eq!(api.server().requests().len(), 1);
}

#[test]
fn an_input_that_breaks_off_ends_the_job_after_the_rows_under_way() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    let rows = |broken: bool| {
        (0..10).map(move |row| match row {
            4 if broken => Err("line 6: invalid UTF-8"),
            _ => Ok(format!("r{row}")),
        })
    };
    let report = batch(&folder)
        .try_run(&client, rows(true), String::clone, |step, row| {
            make(&client, step, row)
        })
        .unwrap();
    assert_eq!((report.finished, report.exit_code()), (4, 1), "{report}");
    assert_eq!(
        report.stopped().as_deref(),
        Some("the input cannot be read: line 6: invalid UTF-8")
    );
    let report = batch(&folder)
        .try_run(&client, rows(false), String::clone, |step, row| {
            make(&client, step, row)
        })
        .unwrap();
    assert_eq!(
        (report.finished, report.skipped, report.exit_code()),
        (6, 4, 0)
    );
    api.assert_each_once(10);
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_sent() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    for (batch, says) in [
        (
            Batch::new("").journal(folder.path()),
            "the name of the job is empty",
        ),
        (
            Batch::new("job"),
            "no journal; set its folder with Batch::journal",
        ),
        (Batch::new("job").journal(""), "no journal"),
        (
            batch(&folder).threads(0),
            "threads is 0, expected 1 to 1,024",
        ),
        (batch(&folder).threads(1_025), "threads is 1025"),
    ] {
        let error = batch
            .run(&client, rows(3), String::clone, |step, row| {
                make(&client, step, row)
            })
            .unwrap_err();
        assert!(error.to_string().starts_with(says), "{error}");
    }
    assert!(api.server().requests().is_empty());
    assert!(!folder.path().exists());
}

#[test]
fn a_plan_lists_the_changes_and_makes_none() {
    let api = Fake::new(|_, number| match number {
        0..4 => Act::Serve,
        _ => Act::Lose,
    });
    let (client, folder) = (api.client(), Folder::new());
    let plan = || batch(&folder).plan(rows(6), String::clone).unwrap();
    assert_eq!((plan().to_do, plan().finished), (6, 0));
    assert!(!folder.path().exists());
    // One finished, one whose first step is lost.
    run(batch(&folder).threads(1), &client, 3);
    let before = folder.lines();
    api.server().take_requests();
    let now = plan();
    assert_eq!(
        (now.to_do, now.finished, now.begun, now.in_doubt),
        (4, 2, 1, 0)
    );
    folder.age(Duration::from_secs(25 * 3600));
    assert_eq!(plan().in_doubt, 1);
    let shard = Shard::new(0, 2).unwrap();
    let part = batch(&folder)
        .shard(shard)
        .plan(rows(60), String::clone)
        .unwrap();
    assert_eq!(part.to_do + part.finished + part.other_shards, 60);
    let bad = batch(&folder)
        .plan(["a", "", "a"], |row| row.to_string())
        .unwrap();
    assert_eq!((bad.to_do, bad.bad_keys), (1, 2));
    assert!(api.server().requests().is_empty());
    assert_eq!(folder.lines().len(), before.len());
    assert_eq!(
        now.to_string(),
        "4 rows to do\n  begun        1\n  finished     2\n"
    );
}

#[test]
fn a_panic_of_a_closure_is_passed_on_and_the_next_run_continues() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    let panicking = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        batch(&folder).run(&client, rows(8), String::clone, |step, row| {
            let result = make(&client, step, row);
            assert_ne!(row, "r3", "a bug");
            result
        })
    }));
    let message = panicking.unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("a bug"), "{message}");
    let report = run(batch(&folder), &client, 8);
    assert_eq!(report.exit_code(), 0, "{report}");
    api.assert_each_once(8);
}

#[test]
fn a_panic_of_the_input_is_passed_on() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    let panicking = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let rows = (0..).map(|row| match row {
            5 => panic!("row five"),
            _ => format!("r{row}"),
        });
        batch(&folder).run(&client, rows, String::clone, |step, row| {
            make(&client, step, row)
        })
    }));
    assert!(panicking.is_err());
    assert_eq!(run(batch(&folder), &client, 8).exit_code(), 0);
    api.assert_each_once(8);
}

//! Journals on disks that are full, damaged or somebody else's.

use std::path::Path;
use std::process::{Command, Output};

use bimpeai::batch::Batch;

use crate::child;
use crate::fake::{Fake, Folder, batch, make, rows, run};
use crate::support::KEY;

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Limits the files of a child to this many blocks of 512 bytes.
#[cfg(unix)]
fn with_small_files(command: &Command, blocks: u32) -> Command {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &script])
        .arg(command.get_program())
        .args(command.get_args())
        .stdout(std::process::Stdio::piped());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap());
    }
    limited
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_job_and_loses_nothing() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let url = api.server().url();
    let command = || child::command(&url, KEY, folder.path(), 60);
    let mut sent = 0;
    for blocks in [1, 2, 3, 5, 9] {
        let output = with_small_files(&command(), blocks).output().unwrap();
        let says = says(&output);
        assert_eq!(output.status.code(), Some(1), "{says}");
        assert!(
            says.contains("stopped      the journal cannot be written: File too large"),
            "{says}"
        );
        // What was not recorded was not sent.
        let mut keys = api.keys();
        keys.sort();
        keys.dedup();
        assert!(keys.len() <= folder.count("started"));
        sent = keys.len();
    }
    assert!(sent > 0);
    let output = command().output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", says(&output));
    api.assert_each_once(60);
}

/// A file system of this many bytes, unmounted at the end.
struct Small(Folder);

impl Small {
    /// `None` where this process must not mount one.
    fn mount(bytes: u32) -> Option<Small> {
        let folder = Folder::new();
        std::fs::create_dir_all(folder.path()).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]);
        let mounted = mount.arg(folder.path()).output();
        mounted.ok()?.status.success().then_some(Small(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}

#[test]
fn a_small_file_system_that_is_full_loses_nothing() {
    let Some(small) = Small::mount(64 << 10) else {
        println!("did not run: only root can mount a file system");
        return;
    };
    let api = Fake::fair();
    let journal = small.path().join("journal");
    let client = api.client();
    // Room for a few rows.
    let filler = small.path().join("filler");
    for room in [4_096, 8_192, 12_288] {
        std::fs::write(&filler, vec![0; (60 << 10) - room]).unwrap();
        let result = Batch::new("job").journal(&journal).run(
            &client,
            rows(60),
            String::clone,
            |step, row| make(&client, step, row),
        );
        match result {
            Ok(report) => {
                assert_eq!(report.exit_code(), 1, "{report}");
                let why = report.stopped().unwrap();
                assert!(why.contains("No space left on device"), "{why}");
            }
            // Not even the header fits.
            Err(error) => assert!(error.to_string().contains("No space left"), "{error}"),
        }
        std::fs::remove_file(&filler).unwrap();
    }
    assert!(!api.server().requests().is_empty());
    let report = Batch::new("job")
        .journal(&journal)
        .run(&client, rows(60), String::clone, |step, row| {
            make(&client, step, row)
        })
        .unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    api.assert_each_once(60);
}

#[test]
fn a_journal_that_is_not_this_jobs_is_an_error_before_anything_is_sent() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    run(batch(&folder), &client, 3);
    api.server().take_requests();
    let file = folder.path().join("0-of-1.jsonl");
    let good = std::fs::read_to_string(&file).unwrap();
    let fails = |job: &str| {
        let batch = Batch::new(job).journal(folder.path());
        let result = batch.run(&client, rows(9), String::clone, |step, row| {
            make(&client, step, row)
        });
        let error = result.unwrap_err().to_string();
        assert!(error.contains("0-of-1.jsonl:"), "{error}");
        error
    };
    assert!(fails("other").contains("belongs to the job \"job\", not \"other\""));
    for (text, says) in [
        (
            good.replace("\"version\":1", "\"version\":9"),
            "format version 9",
        ),
        (
            good.replace("{\"finished\"", "{\"finish"),
            ": the record is damaged (",
        ),
        (
            good.replacen("\"at\":", "\"at\":-", 1),
            ":2: the record is damaged (",
        ),
    ] {
        std::fs::write(&file, &text).unwrap();
        let error = fails("job");
        assert!(error.contains(says), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    assert!(api.server().requests().is_empty());
    // Mended by hand, it goes on.
    std::fs::write(&file, good).unwrap();
    assert_eq!(run(batch(&folder), &client, 9).skipped, 3);
    api.assert_each_once(9);
}

#[test]
fn a_journal_that_cannot_be_opened_is_an_error_before_anything_is_sent() {
    let (api, folder) = (Fake::fair(), Folder::new());
    let client = api.client();
    std::fs::create_dir_all(folder.path()).unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    // A folder that is a file, one below a file, and a journal that is a folder.
    let odd = folder.path().join("odd");
    std::fs::create_dir_all(odd.join("0-of-1.jsonl")).unwrap();
    for journal in [file.clone(), file.join("inside"), odd] {
        let error = Batch::new("job")
            .journal(&journal)
            .run(&client, rows(3), String::clone, |step, row| {
                make(&client, step, row)
            })
            .unwrap_err();
        let error = error.to_string();
        assert!(error.contains(journal.to_str().unwrap()), "{error}");
    }
    assert!(api.server().requests().is_empty());
}

/// The kernel ends a lock with its process, however that ends, and only one process has it.
#[test]
fn a_file_has_one_process_and_is_free_when_that_is_killed() {
    let folder = Folder::new();
    // It sends no response, so the first request of the child waits.
    let api = crate::support::Server::start(|mut connection| {
        connection.request();
        connection.closed_by_client();
    });
    let mut child = child::command(&api.url(), KEY, folder.path(), 1)
        .spawn()
        .unwrap();
    crate::support::eventually("the child has sent something", || {
        !api.requests().is_empty()
    });
    let fair = Fake::fair();
    let client = fair.client();
    // While it lives, another process has a file of its own, and asks for the same under its key.
    let files = || {
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".jsonl"))
            .collect();
        names.sort();
        names
    };
    assert_eq!(run(batch(&folder), &client, 1).finished, 1);
    assert_eq!(files(), ["0-of-1.2.jsonl", "0-of-1.jsonl"]);
    assert_eq!(
        fair.keys()[0],
        api.requests()[0].header("idempotency-key").unwrap()
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(run(batch(&folder), &client, 3).finished, 2);
    assert_eq!(files(), ["0-of-1.2.jsonl", "0-of-1.jsonl"]);
    let text = std::fs::read_to_string(folder.path().join("0-of-1.jsonl")).unwrap();
    assert!(text.contains("{\"finished\":{\"row\":\"r2\"}}"), "{text}");
}

use std::sync::atomic::{AtomicU32, Ordering};

use super::record::{Body, Done};
use super::samples::{done, finished, hash, records, refused, started, text, void};
use super::state::{Row, StepState, StoredValue};
use super::writer::writer;
use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bimpeai-journal-{}-{count}", std::process::id());
        // In memory where there is such a place: these tests sync thousands of files.
        let base = match Path::new("/dev/shm") {
            shm if shm.is_dir() => shm.to_owned(),
            _ => std::env::temp_dir(),
        };
        let path = base.join(name);
        let _ = fs::remove_dir_all(&path);
        Folder(path)
    }

    fn open(&self, shard: Shard) -> Result<(Journal, Rows), JournalError> {
        Journal::open(&self.0, "job", shard)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::create_dir_all(&self.0).unwrap();
        fs::write(self.file(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const HEADER: &str = "{\"bimpeai_batch\":{\"version\":1,\"job\":\"job\"}}\n";

/// What is known, in an order that can be compared.
fn told(rows: &mut Rows) -> Vec<String> {
    let mut told: Vec<_> = rows.records().map(|record| text(&[record])).collect();
    told.sort();
    told
}

fn append(journal: &Journal, records: &[Record<'_>]) {
    let (appender, writer) = writer();
    let file = journal.append().unwrap();
    let thread = std::thread::spawn(move || writer.run(file));
    for record in records {
        appender.append(line(record).unwrap(), true).unwrap();
    }
    drop(appender);
    thread.join().unwrap().unwrap();
}

#[test]
fn records_are_read_by_the_next_owner_and_by_others() {
    let folder = Folder::new();
    let (journal, rows) = folder.open(Shard::all()).unwrap();
    assert_eq!(rows.records().count(), 0);
    append(&journal, &records());
    // Another process while this one runs, a look from outside, and the next owner.
    let (other, mut seen) = folder.open(Shard::all()).unwrap();
    let expected = told(&mut seen);
    assert_eq!(expected.len(), 3);
    assert!(seen.is_finished("r-1") && !seen.is_finished("r-2"));
    assert_eq!(told(&mut look(&folder.0, "job").unwrap()), expected);
    assert_eq!(told(&mut journal.load().unwrap()), expected);
    drop((journal, other));
    let (_journal, mut seen) = folder.open(Shard::all()).unwrap();
    assert_eq!(told(&mut seen), expected);
    assert!(folder.file("0-of-1.2.jsonl").exists());
}

#[test]
fn data_is_kept_as_received_on_one_line() {
    let pretty = "{\r\n  \"z\": 1.10,\n  \"a\": \"line\\nend\",\n  \"z\": 18446744073709551616\n}";
    let text = text(&[done("r", "s", pretty)]);
    assert_eq!(text.matches('\n').count(), 1);
    let mut rows = Rows::default();
    rows.add(0, serde_json::from_str(text.trim_end()).unwrap());
    let Some(Row::Begun(steps)) = rows.get("r") else {
        panic!("{rows:?}")
    };
    match steps[0].state() {
        StepState::Done(done) => match done.value {
            StoredValue::Data(Some(data)) => {
                assert_eq!(data.get(), pretty.replace(['\r', '\n'], " "));
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    for body in [Body::Text("{}\n".to_owned()), Body::Bytes(vec![0, 255, 10])] {
        let record = Record::Done(Done {
            row: "r".into(),
            step: "s".into(),
            hash: hash(1),
            data: None,
            body: Some(body.clone()),
        });
        let line = line(&record).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        match serde_json::from_slice(&line).unwrap() {
            Record::Done(done) => assert_eq!(done.body, Some(body)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_line_torn_at_any_byte_is_cut_and_nothing_else_is_lost() {
    let whole = format!("{HEADER}{}", text(&records()));
    for length in 0..=whole.len() {
        let folder = Folder::new();
        folder.write("0-of-1.jsonl", &whole.as_bytes()[..length]);
        let kept = whole[..].as_bytes()[..length]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or("", |end| &whole[..=end]);
        let mut expected = Rows::default();
        for line in kept.lines().skip(1) {
            expected.add(OWN, serde_json::from_str(line).unwrap());
        }
        let (journal, mut rows) = folder.open(Shard::all()).unwrap();
        assert_eq!(told(&mut rows), told(&mut expected), "cut at {length}");
        let kept = if kept.is_empty() { HEADER } else { kept };
        assert_eq!(folder.read("0-of-1.jsonl"), kept, "cut at {length}");
        append(&journal, &[finished("next")]);
        drop(journal);
        let (_journal, rows) = folder.open(Shard::all()).unwrap();
        assert!(rows.is_finished("next"), "cut at {length}");
    }
}

#[test]
fn the_torn_line_of_another_process_is_left_to_it() {
    let whole = format!("{HEADER}{}", text(&records()));
    for length in 0..whole.len() {
        let folder = Folder::new();
        folder.write("1-of-2.jsonl", &whole.as_bytes()[..length]);
        let lines = whole.as_bytes()[..length].iter().filter(|b| **b == b'\n');
        let lines = lines.count().saturating_sub(1);
        let mut expected = Rows::default();
        for line in whole.lines().skip(1).take(lines) {
            expected.add(OWN, serde_json::from_str(line).unwrap());
        }
        let (_journal, mut rows) = folder.open(Shard::new(0, 2).unwrap()).unwrap();
        assert_eq!(told(&mut rows), told(&mut expected), "cut at {length}");
        let after = fs::read(folder.file("1-of-2.jsonl")).unwrap();
        assert_eq!(after, &whole.as_bytes()[..length], "cut at {length}");
    }
}

#[test]
fn a_whole_line_that_cannot_be_read_is_an_error_with_its_place() {
    let good = text(&records());
    let line = good.lines().next().unwrap();
    for bad in [
        "",
        "{",
        "null",
        "\0\0\0\0",
        "{\"sent\":{\"row\":\"r\"}}",
        "{\"finished\":{\"row\":1}}",
        "{\"finished\":{\"row\":\"r\",\"more\":1}}",
        &line[..line.len() - 1],
        &format!("{line}{line}"),
    ] {
        for name in ["0-of-1.jsonl", "3-of-9.jsonl"] {
            let folder = Folder::new();
            let content = format!("{HEADER}{good}{bad}\n{good}");
            folder.write(name, &content);
            let error = folder.open(Shard::all()).unwrap_err().to_string();
            let place = format!("{}:{}: ", folder.file(name).display(), 11);
            assert!(error.contains(&place), "{bad:?}: {error}");
            assert_eq!(folder.read(name), content);
        }
    }
    let folder = Folder::new();
    folder.write("0-of-1.jsonl", [HEADER.as_bytes(), b"\xff\xfe\n"].concat());
    let error = folder.open(Shard::all()).unwrap_err().to_string();
    assert!(error.contains("0-of-1.jsonl:2: "), "{error}");
}

#[test]
fn a_journal_of_another_version_job_or_program_is_refused_and_kept() {
    for (header, says) in [
        (
            r#"{"bimpeai_batch":{"version":2,"jobs":["job"]}}"#,
            "format version 2, and this version of bimpeai reads 1",
        ),
        (
            r#"{"bimpeai_batch":{"version":1,"job":"other"}}"#,
            "belongs to the job \"other\", not \"job\"",
        ),
        (r#"{"job":"job"}"#, "not a journal"),
        ("id,name", "not a journal"),
        ("", "not a journal"),
    ] {
        for name in ["0-of-1.jsonl", "0-of-7.jsonl"] {
            let folder = Folder::new();
            let content = format!("{header}\n{}", text(&records()));
            folder.write(name, &content);
            let error = folder.open(Shard::all()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(error.contains(&format!("{name}:1: ")), "{error}");
            assert_eq!(folder.read(name), content);
            assert!(look(&folder.0, "job").is_err());
        }
    }
}

#[test]
fn two_owners_never_share_a_file_and_a_file_is_taken_up_again() {
    let folder = Folder::new();
    let open = |index, count| folder.open(Shard::new(index, count).unwrap()).unwrap().0;
    let name = |journal: &Journal| journal.path.file_name().unwrap().to_owned();
    let (first, second) = (open(0, 2), open(0, 2));
    assert_eq!(name(&first), "0-of-2.jsonl");
    assert_eq!(name(&second), "0-of-2.2.jsonl");
    assert_eq!(name(&open(1, 2)), "1-of-2.jsonl");
    drop(first);
    assert_eq!(name(&open(0, 2)), "0-of-2.jsonl");
    drop(second);
    let again = [open(0, 2), open(0, 2), open(0, 2)];
    assert_eq!(
        again.each_ref().map(name),
        ["0-of-2.jsonl", "0-of-2.2.jsonl", "0-of-2.3.jsonl"]
    );
}

#[cfg(unix)]
#[test]
fn a_journal_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let inner = folder.0.join("deep/journal");
    let (journal, _) = Journal::open(&inner, "job", Shard::all()).unwrap();
    append(&journal, &records());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    for entry in fs::read_dir(&inner).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let folder = Folder::new();
    folder.write("file", "");
    let inside = folder.file("file");
    let error = Journal::open(&inside, "job", Shard::all()).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn compaction_keeps_results_and_open_steps() {
    let folder = Folder::new();
    let (journal, _) = folder.open(Shard::all()).unwrap();
    let mut all = Vec::new();
    for row in 0..600 {
        let row = format!("r-{row}");
        all.push(started(&row, "agent", 0, 5));
        all.push(done(&row, "agent", r#"{"id":"agt_1"}"#));
        all.push(started(&row, "menu", 0, 6));
        if row.ends_with('7') {
            all.push(refused(&row, "menu", 0, 7, row.ends_with("17")));
            all.push(started(&row, "menu", 1, 8));
        } else {
            all.push(done(&row, "menu", "null"));
            all.push(finished(&row));
        }
    }
    append(&journal, &all);
    // What a compaction that was killed has left.
    folder.write("0-of-1.tmp", "{\"finished\":{\"row\":\"r-7\"}}\n");
    let before = told(&mut journal.load().unwrap());
    let size = folder.read("0-of-1.jsonl").len();
    journal.compact().unwrap();
    let after = folder.read("0-of-1.jsonl");
    assert!(after.len() < size / 2 && after.starts_with(HEADER));
    assert_eq!(told(&mut journal.load().unwrap()), before);
    append(&journal, &[finished("later")]);
    drop(journal);
    let (_journal, rows) = folder.open(Shard::all()).unwrap();
    assert!(rows.is_finished("later"));
    let mut rows = look(&folder.0, "job").unwrap();
    assert_eq!(told(&mut rows).len(), before.len() + 1);
}

#[test]
fn the_next_owner_compacts_and_few_lines_are_left_alone() {
    for (rows, compacted) in [(100, false), (2_000, true)] {
        let folder = Folder::new();
        let lines: Vec<_> = (0..rows)
            .flat_map(|row| {
                let row = format!("r-{row}");
                [
                    started(&row, "agent", 0, 5),
                    done(&row, "agent", "{}"),
                    finished(&row),
                ]
            })
            .collect();
        let content = format!("{HEADER}{}", text(&lines));
        folder.write("0-of-1.jsonl", &content);
        let (_journal, known) = folder.open(Shard::all()).unwrap();
        assert!((0..rows).all(|row| known.is_finished(&format!("r-{row}"))));
        let lines = folder.read("0-of-1.jsonl").lines().count();
        assert_eq!(lines == rows + 1, compacted, "{lines} lines");
    }
}

#[test]
fn a_journal_is_compacted_if_at_least_half_of_a_thousand_lines_are_needless() {
    for (rows, lines, compacted) in [
        (499, 1_000, true),
        (500, 1_000, true),
        (501, 1_000, false),
        (900, 1_000, false),
        (1, 999, false),
        (1, 1_000, true),
    ] {
        let folder = Folder::new();
        let records: Vec<_> = (1..lines)
            .map(|number| finished(&format!("r-{}", number % rows)))
            .collect();
        let content = format!("{HEADER}{}", text(&records));
        folder.write("0-of-1.jsonl", &content);
        folder.open(Shard::all()).unwrap();
        let left = folder.read("0-of-1.jsonl").lines().count();
        let expected = if compacted { rows + 1 } else { lines };
        assert_eq!(left, expected, "{rows} rows in {lines} lines");
    }
}

#[test]
fn the_files_of_other_processes_are_kept_apart_from_the_own_one() {
    let folder = Folder::new();
    let write = |name: &str, records: &[Record<'_>]| {
        folder.write(name, format!("{HEADER}{}", text(records)));
    };
    // What the owner of one file knows of its key says nothing of those that others have sent.
    let start = |row: &str, at| started(row, "s", 0, at);
    write("0-of-4.jsonl", &[start("r-0", 5)]);
    write(
        "1-of-4.jsonl",
        &[start("r-0", 7), void("r-0", "s", 0), start("r-1", 8)],
    );
    write(
        "2-of-4.jsonl",
        &[start("r-1", 9), void("r-1", "s", 0), start("r-2", 6)],
    );
    write("3-of-4.jsonl", &[start("r-2", 4), void("r-2", "s", 0)]);
    let open = |rows: &Rows| -> Vec<(u64, bool)> {
        let state = |row| match rows.get(row) {
            Some(Row::Begun(steps)) => match steps[0].state() {
                StepState::Open(open) => (open.since, open.here),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        ["r-0", "r-1", "r-2"].map(state).to_vec()
    };
    let seen = look(&folder.0, "job").unwrap();
    assert_eq!(open(&seen), [(5, false), (8, false), (6, false)]);
    for (index, here) in [(1, "r-1"), (2, "r-2")] {
        let (_journal, rows) = folder.open(Shard::new(index, 4).unwrap()).unwrap();
        let expected = [("r-0", 5), ("r-1", 8), ("r-2", 6)].map(|(row, at)| (at, row == here));
        assert_eq!(open(&rows), expected);
    }
}

/// A file that is there and cannot be opened must not be taken for a new one.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_opened_is_not_replaced() {
    let folder = Folder::new();
    fs::create_dir_all(&folder.0).unwrap();
    let path = folder.file("0-of-1.jsonl");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let error = folder.open(Shard::all()).unwrap_err().to_string();
    assert!(error.contains("0-of-1.jsonl: cannot be read"), "{error}");
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

/// Linux cannot sync this device.
#[cfg(target_os = "linux")]
const NULL: &str = "/dev/null";

#[cfg(target_os = "linux")]
#[test]
fn records_are_synced_to_their_file() {
    let mut null = OpenOptions::new().write(true).open(NULL).unwrap();
    assert!(writer::Disk::append(&mut null, b"line\n").is_ok());
    let error = writer::Disk::sync(&mut null).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_synced_is_an_error_unless_its_file_system_cannot() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    let missing = sync_folder(&folder.0).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    assert!(sync_folder(Path::new(NULL)).is_ok());
    fs::create_dir_all(&folder.0).unwrap();
    assert!(sync_folder(&folder.0).is_ok());
    // Somebody else's, unless root runs this, who may read everything.
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o300)).unwrap();
    assert!(sync_folder(&folder.0).is_ok());
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
}

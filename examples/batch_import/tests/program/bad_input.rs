//! Files that cannot be imported: errors with line numbers, and nothing is sent.

use crate::child::run;
use crate::{Folder, import, quiet};

const GOOD: &str = r#"{"id":"a","name":"A"}"#;

#[test]
fn bad_files_are_errors_with_line_numbers_before_anything_is_sent() {
    let emulator = quiet().start().unwrap();
    let json = |line: &str| format!("{GOOD}\n\n{line}\n").into_bytes();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("f.jsonl", b"".to_vec(), "f.jsonl: there are no rows"),
        ("f.jsonl", b"\n \n".to_vec(), "f.jsonl: there are no rows"),
        ("f.csv", b"".to_vec(), "f.csv: there are no rows"),
        ("f.csv", b"id,name\n".to_vec(), "f.csv: there are no rows"),
        (
            "f.jsonl",
            json("{"),
            "f.jsonl:3: EOF while parsing an object",
        ),
        ("f.jsonl", json("x"), "f.jsonl:3: expected value (column 1)"),
        (
            "f.jsonl",
            json(r#"{"name":"B"}"#),
            "f.jsonl:3: missing field `id`",
        ),
        (
            "f.jsonl",
            json(r#"{"id":"","name":"B"}"#),
            "f.jsonl:3: the id is missing",
        ),
        (
            "f.jsonl",
            json(r#"{"id":null,"name":"B"}"#),
            "f.jsonl:3: an id, a text or a whole number",
        ),
        (
            "f.jsonl",
            json(r#"{"id":1.5,"name":"B"}"#),
            "f.jsonl:3: an id, a text or a whole number",
        ),
        (
            "f.jsonl",
            json(r#"{"id":"b"}"#),
            "f.jsonl:3: missing field `name`",
        ),
        (
            "f.jsonl",
            json(r#"{"id":"b","name":" "}"#),
            "f.jsonl:3: the name is missing",
        ),
        (
            "f.jsonl",
            json(r#"{"id":"a","name":"B"}"#),
            "f.jsonl:3: the id \"a\" is also in line 1",
        ),
        (
            "f.jsonl",
            json(r#"{"id":"b","name":"B","desc":"x"}"#),
            "f.jsonl:3: unknown field `desc`",
        ),
        (
            "f.jsonl",
            json(r#"{"id":"b","name":"B","knowledge":"x"}"#),
            "f.jsonl:3: invalid type: string",
        ),
        (
            "f.jsonl",
            json(r#"{"id":"b","name":"B","knowledge":[{"name":"x"}]}"#),
            "f.jsonl:3: missing field `content`",
        ),
        (
            "f.jsonl",
            [&json("")[..], b"{\"id\":\"\xff\"}"].concat(),
            "f.jsonl:4: invalid UTF-8 after byte 7",
        ),
        (
            "f.json",
            format!("[{GOOD}]").into_bytes(),
            "f.json:1: expected one JSON object a line",
        ),
        (
            "f.csv",
            b"name\nA\n".to_vec(),
            "f.csv:1: the column \"id\" is missing",
        ),
        (
            "f.csv",
            b"id,nom\na,A\n".to_vec(),
            "f.csv:1: the column \"name\" is missing",
        ),
        (
            "f.csv",
            b"id,name,nom\na,A,x\n".to_vec(),
            "f.csv:1: unknown column \"nom\"",
        ),
        (
            "f.csv",
            b"id,name,id\na,A,b\n".to_vec(),
            "f.csv:1: the column \"id\" is given twice",
        ),
        (
            "f.csv",
            b"id,name\na,A\nb\n".to_vec(),
            "f.csv:3: 1 fields, expected 2",
        ),
        (
            "f.csv",
            b"id,name\n\"a\nb\",A\n,B\n".to_vec(),
            "f.csv:4: the id is missing",
        ),
        (
            "f.csv",
            b"id,name\na,A\na,B\n".to_vec(),
            "f.csv:3: the id \"a\" is also in line 2",
        ),
        (
            "f.csv",
            b"id,name\na,\xff\n".to_vec(),
            "f.csv:2: invalid UTF-8",
        ),
        (
            "f.csv",
            b"id,name,knowledge\na,A,x\n".to_vec(),
            "f.csv:2: the column \"knowledge\": expected value",
        ),
    ];
    for (name, content, says) in cases {
        let folder = Folder::new();
        let input = folder.write(name, &content);
        for more in [&[][..], &["--dry-run"]] {
            let ended = run(&mut import(&emulator, &input, &folder.journal(), more));
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(ended.stderr.contains(says), "{says}: {ended:?}");
            assert!(ended.stdout.is_empty(), "{ended:?}");
        }
        assert!(!folder.journal().exists());
    }
    assert!(emulator.requests().is_empty());
}

#[test]
fn all_problems_of_a_file_are_told_up_to_a_limit() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let input = folder.write("f.jsonl", "x\n".repeat(50));
    let ended = run(&mut import(&emulator, &input, &folder.journal(), &[]));
    assert!(ended.stderr.contains("f.jsonl:20: "), "{ended:?}");
    assert!(!ended.stderr.contains("f.jsonl:21: "), "{ended:?}");
    assert!(ended.stderr.contains("f.jsonl: and 30 more"), "{ended:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let input = folder.0.join("absent.csv");
    let ended = run(&mut import(&emulator, &input, &folder.journal(), &[]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("absent.csv: No such file or directory"),
        "{ended:?}"
    );
}

/// What spreadsheets write: a byte order mark, line ends of Windows, quotes.
#[test]
fn files_of_spreadsheets_are_read() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let text = "\u{feff}id,name,description\r\n1,\"A, \"\"B\"\"\",\"two\r\nlines\"\r\n\r\n2,C,\r\n";
    let input = folder.write("f.csv", text);
    let ended = run(&mut import(&emulator, &input, &folder.journal(), &[]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let names: Vec<_> = crate::made(&emulator).into_keys().collect();
    assert_eq!(names, ["A, \"B\"", "C"]);
    // An id may be a number in JSON.
    let input = folder.write("f", "{\"id\":3,\"name\":\"D\",\"knowledge\":null}\r\n");
    let ended = run(&mut import(&emulator, &input, &folder.0.join("other"), &[]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

//! Agents as files, and knowledge bases from files.

use std::env;
use std::fs;
use std::path::PathBuf;

use super::*;

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = env::temp_dir().join(format!("bimpe-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("sub")).unwrap();
        Folder(folder)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn names(emulator: &Emulator, agent: &str) -> Vec<String> {
    let list = json(emulator, &["kb", "list", agent]);
    let items = list.as_array().unwrap().iter();
    items
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_agent_is_exported_planned_and_applied() {
    let emulator = Emulator::start().unwrap();
    let folder = Folder::new("apply");
    let file = folder.file(
        "agent.json",
        r#"{"name": "Scribe", "description": "Takes notes.",
            "workflow": {"system_prompt": "You take notes."},
            "knowledge_bases": [{"name": "Glossary", "content": "ETA: time of arrival."}]}"#,
    );
    let planned = ends(&emulator, &["agents", "plan", &file], 0).stdout;
    assert!(planned.contains("+ agent \"Scribe\"\n"), "{planned}");
    assert_eq!(child::agents(&emulator), 0);
    let applied = ends(&emulator, &["agents", "apply", &file], 0);
    assert_eq!(applied.stdout, planned);
    let id = applied.stderr.split_whitespace().nth(1).unwrap();

    // From standard input, by default and by name.
    let exported = ends(&emulator, &["agents", "export", id], 0).stdout;
    for arguments in [&["agents", "apply"][..], &["agents", "plan", "-"]] {
        let unchanged = ends_with_input(&emulator, arguments, &exported, 0);
        assert_eq!(unchanged.stdout, "", "{unchanged:?}");
        assert!(
            unchanged.stderr.contains("nothing to change"),
            "{unchanged:?}"
        );
    }
    let changed = exported.replace("Takes notes.", "Takes many notes.");
    let plan = ends_with_input(&emulator, &["agents", "plan", "--json"], &changed, 0).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(
        (&plan[0]["action"], &plan[0]["fields"][0]),
        (&"~".into(), &"description".into())
    );
    let done = ends_with_input(&emulator, &["agents", "apply", "--json"], &changed, 0).stdout;
    let done: Value = serde_json::from_str(&done).unwrap();
    assert_eq!((&done["agent_id"], &done["changes"]), (&id.into(), &plan));

    ends_with_input(&emulator, &["agents", "plan"], "{\"nme\": 1}", 1);
    ends(&emulator, &["agents", "plan", "/no/such/file"], 1);
}

#[test]
fn knowledge_is_added_from_files_folders_pages_and_standard_input() {
    let emulator = Emulator::start().unwrap();
    let agent = child::client(&emulator)
        .agents()
        .create(bimpeai::agents::CreateAgent::new("Ada"))
        .send()
        .unwrap()
        .id;
    let folder = Folder::new("kb");
    let menu = folder.file("menu.md", "Margherita pizza is £12.\nLasagne is £14.");
    folder.file("sub/history.txt", &"A sentence about pizza. ".repeat(200));
    folder.file(".hidden", "not this");
    folder.file("empty.txt", "\n");
    let image = folder.file("image.png", "");
    fs::write(&image, b"\x89PNG\xff").unwrap();
    let path = folder.0.to_str().unwrap().to_owned();

    let added = ends(
        &emulator,
        &["kb", "add", &agent, &path, "HTTPS://example.com/hours"],
        0,
    );
    for skipped in ["empty.txt", "image.png"] {
        assert!(added.stderr.contains(skipped), "{added:?}");
    }
    ends(&emulator, &["kb", "add", &agent, &image], 1);
    let expected = [
        "menu",
        "sub/history (1/2)",
        "sub/history (2/2)",
        "HTTPS://example.com/hours",
    ];
    assert_eq!(names(&emulator, &agent), expected);
    let table = ends(&emulator, &["kb", "list", &agent], 0).stdout;
    assert!(
        table.contains("  text  Margherita pizza is £12.\n"),
        "{table}"
    );

    // Again: the same file is an update.
    let again = ends(&emulator, &["kb", "add", &agent, &path], 0);
    assert!(again.stderr.contains("nothing to change"), "{again:?}");
    folder.file("menu.md", "Margherita pizza is £13.");
    let updated = ends(&emulator, &["kb", "add", &agent, &menu], 0).stdout;
    assert_eq!(updated, "~ knowledge base \"menu\": content\n");

    let arguments = [
        "kb",
        "add",
        &agent,
        "-",
        "--name",
        "Hours",
        "--description",
        "When",
        "--json",
    ];
    let added = ends_with_input(&emulator, &arguments, "We open at noon.", 0).stdout;
    assert_eq!(
        serde_json::from_str::<Value>(&added).unwrap()[0]["name"],
        "Hours"
    );
    ends(
        &emulator,
        &["kb", "add", &agent, &path, "--name", "Both"],
        2,
    );

    let list = json(&emulator, &["kb", "list", &agent]);
    let id = list[0]["id"].as_str().unwrap();
    ends(&emulator, &["kb", "rm", &agent, id], 2);
    let typo = ends(&emulator, &["kb", "rm", &agent, "kb_typo", "--yes"], 1);
    assert!(
        typo.stderr.contains("no knowledge base \"kb_typo\""),
        "{typo:?}"
    );
    ends(&emulator, &["kb", "rm", &agent, id, "--yes"], 0);
    assert!(!names(&emulator, &agent).contains(&"menu".to_owned()));
}

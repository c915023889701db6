//! The files for GNU parallel, Slurm and Kubernetes, as far as they can be run here.

use std::path::{Path, PathBuf};
use std::process::Command;

use bimpeai::emulator::{Emulator, Fault};

use crate::child::{Ended, example, run};
use crate::{Folder, assert_each_once, quiet};

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs a script with stand-ins for the programs that it needs.
fn script(name: &str, emulator: &Emulator, folder: &Folder) -> Command {
    let mut command = Command::new("sh");
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .arg(beside(name))
        .arg(folder.rows(24))
        .env("PATH", format!("{}:{path}", folder.0.display()))
        .env("BATCH_IMPORT", example("batch_import").get_program())
        .env("BIMPEAI_API_KEY", emulator.api_key())
        .env("BIMPEAI_BASE_URL", emulator.base_url())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command
}

#[cfg(unix)]
fn write_program(folder: &Folder, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;

    let path = folder.write(name, text);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).unwrap();
}

/// Runs `parallel.sh` with GNU parallel, or says why not.
fn parallel(emulator: &Emulator, folder: &Folder) -> Option<Command> {
    let real = std::env::var("PATH").unwrap_or_default();
    let is_here = std::env::split_paths(&real).any(|folder| folder.join("parallel").exists());
    if !is_here {
        println!("did not run: GNU parallel is not installed");
        return None;
    }
    let mut command = script("parallel.sh", emulator, folder);
    // It keeps files there.
    command.env("HOME", &folder.0);
    Some(command)
}

#[test]
fn gnu_parallel_runs_all_shards_and_then_those_that_failed() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let start = || parallel(&emulator, &folder);
    let Some(mut command) = start() else { return };
    // Refused until the second run: some shards fail.
    let refused = Fault::status(422).on("POST", "/agents");
    emulator.fault(refused.every(7).times(3));
    let first = run(command.arg("4"));
    assert!(matches!(first.code, Some(1..=4)), "{first:?}");
    let second = run(start().unwrap().arg("4"));
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_each_once(&emulator, 24);
    // Nothing is left, and so nothing is run.
    let third: Ended = run(start().unwrap().arg("4"));
    assert_eq!((third.code, &*third.stdout), (Some(0), ""), "{third:?}");
}

/// They wait for the API, so that their number does not depend on the number of CPUs.
#[test]
fn gnu_parallel_runs_all_shards_at_once() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let Some(mut command) = parallel(&emulator, &folder) else {
        return;
    };
    let shards = std::thread::available_parallelism().unwrap().get() + 2;
    let waits = format!(
        "#!/bin/sh\ncd '{}' || exit\n: >started-$$\nfor _ in $(seq 200); do\n\
         [ $(ls started-* | wc -l) -lt {shards} ] || exit 0\nsleep 0.1\ndone\nexit 9\n",
        folder.0.display()
    );
    write_program(&folder, "waits", &waits);
    command.env("BATCH_IMPORT", folder.0.join("waits"));
    let ended = run(command.arg(shards.to_string()));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn gnu_parallel_takes_paths_with_spaces_and_quotes() {
    let emulator = quiet().start().unwrap();
    let outer = Folder::new();
    let folder = outer.0.join("Ada's \"new\" $agents");
    std::fs::create_dir(&folder).unwrap();
    let folder = Folder(folder);
    let Some(mut command) = parallel(&emulator, &folder) else {
        return;
    };
    let ended = run(command.arg("3"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_each_once(&emulator, 24);
}

#[test]
fn another_number_of_shards_continues_a_run_of_gnu_parallel() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let Some(mut command) = parallel(&emulator, &folder) else {
        return;
    };
    // The last shard fails.
    let program = example("batch_import");
    let fails = format!(
        "#!/bin/sh\ncase $* in *2/3*) exit 3; esac\nexec '{}' \"$@\"\n",
        program.get_program().display()
    );
    write_program(&folder, "fails", &fails);
    command.env("BATCH_IMPORT", folder.0.join("fails"));
    let first = run(command.arg("3"));
    assert_eq!(first.code, Some(1), "{first:?}");
    let second = run(parallel(&emulator, &folder).unwrap().arg("4"));
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_each_once(&emulator, 24);
}

#[test]
fn gnu_parallel_imports_rows_that_were_added_to_the_file() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let start = || parallel(&emulator, &folder);
    let Some(mut command) = start() else { return };
    folder.rows(10);
    let first = run(command.arg("3"));
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_each_once(&emulator, 10);
    let second = run(start().unwrap().arg("3"));
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_each_once(&emulator, 24);
}

/// The log goes with the journal.
#[test]
fn gnu_parallel_imports_everything_again_without_the_journal() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    let start = || parallel(&emulator, &folder);
    let Some(mut command) = start() else { return };
    let first = run(command.arg("2"));
    assert_eq!(first.code, Some(0), "{first:?}");
    std::fs::remove_dir_all(folder.0.join("agents.jsonl.journal")).unwrap();
    let second = run(start().unwrap().arg("2"));
    assert_eq!(second.code, Some(0), "{second:?}");
    // The emulator remembers the requests, and replays its responses.
    assert!(second.stdout.contains(r#""finished":"#), "{second:?}");
    assert_each_once(&emulator, 24);
}

/// `srun` and `scontrol` are scripts here; a task that is interrupted asks to be requeued.
#[test]
fn a_slurm_task_takes_its_shard_and_is_requeued_if_it_was_interrupted() {
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    write_program(&folder, "srun", "#!/bin/sh\nshift\nexec \"$@\"\n");
    write_program(
        &folder,
        "scontrol",
        &format!("#!/bin/sh\necho \"$@\" >> {}/asked\n", folder.0.display()),
    );
    let task = |id: &str| {
        let mut command = script("slurm.sh", &emulator, &folder);
        command
            .env("SLURM_ARRAY_JOB_ID", "77")
            .env("SLURM_ARRAY_TASK_ID", id)
            .env("SLURM_ARRAY_TASK_COUNT", "3")
            .env("SLURM_ARRAY_TASK_MIN", "10")
            .env("SLURM_ARRAY_TASK_MAX", "14")
            .env("SLURM_ARRAY_TASK_STEP", "2");
        command
    };
    for id in ["10", "12", "14"] {
        let ended = run(&mut task(id));
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    assert_each_once(&emulator, 24);
    assert!(!folder.0.join("asked").exists());
    // A program that is interrupted.
    write_program(&folder, "interrupted", "#!/bin/sh\nexit 130\n");
    let ended = run(task("12").env("BATCH_IMPORT", folder.0.join("interrupted")));
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let asked = std::fs::read_to_string(folder.0.join("asked")).unwrap();
    assert_eq!(asked, "requeue 77_12\n");
}

/// The numbers that have to agree, and a rule for each exit code.
#[test]
fn the_kubernetes_job_counts_its_shards_and_has_a_rule_for_each_exit_code() {
    let text = std::fs::read_to_string(beside("kubernetes.yaml")).unwrap();
    let after = |name: &str| {
        let (_, rest) = text.split_once(name).unwrap_or_else(|| panic!("{name}"));
        let number: String = rest.chars().skip_while(|c| !c.is_ascii_digit()).collect();
        number
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(after("completions:"), after("BIMPEAI_SHARD_COUNT\n"));
    // Required by the schema until Kubernetes 1.33.
    let (_, condition) = text.split_once("- type: DisruptionTarget\n").unwrap();
    assert!(condition.trim_start().starts_with("status: \"True\"\n"));
    let (_, rules) = text.split_once("rules:").unwrap();
    let mut codes = Vec::new();
    for line in rules.lines().filter(|line| line.contains("values: [")) {
        let (_, list) = line.split_once('[').unwrap();
        let list = list.trim_end_matches(']').split(", ");
        codes.extend(list.map(|code| code.parse::<u8>().unwrap()));
    }
    codes.sort();
    assert_eq!(codes, [1, 2, 3, 4, 5, 130, 137, 143]);
}

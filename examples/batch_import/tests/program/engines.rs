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

#[test]
fn gnu_parallel_runs_all_shards_and_then_those_that_failed() {
    let real = std::env::var("PATH").unwrap_or_default();
    let is_here = std::env::split_paths(&real).any(|folder| folder.join("parallel").exists());
    if !is_here {
        println!("did not run: GNU parallel is not installed");
        return;
    }
    let (emulator, folder) = (quiet().start().unwrap(), Folder::new());
    // Refused until the second run: some shards fail.
    let refused = Fault::status(422).on("POST", "/agents");
    emulator.fault(refused.every(7).times(3));
    let mut command = script("parallel.sh", &emulator, &folder);
    let first = run(command.arg("4"));
    assert!(matches!(first.code, Some(1..=4)), "{first:?}");
    let mut command = script("parallel.sh", &emulator, &folder);
    let second = run(command.arg("4"));
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_each_once(&emulator, 24);
    // Nothing is left, and so nothing is run.
    let mut command = script("parallel.sh", &emulator, &folder);
    let third: Ended = run(command.arg("4"));
    assert_eq!((third.code, &*third.stdout), (Some(0), ""), "{third:?}");
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

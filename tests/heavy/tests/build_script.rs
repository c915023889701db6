//! `examples/build_script`: cargo builds it in a folder of its own, without a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::agents::CreateAgent;
use bimpeai::emulator::{Emulator, Fault};

/// A build that takes longer is ended, and the test fails. The first one compiles the crate.
const PATIENCE: Duration = Duration::from_secs(240);

struct Package {
    folder: PathBuf,
}

impl Package {
    /// Copies the example out of the repository, with the dependency versions of the workspace.
    fn new() -> Package {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let example = root.join("examples/build_script");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_script");
        fs::create_dir_all(folder.join("src")).unwrap();
        for file in ["agent.json", "build.rs", "src/main.rs"] {
            fs::copy(example.join(file), folder.join(file)).unwrap();
        }
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let manifest = fs::read_to_string(example.join("Cargo.toml")).unwrap();
        let path = format!("path = {:?}", root.canonicalize().unwrap());
        let here = manifest.replace(r#"path = "../..""#, &path);
        assert_ne!(here, manifest);
        fs::write(folder.join("Cargo.toml"), here).unwrap();
        Package { folder }
    }

    /// Builds and runs the program. Without TLS, because that is most of the time.
    fn run(&self, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--offline", "--no-default-features"]);
        command.current_dir(&self.folder);
        for name in ["BIMPEAI_API_KEY", "BIMPEAI_BASE_URL", "BIMPEAI_AGENT_ID"] {
            command.env_remove(name);
        }
        command.env("CARGO_TARGET_DIR", self.folder.join("target"));
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        command.envs(variables.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        // What it prints fits into the pipes.
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                child.kill().unwrap();
                panic!("the build does not end");
            }
            thread::sleep(Duration::from_millis(10));
        }
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn prints(&self, variables: &[(&str, &str)], line: &str, warning: &str) {
        let output = self.run(variables);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), line);
        assert!(stderr.contains(warning), "{stderr}");
        assert_eq!(warning.is_empty(), !stderr.contains("warning"), "{stderr}");
    }

    #[track_caller]
    fn fails(&self, variables: &[(&str, &str)], why: &str) {
        let output = self.run(variables);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{output:?}");
        assert!(stderr.contains(why), "{stderr}");
    }
}

// One test, because cargo builds one after the other in this folder.
#[test]
fn the_build_checks_the_agent_or_uses_the_cached_values() {
    let package = Package::new();
    let cached = "Front desk (agt_example)\n";
    package.prints(&[], cached, "BIMPEAI_API_KEY is not set");

    let emulator = Emulator::start().unwrap();
    let client = emulator.client_builder().build().unwrap();
    let name = "\"Ada\" \\ \u{1b} {}";
    let agent = client.agents().create(CreateAgent::new(name)).send();
    let agent = agent.unwrap().id;
    let variables = [
        ("BIMPEAI_API_KEY", emulator.api_key()),
        ("BIMPEAI_BASE_URL", emulator.base_url()),
        ("BIMPEAI_AGENT_ID", &agent),
    ];
    package.prints(&variables, &format!("{name} ({agent})\n"), "");

    package.fails(&variables[..2], "404");
    let mut wrong_key = variables;
    wrong_key[0].1 = "sk_wrong";
    package.fails(&wrong_key, "401");

    // The agent cannot be checked in time.
    emulator.fault(Fault::stall().times(100));
    let started = Instant::now();
    let mut other = variables;
    let slash = format!("{}/", emulator.base_url());
    other[1].1 = &slash;
    package.prints(&other, cached, "using agent.json");
    assert!(started.elapsed() < Duration::from_secs(25), "not bounded");

    let mut nobody = variables;
    nobody[1].1 = "http://127.0.0.1:9";
    package.prints(&nobody, cached, "using agent.json");
}

//! A job in a process of its own, which can be killed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bimpeai::Client;
use bimpeai::batch::{Batch, Shard};

use crate::fake::{make, rows};

/// Returns a command that runs the job of `make`; settings are variables that start with `TEST_`.
pub(crate) fn command(base_url: &str, key: &str, journal: &Path, count: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child::run", "--ignored", "--nocapture"])
        .env("BIMPEAI_API_KEY", key)
        .env("BIMPEAI_BASE_URL", base_url)
        .env("TEST_JOURNAL", journal)
        .env("TEST_ROWS", count.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
#[ignore = "the body of the processes that the other tests start"]
fn run() {
    let variable = |name: &str| std::env::var(name).ok();
    let number = |name: &str, default: u64| {
        variable(name).map_or(default, |text| text.parse::<u64>().unwrap())
    };
    let shard = variable("TEST_SHARD").map_or(Shard::all(), |text| text.parse().unwrap());
    let window = Duration::from_secs(number("TEST_WINDOW", 24 * 3600));
    let client = Client::builder_from_env().unwrap().build().unwrap();
    let result = Batch::new("job")
        .journal(variable("TEST_JOURNAL").unwrap())
        .shard(shard)
        .threads(3)
        .idempotency_window(window)
        .run(
            &client,
            rows(number("TEST_ROWS", 0) as usize),
            String::clone,
            |step, row| make(&client, step, row),
        );
    match result {
        Ok(report) => {
            println!("{report}{:?}", report.problems.first());
            std::process::exit(report.exit_code());
        }
        Err(error) => {
            println!("{error}");
            std::process::exit(1);
        }
    }
}

//! A forked process has a copy of its parent's memory: nothing random may be drawn from there.
#![cfg(unix)]
#![allow(unsafe_code)]

mod support;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bimpeai::agents::CreateAgent;
use support::{PATIENCE, Server};

mod libc {
    unsafe extern "C" {
        pub(crate) safe fn fork() -> i32;
        pub(crate) safe fn _exit(code: i32) -> !;
        pub(crate) safe fn kill(pid: i32, signal: i32) -> i32;
        pub(crate) unsafe fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    }
    pub(crate) const WNOHANG: i32 = 1;
    pub(crate) const SIGKILL: i32 = 9;
}

/// Runs `work` in a forked process and waits for its end.
fn in_a_fork(work: impl FnOnce()) {
    let pid = libc::fork();
    if pid == 0 {
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        libc::_exit(i32::from(worked.is_err()))
    }
    let until = Instant::now() + PATIENCE;
    let mut status = 0;
    // SAFETY: `status` lives until the call returns.
    while unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > until {
            libc::kill(pid, libc::SIGKILL);
            panic!("a forked process did not end in time");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(status, 0, "a forked process failed");
}

/// The logged delays before retries.
static DELAYS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Delays;

impl log::Log for Delays {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "bimpeai"
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = record.args().to_string();
            let delay = line.rsplit(' ').next().unwrap_or_default();
            DELAYS.lock().unwrap().push(delay.to_owned());
        }
    }

    fn flush(&self) {}
}

/// A single test, because `fork` copies only the calling thread.
#[test]
fn forked_processes_generate_different_ids_and_delays() {
    log::set_logger(&Delays).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let server = Server::responding(|connection, request, _| {
        match request.header("x-delays") {
            None if request.text().contains("fails once") => connection.respond(503, &[], "{}"),
            _ => connection.data(r#"{"id":"agt_1"}"#),
        };
    });
    let create = |name: &str| {
        // A child must not use a connection of its parent's pool.
        let client = server.builder().max_retries(1).build().unwrap();
        let _ = client.agents().create(CreateAgent::new(name)).send();
        client
    };
    // Whatever generator the parent has is used once, and so has its state.
    create("fails once");
    let before = server.take_requests().len();
    assert_eq!(before, 2);
    for _ in 0..2 {
        in_a_fork(|| {
            DELAYS.lock().unwrap().clear();
            let client = create("fails once");
            let delays = DELAYS.lock().unwrap().join(" ");
            let report = client.agents().retrieve("agt_1");
            report.header("x-delays", delays).send().unwrap();
        });
    }
    let requests = server.requests();
    let of = |name: &str| -> Vec<String> {
        let values = requests.iter().filter_map(|request| request.header(name));
        values.map(str::to_owned).collect()
    };
    let keys = of("idempotency-key");
    assert_eq!(keys.len(), 4, "{keys:?}");
    assert_eq!(keys[0], keys[1], "one key for all attempts");
    assert_ne!(keys[0], keys[2], "one key for the writes of two processes");
    let ids = of("x-request-id");
    assert_ne!(ids[0], ids[3], "one request id for two processes: {ids:?}");
    let delays = of("x-delays");
    assert!(delays[0].ends_with("ms"), "{delays:?}");
    assert_ne!(delays[0], delays[1], "both processes retry in one moment");
}

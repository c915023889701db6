//! How long 64 threads take to end after `Client::shutdown`: in one state after the other, and in all
//! states at once.
//!
//! ```text
//! cargo bench --bench shutdown
//! ```
//!
//! The limit is 10 ms at the 99th percentile. The server is a process of its own: the end of its
//! threads is not that of this crate.

#[path = "../tests/support/states.rs"]
mod states;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::Client;
use states::{STATES, Stage, THREADS};

const ROUNDS: usize = 20;
const LIMIT: Duration = Duration::from_millis(10);

/// Time for the threads to get into their states.
const SETTLE: Duration = Duration::from_millis(400);

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    let server = Server::start();
    println!("{THREADS} threads, {ROUNDS} times, from shutdown() to the end of each\n");
    println!("{:28} {:>10} {:>10} {:>10}", "state", "p50", "p99", "most");
    let mut missed = false;
    for (state, (name, _)) in STATES.iter().enumerate() {
        missed |= server.measure(name, |_| state);
    }
    missed |= server.measure("all of them", |thread| thread % STATES.len());
    let missed = if missed { "  MISSED" } else { "" };
    println!("\nlimit at the 99th percentile: {LIMIT:?}{missed}");
}

/// Runs the emulator until the parent is gone.
fn serve() {
    let emulator = states::emulator();
    let stage = Stage::new(&emulator);
    println!("{}", emulator.base_url());
    println!("{}", emulator.api_key());
    println!("{}\n{}\n{}", stage.agent, stage.conversation, stage.call);
    let _ = std::io::stdin().read(&mut [0]);
}

struct Server {
    process: Child,
    words: Vec<String>,
}

impl Server {
    fn start() -> Self {
        let this = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(this);
        command
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command.spawn().expect("a server");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let words = lines.take(5).map(|line| line.expect("a line")).collect();
        Server { process, words }
    }

    /// A client of its own for each round.
    fn stage(&self) -> Stage {
        let [base_url, key, agent, conversation, call] = &self.words[..] else {
            panic!("the server has not started");
        };
        Stage {
            client: Client::builder(key)
                .base_url(base_url)
                .build()
                .expect("a client"),
            agent: agent.clone(),
            conversation: conversation.clone(),
            call: call.clone(),
        }
    }

    /// Prints how long the threads took, and returns whether the limit was missed.
    fn measure(&self, name: &str, state_of: impl Fn(usize) -> usize) -> bool {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let stage = self.stage();
            let (sender, ends) = channel();
            // One job with all threads, instead of a job for each.
            let is_job = name == "in a step of a batch";
            for thread in 0..if is_job { 1 } else { THREADS } {
                let state = state_of(thread);
                let (sender, client) = (sender.clone(), stage.client.clone());
                let work = stage.work(state);
                thread::spawn(move || {
                    let was_cancelled = match is_job {
                        true => states::batch(&client, THREADS),
                        false => work(),
                    };
                    let _ = sender.send((was_cancelled, Instant::now()));
                });
            }
            drop(sender);
            thread::sleep(SETTLE);
            let started = Instant::now();
            stage.client.shutdown();
            for (was_cancelled, at) in ends {
                assert!(was_cancelled, "{name}");
                times.push(at.saturating_duration_since(started));
            }
        }
        times.sort();
        let percentile = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        println!(
            "{name:28} {:>10.2?} {:>10.2?} {:>10.2?}",
            percentile(50),
            percentile(99),
            percentile(100),
        );
        percentile(99) >= LIMIT
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! Threads in every state that `Client::shutdown` ends, on the emulator.
#![allow(dead_code)]

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::agents::CreateAgent;
use bimpeai::batch::{Batch, StepError};
use bimpeai::calls::MakeCall;
use bimpeai::conversations::CreateConversationMessage;
use bimpeai::emulator::{Emulator, Fault};
use bimpeai::{Client, Error};

pub(crate) const THREADS: usize = 64;

const LONG: Duration = Duration::from_secs(600);

/// What a thread does, with a request that it has sent once it does so.
pub(crate) const STATES: [(&str, &str); 9] = [
    ("waiting for the head", "/agents/hang"),
    ("reading a body", "/agents/slow"),
    ("waiting before a retry", "/agents/failing"),
    ("iterating with prefetch", "/workflows"),
    ("on a stream", ""),
    ("waiting for a reply", ""),
    ("waiting for a phone call", "/calls/"),
    ("in a step of a batch", "/agents/hang"),
    // Last: it closes the gate.
    ("at the rate gate", "/agents/limited"),
];

/// A thread that ended.
pub(crate) struct Ended {
    pub(crate) state: &'static str,
    pub(crate) was_cancelled: bool,
    pub(crate) after: Duration,
}

/// Brings the threads into their states, shuts the client down and returns how each of them ended.
pub(crate) fn shut_down() -> Vec<Ended> {
    let emulator = emulator();
    let stage = Stage::new(&emulator);
    let ends = stage.start(&emulator);
    let started = Instant::now();
    stage.client.shutdown();
    let ended = (0..THREADS).map(|_| {
        let (state, was_cancelled, at) = ends.recv_timeout(LONG).expect("the thread ends");
        Ended {
            state,
            was_cancelled,
            after: at.saturating_duration_since(started),
        }
    });
    let ended: Vec<_> = ended.collect();
    eventually("no socket remains", || emulator.open_connections() == 0);
    eventually("no thread remains", || threads() == 0);
    ended
}

/// Starts an emulator on which the states last.
pub(crate) fn emulator() -> Emulator {
    let emulator = Emulator::builder()
        .customer_writes(false)
        .late_replies(true)
        .reply_delay(LONG)
        .call_step(LONG);
    emulator.start().expect("an emulator")
}

/// A client, and what its threads work on.
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) agent: String,
    pub(crate) conversation: String,
    pub(crate) call: String,
}

impl Stage {
    pub(crate) fn new(emulator: &Emulator) -> Self {
        let client = emulator.client_builder().build().expect("a client");
        let agent = client.agents().create(CreateAgent::new("A")).send();
        let agent = agent.expect("an agent").id;
        let conversations = client.conversations().list(&agent).all();
        let conversation = conversations.expect("conversations").remove(0).id;
        emulator.assign_phone_number("+15550100", Some(&agent));
        let call = client
            .calls()
            .make(&agent, MakeCall::new("+15550123", true));
        let call = call.send().expect("a call").call_id.expect("an id");
        let faults = [
            (Fault::stall(), "/agents/hang"),
            (Fault::stall(), "/workflows"),
            (Fault::trickle(1, Duration::from_millis(20)), "/agents/slow"),
            (Fault::status(503).retry_after(50), "/agents/failing"),
            (Fault::status(429).retry_after(50), "/agents/limited"),
        ];
        for (fault, path) in faults {
            emulator.fault(fault.on("GET", path).times(usize::MAX));
        }
        Stage {
            client,
            agent,
            conversation,
            call,
        }
    }

    /// Starts all threads, and waits until each is in its state.
    fn start(&self, emulator: &Emulator) -> Receiver<(&'static str, bool, Instant)> {
        let (sender, receiver) = channel();
        let last = STATES.len() - 1;
        let mut per_state = [0; STATES.len()];
        (0..THREADS).for_each(|thread| per_state[thread % STATES.len()] += 1);
        emulator.clear_requests();
        for (state, count) in per_state.into_iter().enumerate() {
            if state == last {
                wait_for_all(emulator, &per_state);
            }
            for _ in 0..count {
                let (sender, work) = (sender.clone(), self.work(state));
                thread::spawn(move || {
                    let was_cancelled = work();
                    let _ = sender.send((STATES[state].0, was_cancelled, Instant::now()));
                });
            }
        }
        // The first of the last closes the gate; the others send nothing.
        eventually("a refusal", || sent(emulator, STATES[last].1) > 0);
        // Nothing tells when a thread waits for the gate.
        thread::sleep(Duration::from_millis(50));
        receiver
    }

    /// What a thread does; it returns whether it was cancelled.
    pub(crate) fn work(&self, state: usize) -> Box<dyn FnOnce() -> bool + Send> {
        let client = self.client.clone();
        let (agent, conversation) = (self.agent.clone(), self.conversation.clone());
        let call = self.call.clone();
        let (state, path) = STATES[state];
        Box::new(move || match state {
            "iterating with prefetch" => {
                let mut workflows = client.workflows().list().prefetch().into_iter();
                workflows.next().is_some_and(|item| is_cancelled(&item))
            }
            "on a stream" => {
                let messages = client.conversations().messages();
                let mut stream = messages.stream(agent, conversation).into_iter();
                // The questions of others are messages.
                let error = stream.find(Result::is_err);
                error.is_some_and(|item| is_cancelled(&item)) && stream.next().is_none()
            }
            "waiting for a reply" => {
                let question = CreateConversationMessage::new("?").conversation_id(conversation);
                let ask = client.conversations().ask(&agent, question);
                is_cancelled(&ask.deadline(LONG).send())
            }
            "waiting for a phone call" => is_cancelled(&client.calls().wait(agent, call).send()),
            "in a step of a batch" => batch(&client, 1),
            _ => {
                let id = path.rsplit('/').next().unwrap_or_default();
                is_cancelled(&client.agents().retrieve(id).send())
            }
        })
    }
}

fn wait_for_all(emulator: &Emulator, per_state: &[usize]) {
    let sends = |path: &str| {
        let states = STATES.iter().zip(per_state);
        let states = states.filter(|((_, known), _)| *known == path);
        states.map(|(_, count)| count).sum::<usize>()
    };
    for path in STATES.map(|(_, path)| path) {
        if !path.is_empty() && path != "/agents/limited" {
            eventually(path, || sent(emulator, path) >= sends(path));
        }
    }
    eventually("streams", || emulator.open_streams() == sends(""));
}

fn sent(emulator: &Emulator, path: &str) -> usize {
    let requests = emulator.requests();
    let requests = requests.iter().filter(|it| it.method == "GET");
    requests.filter(|it| it.path.contains(path)).count()
}

/// Runs a job with this number of rows and threads, each in a step that hangs. Returns whether it
/// was interrupted.
pub(crate) fn batch(client: &Client, threads: usize) -> bool {
    let memory = Path::new("/dev/shm");
    // The time of a disk is not that of this crate.
    let base = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    let folder = base.join(format!(
        "bimpeai-states-{}-{:?}",
        std::process::id(),
        thread::current().id()
    ));
    let report = Batch::new("states").journal(&folder).threads(threads).run(
        client,
        0..threads,
        |row| row.to_string(),
        |step, _| match step.send("read", client.agents().retrieve("hang")) {
            Ok(_) | Err(StepError::Name(_)) => Ok(()),
            Err(error) => Err(error.into()),
        },
    );
    let _ = std::fs::remove_dir_all(&folder);
    report.is_ok_and(|report| report.exit_code() == 130)
}

fn is_cancelled<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Cancelled(_)))
}

/// How many threads of the crate there are, those of the emulator excepted.
fn threads() -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0;
    };
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    // The system keeps 15 characters.
    let ours = [
        "bimpeai-prefetc",
        "bimpeai-stream",
        "bimpeai-batch-0",
        "bimpeai-journal",
    ];
    names.filter(|name| ours.contains(&name.trim())).count()
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < until, "not in time: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

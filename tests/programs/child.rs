//! Runs an example as a child process.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::Client;
use bimpeai::agents::{CreateAgent, CreateKnowledgeBase};
use bimpeai::emulator::Emulator;

/// A child that runs longer is killed, and its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// An example that uses the built-in emulator. Nothing of the test's environment reaches it.
pub(crate) fn example(name: &str) -> Command {
    // target/debug/deps/THIS -> target/debug/examples/NAME
    let here = std::env::current_exe().unwrap();
    let examples = here.parent().unwrap().parent().unwrap().join("examples");
    let program = examples.join(name);
    assert!(
        program.exists(),
        "{} is missing: cargo build --examples",
        program.display()
    );
    let mut command = Command::new(program);
    command.env_clear();
    command.current_dir(std::env::temp_dir());
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

/// An example that takes `emulator` for the real API.
pub(crate) fn example_with_key(name: &str, emulator: &Emulator) -> Command {
    let mut command = example(name);
    command.env("BIMPEAI_API_KEY", emulator.api_key());
    command.env("BIMPEAI_BASE_URL", emulator.base_url());
    command
}

/// An output that its reader has closed already.
pub(crate) fn closed() -> Stdio {
    let (_, output) = UnixStream::pair().unwrap();
    Stdio::from(OwnedFd::from(output))
}

/// An agent and its conversation on the emulator.
pub(crate) struct Talk {
    pub(crate) agent: String,
    pub(crate) conversation: String,
}

impl Talk {
    pub(crate) fn new(emulator: &Emulator) -> Talk {
        let client = client(emulator);
        let agents = client.agents();
        let agent = agents.create(CreateAgent::new("A")).send().unwrap().id;
        let menu = CreateKnowledgeBase::text("Menu", "Margherita pizza £12.");
        agents
            .knowledge_bases()
            .create(&agent, menu)
            .send()
            .unwrap();
        let conversations = client.conversations().list(&agent).send().unwrap();
        Talk {
            conversation: conversations.data[0].id.clone(),
            agent,
        }
    }

    pub(crate) fn ids(&self) -> [&str; 2] {
        [&self.agent, &self.conversation]
    }
}

pub(crate) fn client(emulator: &Emulator) -> Client {
    emulator.client_builder().build().unwrap()
}

pub(crate) fn agents(emulator: &Emulator) -> usize {
    client(emulator).agents().list().into_iter().count()
}

/// Waits until the emulator has received a request. An empty text is any.
pub(crate) fn received(emulator: &Emulator, method: &str, path_end: &str) {
    let until = Instant::now() + PATIENCE;
    let is_here = || {
        let requests = emulator.requests();
        let mut requests = requests.iter();
        requests.any(|it| it.method.starts_with(method) && it.path.ends_with(path_end))
    };
    while !is_here() {
        assert!(Instant::now() < until, "no {method} {path_end}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A folder of the test's own, which is removed at its end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Folder {
        let name = format!("bimpeai-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child that runs.
pub(crate) struct Running {
    child: Arc<Mutex<Child>>,
    pub(crate) stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<BufReader<ChildStderr>>,
    /// What was read already.
    seen: (String, String),
    _watch: mpsc::Sender<()>,
}

/// What a child left.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command.spawn().unwrap();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        let (_watch, ends) = mpsc::channel::<()>();
        let watched = child.clone();
        thread::spawn(move || {
            if ends.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = watched.lock().unwrap().kill();
            }
        });
        Running {
            child,
            stdin,
            stdout: stdout.map(BufReader::new),
            stderr: stderr.map(BufReader::new),
            seen: Default::default(),
            _watch,
        }
    }

    /// Reads standard output up to the line that contains `text`, and returns that line.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        let stdout = self.stdout.as_mut().expect("standard output is open");
        loop {
            let mut line = String::new();
            let read = stdout.read_line(&mut line).unwrap();
            self.seen.0.push_str(&line);
            if line.contains(text) {
                return line;
            }
            if read == 0 {
                let mut rest = String::new();
                let _ = self.stderr.as_mut().unwrap().read_to_string(&mut rest);
                panic!("no line with {text:?}: {:?} {rest}", self.seen);
            }
        }
    }

    /// Reads standard output up to `text`, which need not end a line.
    #[allow(dead_code)] // For programs in a terminal.
    pub(crate) fn part_with(&mut self, text: &str) {
        let stdout = self.stdout.as_mut().expect("standard output is open");
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(text) {
            let mut byte = [0];
            let read = stdout.read(&mut byte).unwrap();
            assert!(read > 0, "no {text:?}: {}", String::from_utf8_lossy(&bytes));
            bytes.push(byte[0]);
        }
        self.seen.0.push_str(&String::from_utf8_lossy(&bytes));
    }

    /// Reads standard error up to the line that contains `text`, and returns that line.
    pub(crate) fn error_line_with(&mut self, text: &str) -> String {
        let stderr = self.stderr.as_mut().expect("standard error is open");
        loop {
            let mut line = String::new();
            let read = stderr.read_line(&mut line).unwrap();
            self.seen.1.push_str(&line);
            if line.contains(text) {
                return line;
            }
            assert!(read > 0, "no line with {text:?}: {:?}", self.seen);
        }
    }

    pub(crate) fn type_line(&mut self, line: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(line.as_ref()).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    pub(crate) fn close_output(&mut self) {
        self.stdout = None;
    }

    pub(crate) fn close_errors(&mut self) {
        self.stderr = None;
    }

    pub(crate) fn signal(&self, name: &str) {
        self.signals(name, 1);
    }

    /// Sends a signal several times, with no time in between.
    pub(crate) fn signals(&self, name: &str, times: usize) {
        let id = self.child.lock().unwrap().id().to_string();
        let mut kill = Command::new("kill");
        kill.arg(name).args(vec![&id; times]);
        assert!(kill.status().unwrap().success());
    }

    /// Waits for its end, without reading what it writes.
    pub(crate) fn wait(&self) -> Option<i32> {
        // Not `wait`: it would keep the lock from the thread that kills the child.
        loop {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Reads the rest of what it writes, and waits for its end. Its input stays open.
    pub(crate) fn end(mut self) -> Ended {
        let (mut stdout, mut stderr) = std::mem::take(&mut self.seen);
        if let Some(mut it) = self.stdout.take() {
            it.read_to_string(&mut stdout).unwrap();
        }
        if let Some(mut it) = self.stderr.take() {
            it.read_to_string(&mut stderr).unwrap();
        }
        let code = self.wait();
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ended {
            code,
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a test that fails leaves it running.
        let _ = self.child.lock().unwrap().kill();
        let _ = self.child.lock().unwrap().wait();
    }
}

/// Runs a child to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    Running::start(command.stdin(Stdio::null())).end()
}

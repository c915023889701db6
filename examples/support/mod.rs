//! Shared by the examples: command line, output, exit codes and Ctrl-C.
//!
//! Exit codes: 0 success, also if the output was closed (`| head`); 1 failure; 2 usage error;
//! 4 authentication error; 130 interrupted.
#![allow(dead_code)] // No example uses all of it.

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bimpeai::agents::{CreateAgent, CreateKnowledgeBase};
use bimpeai::emulator::{Emulator, EmulatorBuilder};
use bimpeai::error::ApiErrorKind;
use bimpeai::workflows::WorkflowScope;
use bimpeai::{Client, Error};

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a program ends early.
pub(crate) enum Failure {
    /// The command line or the environment is wrong.
    Usage(String),
    /// A failure that is part of the output, with its exit code.
    Reported(u8),
    /// A call failed.
    Call(Error),
    /// Anything else failed.
    Other(String),
    /// The output was closed by its reader.
    OutputClosed,
    /// Ctrl-C, or another signal to end.
    Interrupted,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Call(error)
    }
}

/// Runs a program with the command line, reports its failure and returns its exit code.
///
/// Prints `usage` for `--help`. Ctrl-C, SIGTERM and SIGHUP end the program; see [`on_interrupt`].
pub(crate) fn run(
    name: &str,
    usage: &str,
    program: impl FnOnce(Vec<String>) -> Result<()>,
) -> ExitCode {
    run_with(name, Some(usage), |arguments| {
        if arguments.iter().any(|it| it == "--help" || it == "-h") {
            return print_raw(usage);
        }
        program(arguments)
    })
}

/// [`run`], for a program with subcommands: it prints their help itself.
pub(crate) fn run_with(
    name: &str,
    usage: Option<&str>,
    program: impl FnOnce(Vec<String>) -> Result<()>,
) -> ExitCode {
    let result = handle_interrupts().and_then(|()| program(arguments()?));
    if is_interrupted() {
        // A failure from then on is a consequence.
        if io::stderr().is_terminal() {
            note_raw(""); // after the terminal's `^C`
        }
        return ExitCode::from(INTERRUPTED);
    }
    let (code, message) = match &result {
        Ok(()) | Err(Failure::OutputClosed) => return ExitCode::SUCCESS,
        Err(Failure::Reported(code)) => return ExitCode::from(*code),
        Err(Failure::Interrupted) => (INTERRUPTED, "interrupted".to_owned()),
        Err(Failure::Usage(why)) => (2, why.clone()),
        Err(Failure::Call(error)) => (exit_code(error), error.to_string()),
        Err(Failure::Other(why)) => (1, why.clone()),
    };
    note(format_args!("{name}: {message}"));
    if let (Err(Failure::Usage(_)), Some(usage)) = (&result, usage) {
        note_raw(format_args!("\n{usage}"));
    }
    ExitCode::from(code)
}

/// Returns the exit code for a call that failed.
pub(crate) fn exit_code(error: &Error) -> u8 {
    match error {
        // Refused before anything was sent, such as an id that cannot be part of a path.
        Error::User(_) => 2,
        Error::Api(error) => match error.kind() {
            ApiErrorKind::Authentication | ApiErrorKind::PermissionDenied => 4,
            _ => 1,
        },
        _ => 1,
    }
}

/// Returns whether a call may have been placed although its request failed.
pub(crate) fn is_in_doubt(error: &Error) -> bool {
    let is_refused = matches!(error.status(), Some(400..=499)) && !error.is_retryable();
    error.may_have_been_sent() && !is_refused
}

fn arguments() -> Result<Vec<String>> {
    let arguments = std::env::args_os().skip(1);
    arguments
        .map(|argument| {
            argument.into_string().map_err(|argument| {
                Failure::Usage(format!("the argument {argument:?} is not valid UTF-8"))
            })
        })
        .collect()
}

/// The failure for an argument that a program does not take.
pub(crate) fn unexpected(argument: &str) -> Failure {
    Failure::Usage(match argument.starts_with('-') {
        true => format!("unknown option {argument:?}"),
        false => format!("unexpected argument {argument:?}"),
    })
}

/// Prints one line of output; see [`escape`].
///
/// Fails once the program is interrupted, so that it ends at its next line.
pub(crate) fn print(line: impl Display) -> Result<()> {
    print_raw(escape(line))
}

/// Prints a line in bold, if standard output is a terminal and `NO_COLOR` is not set.
pub(crate) fn print_bold(line: impl Display) -> Result<()> {
    let line = escape(line);
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if no_color || !io::stdout().is_terminal() {
        return print_raw(line);
    }
    print_raw(format_args!("\x1b[1m{line}\x1b[0m"))
}

/// Prints text of this program, which may have several lines, as it is.
pub(crate) fn print_raw(text: impl Display) -> Result<()> {
    if is_interrupted() {
        return Err(Failure::Interrupted);
    }
    // `println!` would panic if the output is closed.
    let mut out = io::stdout().lock();
    // One write, so that Ctrl-C leaves whole lines.
    out.write_all(format!("{text}\n").as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Other(format!("cannot write the output: {error}")),
        })
}

/// Prints one line on standard error, where it is not part of the output. Never fails.
pub(crate) fn note(line: impl Display) {
    note_raw(escape(line));
}

fn note_raw(text: impl Display) {
    // `eprintln!` would panic if standard error is closed, and there is nowhere to report that.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Replaces control characters, line breaks and text direction controls by escapes.
///
/// Text from customers and servers can then neither control the terminal nor forge a line.
pub(crate) fn escape(text: impl Display) -> String {
    let mut escaped = String::new();
    for c in text.to_string().chars() {
        let is_separator = matches!(c, '\u{2028}' | '\u{2029}');
        let is_direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || is_separator || is_direction {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Checks the variables that no client reads while `BIMPEAI_API_KEY` is unset.
pub(crate) fn check_environment() -> Result<()> {
    for name in ["BIMPEAI_API_KEY", "BIMPEAI_BASE_URL", "BIMPEAI_ALLOW_HTTP"] {
        if std::env::var_os(name).is_some_and(|value| value.to_str().is_none()) {
            return Err(Failure::Usage(format!("{name} is not valid UTF-8")));
        }
    }
    Ok(())
}

/// Returns a client of the API, or of a new emulator if `BIMPEAI_API_KEY` is unset. Ctrl-C shuts the
/// client down.
pub(crate) fn client(emulator: EmulatorBuilder) -> Result<(Client, Option<Emulator>)> {
    check_environment()?;
    let emulator = match std::env::var_os("BIMPEAI_API_KEY").is_some_and(|key| !key.is_empty()) {
        true => None,
        false => Some(start(emulator)?),
    };
    let client = second_client(emulator.as_ref())?;
    shut_down_on_interrupt(&client);
    Ok((client, emulator))
}

/// Returns a client that Ctrl-C does not shut down, for what has to be done after it.
pub(crate) fn second_client(emulator: Option<&Emulator>) -> Result<Client> {
    match emulator {
        Some(emulator) => Ok(emulator.client_builder().build()?),
        None => Client::from_env().map_err(|error| Failure::Usage(error.to_string())),
    }
}

fn start(emulator: EmulatorBuilder) -> Result<Emulator> {
    let emulator = emulator
        .start()
        .map_err(|error| Failure::Other(format!("cannot start the emulator: {error}")))?;
    note("BIMPEAI_API_KEY is not set: using the built-in emulator.");
    Ok(emulator)
}

/// Returns a client of the API. A missing key has its own exit code.
pub(crate) fn client_with_key() -> Result<Client> {
    check_environment()?;
    if std::env::var_os("BIMPEAI_API_KEY").is_none_or(|key| key.is_empty()) {
        note("BIMPEAI_API_KEY is not set: create a key in the console");
        return Err(Failure::Reported(4));
    }
    Client::from_env().map_err(|error| Failure::Usage(error.to_string()))
}

/// A conversation, with a client to use it.
pub(crate) struct Conversation {
    pub(crate) client: Client,
    pub(crate) agent_id: String,
    pub(crate) id: String,
    /// The emulator, if `BIMPEAI_API_KEY` is unset. It stops when it is dropped.
    pub(crate) emulator: Option<Emulator>,
}

/// Returns the conversation that the command line names or, without ids, a new one on the emulator.
pub(crate) fn conversation(ids: &[String], emulator: EmulatorBuilder) -> Result<Conversation> {
    let wrong = || Failure::Usage("expected an agent id and a conversation id".to_owned());
    if let Some(option) = ids.iter().find(|id| id.starts_with('-')) {
        return Err(unexpected(option));
    }
    if !matches!(ids.len(), 0 | 2) {
        return Err(wrong());
    }
    let (client, emulator) = client(emulator)?;
    let (agent_id, id) = match (ids, &emulator) {
        ([agent_id, id], _) => (agent_id.clone(), id.clone()),
        (_, Some(_)) => emulated_conversation(&client)?,
        _ => return Err(wrong()),
    };
    Ok(Conversation {
        client,
        agent_id,
        id,
        emulator,
    })
}

/// Creates an agent that knows a restaurant's menu, and returns its id and its conversation's.
fn emulated_conversation(client: &Client) -> Result<(String, String)> {
    let workflows = client
        .workflows()
        .list()
        .scope(WorkflowScope::Public)
        .search("restaurant")
        .send()?;
    let mut agent =
        CreateAgent::new("Restaurant assistant").description("Takes orders and books tables.");
    if let Some(workflow) = workflows.data.first() {
        agent = agent.workflow_id(&workflow.id);
    }
    let agent = client.agents().create(agent).send()?;
    let menu = CreateKnowledgeBase::text(
        "Menu",
        "Margherita pizza is £12. Lasagne is £14. We are open from 12:00 to 22:00 on Sundays.",
    );
    let knowledge_bases = client.agents().knowledge_bases();
    knowledge_bases.create(&agent.id, menu).send()?;
    let conversations = client.conversations().list(&agent.id).send()?;
    match conversations.data.first() {
        Some(conversation) => Ok((agent.id.clone(), conversation.id.clone())),
        None => Err(Failure::Other("the agent has no conversation".to_owned())),
    }
}

const INTERRUPTED: u8 = 130;

static INTERRUPT: Mutex<Interrupt> = Mutex::new(Interrupt {
    first: None,
    stop: None,
});

struct Interrupt {
    /// When the first signal arrived.
    first: Option<Instant>,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

/// Calls `stop` at Ctrl-C, on another thread. Replaces an earlier `stop`; without any, Ctrl-C ends
/// the program at once.
///
/// The program then has half a second to end by itself: it may be blocked in a write or in a call.
/// A second Ctrl-C ends it at once, provided that it is a second later than the first.
pub(crate) fn on_interrupt(stop: impl FnOnce() + Send + 'static) {
    let mut interrupt = INTERRUPT.lock().unwrap_or_else(PoisonError::into_inner);
    if interrupt.first.is_none() {
        interrupt.stop = Some(Box::new(stop));
        return;
    }
    drop(interrupt);
    stop();
}

/// Ends the calls, waits and streams of a client at Ctrl-C.
pub(crate) fn shut_down_on_interrupt(client: &Client) {
    let client = client.clone();
    on_interrupt(move || client.shutdown());
}

/// Whether the program was asked to end.
pub(crate) fn is_interrupted() -> bool {
    let interrupt = INTERRUPT.lock().unwrap_or_else(PoisonError::into_inner);
    interrupt.first.is_some()
}

fn handle_interrupts() -> Result<()> {
    ctrlc::set_handler(interrupt)
        .map_err(|error| Failure::Other(format!("cannot handle Ctrl-C: {error}")))
}

/// Handles a signal, on a thread of its own. Printing here could block, and so ignore Ctrl-C.
fn interrupt() {
    const SECOND_PRESS: Duration = Duration::from_secs(1);
    const TO_END: Duration = Duration::from_millis(500);
    let exit = || std::process::exit(INTERRUPTED.into());
    let mut interrupt = INTERRUPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(first) = interrupt.first {
        if first.elapsed() >= SECOND_PRESS {
            exit();
        }
        return;
    }
    interrupt.first = Some(Instant::now());
    let stop = interrupt.stop.take();
    drop(interrupt);
    let Some(stop) = stop else { exit() };
    let stopping = thread::Builder::new().spawn(move || {
        stop();
        thread::sleep(TO_END);
        exit();
    });
    if stopping.is_err() {
        exit();
    }
}

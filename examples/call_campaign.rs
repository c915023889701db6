//! Calls every number of a file, a few at once, and writes the transcript of each call.
//!
//! ```text
//! cargo run --example call_campaign -- AGENT_ID numbers.txt transcripts
//! ```
//!
//! The folder records what was done: run it again after an interruption, and it continues. A number
//! is never called twice: if it is not certain whether its phone rang, it is reported instead.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use bimpeai::Client;
use bimpeai::calls::{CallStatus, Calls, MakeCall};
use support::{Failure, print};

const USAGE: &str = "\
Usage: call_campaign [OPTIONS] AGENT_ID NUMBERS_FILE FOLDER

  --at-once N  how many calls may be active at once (default: 3)
  --test       make test calls
  --help       print this text

NUMBERS_FILE has a number with country code on each line, such as +2348012345678; # starts a comment.
FOLDER/NUMBER.txt is the transcript of a call that is over. FOLDER/NUMBER.call holds the id of a call
that is not; if it is empty, it is not certain whether the phone rang. Look into the console, then
delete the file to call the number.

Exit code: 0 if all calls are over, 1 if a number was not reached or is in doubt.
BIMPEAI_API_KEY and BIMPEAI_BASE_URL select the API.";

fn main() -> ExitCode {
    support::run("call_campaign", USAGE, call_campaign)
}

struct Campaign {
    calls: Calls,
    agent_id: String,
    folder: PathBuf,
    is_test: bool,
}

fn call_campaign(arguments: Vec<String>) -> support::Result<()> {
    let (mut names, mut at_once, mut is_test) = (Vec::new(), 3, false);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--test" => is_test = true,
            "--at-once" => {
                let number = arguments.next().and_then(|text| text.parse().ok());
                let number = number.filter(|number| (1..=100).contains(number));
                let wrong = || Failure::Usage("--at-once needs a number from 1 to 100".to_owned());
                at_once = number.ok_or_else(wrong)?;
            }
            option if option.starts_with('-') => return Err(support::unexpected(option)),
            _ => names.push(argument),
        }
    }
    let Ok([agent_id, file, folder]) = <[String; 3]>::try_from(names) else {
        let what = "expected an agent id, a file of numbers and a folder";
        return Err(Failure::Usage(what.to_owned()));
    };
    let client = support::client_with_key()?;
    let numbers = read_numbers(Path::new(&file))?;
    fs::create_dir_all(&folder).map_err(|error| failure(Path::new(&folder), &error))?;
    let campaign = Campaign {
        calls: client.calls(),
        agent_id,
        folder: folder.into(),
        is_test,
    };
    campaign.run(&client, &numbers, at_once)
}

impl Campaign {
    /// Calls all numbers. The first failure that concerns them all ends the campaign.
    fn run(
        &self,
        client: &Client,
        numbers: &BTreeSet<String>,
        at_once: usize,
    ) -> support::Result<()> {
        support::shut_down_on_interrupt(client);
        let queue = Mutex::new(numbers.iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let mut unreached = 0;
            while let Some(number) = next() {
                match self.call(number) {
                    Ok(true) => {}
                    Ok(false) => unreached += 1,
                    Err(error) => {
                        while next().is_some() {}
                        return Err(error);
                    }
                }
            }
            Ok(unreached)
        };
        let unreached = thread::scope(|scope| {
            let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().map(|worker| worker.join());
            ended
                .map(|it| it.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .sum::<support::Result<i32>>()
        })?;
        print(format_args!(
            "{} numbers, {unreached} not reached",
            numbers.len()
        ))?;
        if unreached > 0 {
            Err(Failure::Reported(1))
        } else {
            Ok(())
        }
    }

    /// Calls a number, or continues to wait for its call. Returns whether somebody was reached.
    fn call(&self, number: &str) -> support::Result<bool> {
        let transcript = self.folder.join(format!("{number}.txt"));
        let started = self.folder.join(format!("{number}.call"));
        if transcript.exists() {
            print(format_args!("{number}  done before"))?;
            return Ok(true);
        }
        let call_id = match fs::read_to_string(&started) {
            Ok(id) if id.is_empty() => {
                print(format_args!("{number}  in doubt: not called again"))?;
                return Ok(false);
            }
            Ok(id) => id,
            Err(_) => match self.make(number, &started)? {
                Some(id) => id,
                None => return Ok(false),
            },
        };
        let call = match self.calls.wait(&self.agent_id, &call_id).send() {
            Ok(call) => call,
            Err(error) => return self.report(number, error),
        };
        let text = format!("{}\n{}", call.status, call.transcript());
        save(&transcript, &text)?;
        let _ = fs::remove_file(&started); // the transcript counts
        let is_reached = call.status == CallStatus::Ended && call.answered_at.is_some();
        print(format_args!(
            "{number}  {}, {} messages",
            call.status,
            call.conversation_logs.len()
        ))?;
        Ok(is_reached)
    }

    /// Places a call, and records it before and after. Returns its id if there is one to wait for.
    fn make(&self, number: &str, started: &Path) -> support::Result<Option<String>> {
        // On the disk before the phone can ring. Fails if another run has just created it.
        File::create_new(started)
            .and_then(|file| file.sync_all())
            .map_err(|error| failure(started, &error))?;
        let call = MakeCall::new(number, self.is_test);
        match self.calls.make(&self.agent_id, call).send() {
            Ok(made) => match made.call_id {
                Some(id) => {
                    save(started, &id)?;
                    Ok(Some(id))
                }
                None => {
                    print(format_args!("{number}  {}", made.status))?;
                    forget(started)
                }
            },
            Err(error) if support::is_in_doubt(&error) => self.report(number, error).map(|_| None),
            Err(error) => {
                forget(started)?;
                self.report(number, error).map(|_| None)
            }
        }
    }

    /// Reports a failure of one number. One of all numbers, such as a wrong key, is an error.
    fn report(&self, number: &str, error: bimpeai::Error) -> support::Result<bool> {
        if error.is_cancelled() || support::exit_code(&error) != 1 {
            return Err(error.into());
        }
        print(format_args!("{number}  {error}"))?;
        Ok(false)
    }
}

/// Reads the numbers of a file. They become names of files, so nothing else may be in them.
fn read_numbers(file: &Path) -> support::Result<BTreeSet<String>> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::Other(format!("cannot read {file:?}: {error}")))?;
    let mut numbers = BTreeSet::new();
    for (at, line) in text.lines().enumerate() {
        let number = line.split('#').next().unwrap_or_default().trim();
        let digits = number.strip_prefix('+').unwrap_or_default();
        if number.is_empty() {
            continue;
        }
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let line = at + 1;
            return Err(Failure::Usage(format!(
                "{file:?}, line {line}: expected a number such as +2348012345678, got {number:?}"
            )));
        }
        numbers.insert(number.to_owned());
    }
    Ok(numbers)
}

/// Replaces a file, so that a crash leaves the old text or the new one.
fn save(path: &Path, text: &str) -> support::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path))
        .map_err(|error| failure(path, &error))
}

fn forget(started: &Path) -> support::Result<Option<String>> {
    fs::remove_file(started).map_err(|error| failure(started, &error))?;
    Ok(None)
}

fn failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Other(format!("cannot write {path:?}: {error}"))
}

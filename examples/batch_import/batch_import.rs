//! Imports agents with their knowledge bases from a CSV or JSON lines file. It can be killed at any
//! instant and started again, and can run as many processes side by side.
//!
//! ```text
//! cargo run --example batch_import -- --input agents.jsonl --journal import.journal
//! ```
//!
//! README.md, in this folder, shows it with GNU parallel, Slurm and Kubernetes.

mod input;
#[path = "../support/mod.rs"]
mod support;

use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bimpeai::Client;
use bimpeai::agents::{CreateAgent, CreateKnowledgeBase};
use bimpeai::batch::{Batch, Progress, Report, RowError, Shard, Step};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use input::Row;
use serde_json::json;
use support::{Failure, note};

const USAGE: &str = "\
Usage: batch_import --input FILE --journal FOLDER [OPTIONS]

  --input FILE      agents as CSV or JSON lines:
                    {\"id\": \"1\", \"name\": \"Ada\", \"description\": \"…\",
                     \"knowledge\": [{\"name\": \"Menu\", \"content\": \"…\"}]}
                    The columns of CSV are id, name, description and knowledge, which holds JSON.
  --journal FOLDER  what is done; the processes of one job share it
  --job NAME        name of the job (default: the name of FILE). Another name imports everything again
  --shard I/N       take the rows of shard I, counted from 0, of N (default: from BIMPEAI_SHARD or the
                    variables of Slurm, Kubernetes and others; else all rows)
  --threads N       rows that are worked on at once (default: 4)
  --workflow ID     workflow of all agents
  --idempotency-window SECONDS
                    how long the API remembers a request (default: 86400)
  --max-failures N  stop once N rows have failed
  --requests-per-minute N
                    this process's share of the API's rate limit (default: learn it from the API)
  --dry-run         check the file and print what is left to do; send nothing
  --help            print this text

Prints a summary on standard error, and one line of JSON on standard output.

Exit codes: 0 all rows are done; 1 the file or the journal cannot be used; 2 usage error; 3 some rows
failed, run it again; 4 authentication error; 5 some rows are in doubt, and somebody has to look;
130 interrupted.

BIMPEAI_API_KEY and BIMPEAI_BASE_URL select the API.";

fn main() -> ExitCode {
    support::run("batch_import", USAGE, batch_import)
}

fn batch_import(arguments: Vec<String>) -> support::Result<()> {
    let options = Options::parse(arguments).map_err(Failure::Usage)?;
    // Everything is checked before anything is sent.
    let rows = input::read(&options.input).map_err(|problems| {
        problems.iter().for_each(note);
        Failure::Other("nothing was sent".to_owned())
    })?;
    let plan = options
        .job()
        .plan(&rows, |row| row.id.clone())
        .map_err(|error| Failure::Other(error.to_string()))?;
    if options.dry_run {
        return support::print_raw(format_args!("{}", plan.to_string().trim_end()));
    }
    support::check_environment()?;
    let client = options
        .client()
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let stop = client.clone();
    support::on_interrupt(move || stop.shutdown());

    let shown = Shown::new(plan.to_do);
    let report = options
        .job()
        .on_progress(|progress| shown.progress(progress))
        .on_problem(|problem| shown.bar.suspend(|| note(problem)))
        .run(
            &client,
            rows,
            |row| row.id.clone(),
            |step, row| import(&client, step, row, options.workflow.as_deref()),
        )
        .map_err(|error| Failure::Other(error.to_string()))?;
    shown.bar.finish_and_clear();
    summarize(&report);
    match u8::try_from(report.exit_code()) {
        Ok(0) => Ok(()),
        Ok(code) => Err(Failure::Reported(code)),
        Err(_) => Err(Failure::Reported(1)),
    }
}

/// Creates an agent and its knowledge bases, each once.
fn import(
    client: &Client,
    step: &Step<'_>,
    row: &Row,
    workflow: Option<&str>,
) -> Result<(), RowError> {
    let mut agent = CreateAgent::new(&row.name);
    if let Some(description) = &row.description {
        agent = agent.description(description);
    }
    if let Some(workflow) = workflow {
        agent = agent.workflow_id(workflow);
    }
    let agent = step.send("agent", client.agents().create(agent))?;
    for (number, knowledge) in (1..).zip(&row.knowledge) {
        let text = CreateKnowledgeBase::text(&knowledge.name, &knowledge.content);
        let create = client.agents().knowledge_bases().create(&agent.id, text);
        step.send(format!("knowledge {number}"), create)?;
    }
    Ok(())
}

/// For people, and for programs.
fn summarize(report: &Report) {
    eprint!("{report}");
    let line = json!({
        "job": report.job,
        "shard": report.shard.to_string(),
        "finished": report.finished,
        "skipped": report.skipped,
        "failed": report.failed,
        "in_doubt": report.in_doubt,
        "unfinished": report.unfinished,
        "other_shards": report.other_shards,
        "replayed": report.replayed,
        "requests": report.attempts,
        "seconds": report.elapsed.as_secs_f64(),
        "stopped": report.stopped(),
        "exit_code": report.exit_code(),
    });
    // Also after Ctrl-C; a reader that is gone does not matter any more.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A bar on a terminal. Elsewhere, such as in the log of a cluster, a line every now and then.
struct Shown {
    bar: ProgressBar,
    total: u64,
    last: std::cell::Cell<Instant>,
}

impl Shown {
    const EVERY: Duration = Duration::from_secs(30);

    fn new(total: u64) -> Self {
        let bar = ProgressBar::new(total);
        let style = "{bar:30} {pos}/{len} rows, {rate}, {eta} left{msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(
                style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                    let _ = write!(out, "{:.1}/s", state.per_sec());
                }),
            );
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        Shown {
            bar,
            total,
            last: std::cell::Cell::new(Instant::now()),
        }
    }

    fn progress(&self, progress: &Progress) {
        let failed = progress.failed + progress.in_doubt;
        let done = progress.finished + failed;
        self.bar.set_position(done);
        let failures = match failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        if self.bar.is_hidden() && self.last.get().elapsed() >= Self::EVERY {
            self.last.set(Instant::now());
            note(format_args!("{done} of {} rows{failures}", self.total));
        }
        self.bar.set_message(failures);
    }
}

struct Options {
    input: PathBuf,
    journal: PathBuf,
    job: String,
    shard: Shard,
    threads: usize,
    workflow: Option<String>,
    window: Option<Duration>,
    max_failures: Option<u64>,
    requests_per_minute: Option<u32>,
    dry_run: bool,
}

impl Options {
    fn client(&self) -> Result<Client, bimpeai::Error> {
        // A row that fails costs another run, and a job has time.
        let mut builder = Client::builder_from_env()?.max_retries(5);
        if let Some(requests) = self.requests_per_minute {
            builder = builder.requests_per_minute(requests);
        }
        builder.build()
    }

    fn job(&self) -> Batch<'_> {
        let mut batch = Batch::new(&self.job)
            .journal(&self.journal)
            .shard(self.shard)
            .threads(self.threads);
        if let Some(window) = self.window {
            batch = batch.idempotency_window(window);
        }
        if let Some(rows) = self.max_failures {
            batch = batch.max_failures(rows);
        }
        batch
    }

    fn parse(arguments: Vec<String>) -> Result<Options, String> {
        let (mut input, mut journal, mut job, mut shard) = (None, None, None, None);
        let (mut threads, mut workflow, mut window, mut max_failures) = (None, None, None, None);
        let (mut requests_per_minute, mut dry_run) = (None, false);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            // `--option value` and `--option=value`.
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            if name == "--dry-run" && given.is_none() {
                dry_run = true;
                continue;
            }
            let mut value = || {
                let value = given.clone().or_else(|| arguments.next());
                let value = value.filter(|value| !value.is_empty());
                value.ok_or_else(|| format!("{name} needs a value"))
            };
            match name {
                "--input" => input = Some(PathBuf::from(value()?)),
                "--journal" => journal = Some(PathBuf::from(value()?)),
                "--job" => job = Some(value()?),
                "--shard" => {
                    let parsed = value()?.parse();
                    shard = Some(parsed.map_err(|error| format!("--shard: {error}"))?);
                }
                "--threads" => {
                    let count = number(name, &value()?)?;
                    let range = 1..=1_024;
                    if !range.contains(&count) {
                        return Err(format!("--threads is {count}, expected 1 to 1024"));
                    }
                    threads = Some(count as usize);
                }
                "--workflow" => workflow = Some(value()?),
                "--idempotency-window" => {
                    window = Some(Duration::from_secs(number(name, &value()?)?));
                }
                "--max-failures" => max_failures = Some(number(name, &value()?)?),
                "--requests-per-minute" => {
                    let requests = number(name, &value()?)?;
                    if !(1..=1_000_000).contains(&requests) {
                        return Err(format!("{name} is {requests}, expected 1 to 1000000"));
                    }
                    requests_per_minute = Some(requests as u32);
                }
                _ if name.starts_with('-') => return Err(format!("unknown option {name:?}")),
                _ => return Err(format!("unexpected argument {argument:?}")),
            }
        }
        let input = input.ok_or("--input is missing")?;
        Ok(Options {
            journal: journal.ok_or("--journal is missing")?,
            job: match job {
                Some(job) => job,
                None => name_of(&input)?,
            },
            input,
            shard: match shard {
                Some(shard) => shard,
                None => Shard::from_env().map_err(|error| error.to_string())?,
            },
            threads: threads.unwrap_or(4),
            workflow,
            window,
            max_failures,
            requests_per_minute,
            dry_run,
        })
    }
}

fn number(option: &str, text: &str) -> Result<u64, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| format!("{option} is {text:?}, expected a number"))
}

fn name_of(input: &Path) -> Result<String, String> {
    let name = input.file_stem().and_then(|name| name.to_str());
    let name = name.map(str::to_owned);
    name.ok_or_else(|| "the name of the file cannot be the name of the job; set --job".to_owned())
}

//! Bulk jobs that can be killed at any instant and started again. Feature `batch`, which needs Rust
//! 1.89.
//!
//! **The promise: each step of each row is done once while the server remembers its idempotency key
//! ([`idempotency_window`](Batch::idempotency_window), default 24 h). After that, a step that is
//! done stays done as long as the journal exists, and one whose result was lost is in doubt: it is
//! reported, and not sent again.**
//!
//! ```no_run
//! use bimpeai::Client;
//! use bimpeai::agents::{CreateAgent, CreateKnowledgeBase};
//! use bimpeai::batch::{Batch, Shard};
//!
//! struct Row { id: String, name: String, menu: String }
//!
//! # fn rows() -> Vec<Row> { Vec::new() }
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::from_env()?;
//!     let agents = client.agents();
//!     let report = Batch::new("import-2026-11") // part of every key
//!         .journal("import.journal") // a folder that processes share
//!         .threads(8)
//!         .shard(Shard::from_env()?) // Slurm, Kubernetes, GitLab, …
//!         .on_progress(|progress| eprint!("\r{} rows", progress.rows()))
//!         .run(&client, rows(), |row| row.id.clone(), |step, row| {
//!             let agent = CreateAgent::new(&row.name);
//!             let agent = step.send("agent", agents.create(agent))?;
//!             let menu = CreateKnowledgeBase::text("Menu", &row.menu);
//!             let menu = agents.knowledge_bases().create(&agent.id, menu);
//!             step.send("menu", menu)?;
//!             Ok(())
//!         })?;
//!     eprint!("\n{report}");
//!     std::process::exit(report.exit_code());
//! }
//! ```
//!
//! Run the same program again after a crash, a kill, a power cut or a failure. Rows that are
//! finished are skipped without a request, steps that are done return their recorded result, and
//! the rest goes on. `examples/batch_import/` is a complete program, with files for GNU parallel,
//! Slurm and Kubernetes.
//!
//! # What a job has to keep to
//!
//! - **One job name for one job.** Keys are derived from the job name, the row key and the step
//!   name. To delete everything and import again, use another name and another journal: under the
//!   old name the server replays the ids of the deleted agents. [`Report::replayed`] counts such
//!   replays where the server tells.
//! - **Requests depend on the row and earlier results alone**: no clock, no random ids. A step that
//!   asks for something else than before is an error ([`StepError::Changed`]).
//! - **Keep the journal** until the job is over. It holds what the API returned, so it is readable
//!   by its owner only. Several processes share the folder; on a cluster, put it on a file system
//!   with working locks.
//!
//! # Rate limits
//!
//! A step waits for the server's rate limit. [`max_retry_wait`](crate::ClientBuilder::max_retry_wait) of
//! a step is at least 24 h, because a job has time and a failed row costs another run. To set a shorter
//! one, set it on the request of the step, or set a `deadline`. If several processes share one limit and
//! you know it, give each its share:
//! [`requests_per_minute`](crate::ClientBuilder::requests_per_minute).
//!
//! # What happens to a step
//!
//! | it was | the next run |
//! |---|---|
//! | never sent | sends it |
//! | sent, result lost, within the window | sends it again under the same key: the server replays the result |
//! | sent, result lost, older than the window | asks [`Batch::reconcile`]; otherwise the row is in doubt |
//! | refused for good (4xx except 408, 409, 429) | sends it under a new key; the row may have changed |
//! | not sent, refused for its credentials or its rate | sends it under the same key |
//! | done | returns the recorded result |
//!
//! A 409 may mean that the same request is still in progress, for example one that a killed process
//! sent. It is repeated for up to 90 s.
//!
//! # What ends a job
//!
//! 401, and 403 with `insufficient_scope` or `forbidden`, end it at once, and so do a journal that
//! cannot be written and a client that was shut down. When the plan allows no more agents, when
//! [`max_failures`](Batch::max_failures) is reached, or when the input cannot be read on, rows that
//! are under way are finished first. Other failures are counted by kind, and the job goes on.
//! [`Report::exit_code`] tells them apart.
//!
//! # Several processes
//!
//! Give each its [`Shard`]. Another number of shards may continue the job, once the earlier
//! processes have ended. Two processes may also work on the same rows, such as a requeued task
//! whose predecessor still runs: they derive the same keys, so the server does each step once. The
//! exception is a row whose step was refused for good, because the one that saw the refusal uses
//! the next key.

mod engine;
mod error;
mod journal;
mod key;
mod report;
mod request;
mod shard;
mod step;
mod stop;
#[cfg(all(test, feature = "emulator"))]
mod tests;
mod verdict;

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::client::Client;

pub use error::{BatchError, ChangedStep, InDoubt, Reconciled, RowError, StepError};
pub use report::{Plan, Problem, Progress, Report};
pub use shard::{Shard, ShardError};
pub use step::Step;

/// Sets up a job of many rows; see the [module](self).
#[must_use = "a job does nothing until it runs"]
pub struct Batch<'a> {
    job: String,
    journal: Option<PathBuf>,
    threads: usize,
    shard: Shard,
    window: Duration,
    max_failures: Option<u64>,
    reconcile: Option<Decide<'a>>,
    on_progress: Option<Show<'a, Progress>>,
    on_problem: Option<Show<'a, Problem>>,
    clock: fn() -> u64,
}

type Decide<'a> = Box<dyn Fn(&InDoubt) -> Reconciled + Sync + 'a>;
type Show<'a, T> = Box<dyn FnMut(&T) + 'a>;

impl<'a> Batch<'a> {
    /// Sets up a job. Its name is a part of every idempotency key.
    pub fn new(job: impl Into<String>) -> Self {
        Batch {
            job: job.into(),
            journal: None,
            threads: 4,
            shard: Shard::all(),
            window: Duration::from_secs(24 * 60 * 60),
            max_failures: None,
            reconcile: None,
            on_progress: None,
            on_problem: None,
            clock: now,
        }
    }

    /// Sets the folder of the journal. Required.
    ///
    /// It is created with mode 0700, its files with 0600.
    pub fn journal(mut self, folder: impl Into<PathBuf>) -> Self {
        self.journal = Some(folder.into());
        self
    }

    /// Sets how many rows are worked on at once. Default: 4. Range: 1–1,024.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets which part of the rows this process takes. Default: [`Shard::all`].
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = shard;
        self
    }

    /// Sets how long the server surely remembers an idempotency key. Default: 24 h.
    ///
    /// A step that was sent longer ago, and whose result is not known, is in doubt. With zero, a
    /// step whose result was lost is never sent again.
    ///
    /// Two processes may work on the same rows only if the window is at least 2 minutes.
    pub fn idempotency_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Stops the job once this many rows have failed. Default: no limit.
    pub fn max_failures(mut self, rows: u64) -> Self {
        self.max_failures = Some(rows);
        self
    }

    /// Sets what decides about a step that is in doubt. It is called by the thread of the row.
    ///
    /// ```no_run
    /// use bimpeai::batch::{Batch, Reconciled};
    ///
    /// # fn reconcile(client: &bimpeai::Client) -> Batch<'_> {
    /// Batch::new("import-2026-11").reconcile(|step| {
    ///     if step.operation() != "POST /agents" {
    ///         return Reconciled::Unknown;
    ///     }
    ///     // In this job the description of an agent ends with the key of its row.
    ///     for agent in client.agents().list() {
    ///         match agent {
    ///             Ok(agent) if agent.description.ends_with(step.row()) => {
    ///                 let agent = serde_json::to_value(&agent);
    ///                 return agent.map_or(Reconciled::Unknown, Reconciled::Done);
    ///             }
    ///             Ok(_) => {}
    ///             Err(_) => return Reconciled::Unknown,
    ///         }
    ///     }
    ///     Reconciled::NotDone
    /// })
    /// # }
    /// ```
    pub fn reconcile(mut self, decide: impl Fn(&InDoubt) -> Reconciled + Sync + 'a) -> Self {
        self.reconcile = Some(Box::new(decide));
        self
    }

    /// Sets what is called after each row, on the thread that called `run`.
    ///
    /// Rows that are skipped are reported together.
    pub fn on_progress(mut self, show: impl FnMut(&Progress) + 'a) -> Self {
        self.on_progress = Some(Box::new(show));
        self
    }

    /// Sets what is called for each row that failed or is in doubt, on the thread that called
    /// `run`.
    pub fn on_problem(mut self, show: impl FnMut(&Problem) + 'a) -> Self {
        self.on_problem = Some(Box::new(show));
        self
    }

    /// Runs the job: calls `work` for every row that is not finished.
    ///
    /// `key` returns the key of a row: a text that is unique in the input and the same in every
    /// run. Rows and keys are read on the calling thread, and only as fast as they are worked on.
    /// `work` is called by several threads at once.
    ///
    /// A panic of a closure ends the job, and is passed on once the other rows have stopped.
    ///
    /// # Errors
    ///
    /// [`BatchError`] if the job cannot begin: a setting is invalid, or the journal cannot be read,
    /// is damaged, or belongs to another job. What happens later is in the [`Report`].
    pub fn run<I, K, W>(
        self,
        client: &Client,
        rows: I,
        key: K,
        work: W,
    ) -> Result<Report, BatchError>
    where
        I: IntoIterator,
        I::Item: Send,
        K: FnMut(&I::Item) -> String,
        W: Fn(&Step<'_>, &I::Item) -> Result<(), RowError> + Sync,
    {
        let rows = rows.into_iter().map(Ok::<_, Infallible>);
        engine::run(self, client, rows, key, work)
    }

    /// Runs the job on rows that may fail to be read, such as those of a CSV reader.
    ///
    /// The first error ends the reading. Rows that are under way are finished, and the exit code is
    /// 1.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Batch::run).
    pub fn try_run<R, E, I, K, W>(
        self,
        client: &Client,
        rows: I,
        key: K,
        work: W,
    ) -> Result<Report, BatchError>
    where
        I: IntoIterator<Item = Result<R, E>>,
        E: fmt::Display,
        R: Send,
        K: FnMut(&R) -> String,
        W: Fn(&Step<'_>, &R) -> Result<(), RowError> + Sync,
    {
        engine::run(self, client, rows.into_iter(), key, work)
    }

    /// Returns what a run would do, without sending or writing anything.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Batch::run).
    pub fn plan<R>(
        self,
        rows: impl IntoIterator<Item = R>,
        key: impl FnMut(&R) -> String,
    ) -> Result<Plan, BatchError> {
        engine::plan(&self, rows, key)
    }

    fn check(&self) -> Result<&PathBuf, BatchError> {
        if self.job.is_empty() {
            return Err(BatchError::setting("the name of the job is empty"));
        }
        if !(1..=1_024).contains(&self.threads) {
            return Err(BatchError::setting(format!(
                "threads is {}, expected 1 to 1,024",
                self.threads
            )));
        }
        self.journal
            .as_ref()
            .filter(|folder| !folder.as_os_str().is_empty())
            .ok_or_else(|| {
                BatchError::setting(
                    "no journal; set its folder with Batch::journal, without it a job cannot be \
                     continued",
                )
            })
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("job", &self.job)
            .field("journal", &self.journal)
            .field("threads", &self.threads)
            .field("shard", &self.shard)
            .finish_non_exhaustive()
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

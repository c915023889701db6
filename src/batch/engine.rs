//! Hands rows to threads, and counts the outcomes.
//!
//! All bookkeeping is on the calling thread. A worker has one row at a time, with what the journal
//! knows of it, and reports how it ended.

use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::Client;

use super::error::{BatchError, RowError, StepError};
use super::journal::state::{Row, Rows, StepLog, StepState};
use super::journal::writer::writer;
use super::journal::{Journal, look};
use super::key::Keys;
use super::report::{IN_DOUBT, Plan, Problem, Progress, Report};
use super::shard::Shard;
use super::step::{Figures, Job, MIN_VIEW, Step, TroubleKind};
use super::stop::{Reason, Stop};
use super::verdict::call_kind;
use super::{Batch, Show};

/// The report keeps as many problems.
const MAX_PROBLEMS: usize = 1_000;

/// Skipped rows are shown this often.
const PROGRESS: Duration = Duration::from_millis(100);

pub(super) fn run<R, E, K, W>(
    batch: Batch<'_>,
    client: &Client,
    rows: impl Iterator<Item = Result<R, E>>,
    key: K,
    work: W,
) -> Result<Report, BatchError>
where
    R: Send,
    E: fmt::Display,
    K: FnMut(&R) -> String,
    W: Fn(&Step<'_>, &R) -> Result<(), RowError> + Sync,
{
    let folder = batch.check()?;
    let started = Instant::now();
    let read_at = (batch.clock)();
    let (journal, known) = Journal::open(folder, &batch.job, batch.shard)?;
    let file = journal.append()?;
    let (appender, writer) = writer();
    // It ends when the appender, and so the job below, is dropped.
    let writing = spawn("bimpeai-journal", || writer.run(file))?;
    let stop = Arc::new(Stop::default());
    let dependent: Weak<Stop> = Arc::downgrade(&stop);
    client.http().shutdown.add(dependent);
    let job = Job {
        keys: Keys::new(&batch.job),
        window: millis(batch.window),
        appender,
        stop: stop.clone(),
        reconcile: batch.reconcile.as_deref(),
        figures: Figures::default(),
        clock: batch.clock,
    };
    let counts = {
        let mut feeder = Feeder {
            job: &job,
            journal: &journal,
            known,
            read_at,
            seen: HashSet::new(),
            shard: batch.shard,
            max_failures: batch.max_failures.map(|rows| rows.max(1)),
            on_progress: batch.on_progress,
            on_problem: batch.on_problem,
            started,
            shown: started,
            counts: Counts::default(),
        };
        feeder.work_on(batch.threads, rows, key, &work)?;
        feeder.show();
        feeder.counts
    };
    let Job {
        figures, appender, ..
    } = job;
    // The last one: the writer ends.
    drop(appender);
    if let Err(error) = join(writing) {
        let what = format!("the journal cannot be written: {error}");
        stop.set(Reason::Journal(what));
    } else if let Err(error) = journal.compact() {
        stop.set(Reason::Journal(error.to_string()));
    }
    if let Some(panic) = counts.panic {
        resume_unwind(panic);
    }
    Ok(Report {
        job: batch.job,
        shard: batch.shard,
        finished: counts.progress.finished,
        skipped: counts.progress.skipped,
        failed: counts.failed,
        in_doubt: counts.progress.in_doubt,
        unfinished: counts.unfinished,
        other_shards: counts.progress.other_shards,
        replayed: figures.replayed.into_inner(),
        elapsed: started.elapsed(),
        attempts: figures.attempts.into_inner(),
        waited: Duration::from_micros(figures.waited.into_inner()),
        problems: counts.problems,
        stopped: stop.reason(),
    })
}

pub(super) fn plan<R>(
    batch: &Batch<'_>,
    rows: impl IntoIterator<Item = R>,
    mut key: impl FnMut(&R) -> String,
) -> Result<Plan, BatchError> {
    let known = look(batch.check()?, &batch.job)?;
    let (now, window) = ((batch.clock)(), millis(batch.window));
    let is_in_doubt = |step: &StepLog| match step.state() {
        StepState::Open(open) => open.ambiguous || now.saturating_sub(open.since) >= window,
        StepState::New { .. } | StepState::Done(_) => false,
    };
    let mut plan = Plan::default();
    let mut seen = HashSet::new();
    for row in rows {
        let key = key(&row);
        if !batch.shard.contains(&key) {
            plan.other_shards += 1;
            continue;
        }
        if key.is_empty() || seen.contains(&key) {
            plan.bad_keys += 1;
            continue;
        }
        match known.get(&key) {
            Some(Row::Finished) => plan.finished += 1,
            Some(Row::Begun(steps)) => {
                plan.to_do += 1;
                plan.begun += 1;
                plan.in_doubt += u64::from(steps.iter().any(is_in_doubt));
            }
            None => plan.to_do += 1,
        }
        seen.insert(key);
    }
    Ok(plan)
}

/// The calling thread's side of a run.
struct Feeder<'a> {
    job: &'a Job<'a>,
    journal: &'a Journal,
    /// What the journal said at `read_at`.
    known: Rows,
    read_at: u64,
    /// The keys of this shard that the input had.
    seen: HashSet<String>,
    shard: Shard,
    max_failures: Option<u64>,
    on_progress: Option<Show<'a, Progress>>,
    on_problem: Option<Show<'a, Problem>>,
    started: Instant,
    shown: Instant,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    progress: Progress,
    failed: BTreeMap<String, u64>,
    unfinished: u64,
    problems: Vec<Problem>,
    panic: Option<Box<dyn Any + Send>>,
}

/// A row for a worker.
struct Task<R> {
    row: R,
    place: Place,
    steps: Vec<StepLog>,
    read_at: u64,
}

/// Which row it is.
struct Place {
    key: String,
    number: u64,
}

/// A row that a worker is done with.
struct Ended {
    worker: usize,
    place: Place,
    outcome: Outcome,
}

enum Outcome {
    Finished,
    Unfinished,
    InDoubt {
        step: String,
        message: String,
    },
    Failed {
        step: Option<String>,
        kind: String,
        message: String,
    },
    Panicked(Box<dyn Any + Send>),
}

impl Feeder<'_> {
    fn work_on<R, E, K, W>(
        &mut self,
        threads: usize,
        rows: impl Iterator<Item = Result<R, E>>,
        key: K,
        work: &W,
    ) -> Result<(), BatchError>
    where
        R: Send,
        E: fmt::Display,
        K: FnMut(&R) -> String,
        W: Fn(&Step<'_>, &R) -> Result<(), RowError> + Sync,
    {
        let job = self.job;
        let (sender, ended) = channel();
        thread::scope(|scope| {
            // Workers end when these are dropped, by whatever way this closure ends.
            let mut workers = Vec::new();
            for worker in 0..threads {
                let (tasks, receiver) = channel::<Task<R>>();
                let ended = sender.clone();
                thread::Builder::new()
                    .name(format!("bimpeai-batch-{worker}"))
                    .spawn_scoped(scope, move || {
                        for task in receiver {
                            let Task {
                                row,
                                place,
                                steps,
                                read_at,
                            } = task;
                            let step = Step::new(job, &place.key, steps, read_at);
                            let outcome = attempt(job, step, &row, work);
                            let ended = ended.send(Ended {
                                worker,
                                place,
                                outcome,
                            });
                            if ended.is_err() {
                                break;
                            }
                        }
                    })
                    .map_err(cannot_start)?;
                workers.push(tasks);
            }
            drop(sender);
            self.feed(&workers, &ended, rows, key);
            drop(workers);
            for ended in &ended {
                self.take(ended);
            }
            Ok(())
        })
    }

    fn feed<R, E>(
        &mut self,
        workers: &[Sender<Task<R>>],
        ended: &Receiver<Ended>,
        mut rows: impl Iterator<Item = Result<R, E>>,
        mut key: impl FnMut(&R) -> String,
    ) where
        E: fmt::Display,
    {
        let mut idle: Vec<usize> = (0..workers.len()).rev().collect();
        let mut number = 0;
        loop {
            for ended in ended.try_iter() {
                idle.push(self.take(ended));
            }
            if self.job.stop.is_set() {
                return;
            }
            let row = match rows.next() {
                Some(Ok(row)) => row,
                Some(Err(error)) => {
                    let what = format!("the input cannot be read: {error}");
                    return self.job.stop.set(Reason::Input(what));
                }
                None => return,
            };
            number += 1;
            let key = key(&row);
            if !self.admit(&key, number) {
                continue;
            }
            while idle.is_empty() {
                match ended.recv() {
                    Ok(ended) => idle.push(self.take(ended)),
                    // Every worker is gone; they catch panics, so this does not happen.
                    Err(_) => return,
                }
            }
            // Only now: waiting for a worker may take long.
            self.read_again();
            if self.skip(&key) {
                continue;
            }
            // What has ended meanwhile may have ended the job.
            if self.job.stop.is_set() {
                return;
            }
            let steps = self.known.take(&key);
            let task = Task {
                row,
                place: Place { key, number },
                steps,
                read_at: self.read_at,
            };
            if let Some(worker) = idle.pop() {
                // It waits for a task.
                let _ = workers[worker].send(task);
            }
        }
    }

    /// Decides whether a row is to be worked on.
    fn admit(&mut self, key: &str, number: u64) -> bool {
        if !self.shard.contains(key) {
            self.counts.progress.other_shards += 1;
            self.show_at_times();
            return false;
        }
        if key.is_empty() {
            let what = "the row has no key";
            self.fail(key, number, None, "no row key", what);
            return false;
        }
        if !self.seen.insert(key.to_owned()) {
            let what = "an earlier row has the same key";
            self.fail(key, number, None, "duplicate row key", what);
            return false;
        }
        !self.skip(key)
    }

    /// Counts a row that is finished.
    fn skip(&mut self, key: &str) -> bool {
        let is_finished = self.known.is_finished(key);
        if is_finished {
            self.counts.progress.skipped += 1;
            self.show_at_times();
        }
        is_finished
    }

    /// Reads the journal again before the server may forget what another process did since then.
    ///
    /// Rows are promised to be done once even where processes overlap. A step that this process
    /// does not know of may have been sent by another one after the journal was read, so that must
    /// be less than a window ago.
    fn read_again(&mut self) {
        let now = (self.job.clock)();
        if now.abs_diff(self.read_at) < self.job.window.max(MIN_VIEW) / 2 {
            return;
        }
        match self.journal.load() {
            Ok(known) => {
                self.known = known;
                self.read_at = now;
            }
            Err(error) => self.job.stop.set(Reason::Journal(error.to_string())),
        }
    }

    /// Counts a row that a worker is done with, and returns that worker.
    fn take(&mut self, ended: Ended) -> usize {
        let Ended {
            worker,
            place: Place { key, number },
            outcome,
        } = ended;
        match outcome {
            Outcome::Finished => self.counts.progress.finished += 1,
            Outcome::Unfinished => self.counts.unfinished += 1,
            Outcome::InDoubt { step, message } => {
                self.counts.progress.in_doubt += 1;
                self.report(&key, number, Some(step), IN_DOUBT, &message);
            }
            Outcome::Failed {
                step,
                kind,
                message,
            } => self.fail(&key, number, step, &kind, &message),
            Outcome::Panicked(panic) => {
                self.job.stop.set(Reason::Panicked);
                self.counts.panic.get_or_insert(panic);
            }
        }
        self.show();
        worker
    }

    fn fail(&mut self, key: &str, number: u64, step: Option<String>, kind: &str, message: &str) {
        self.counts.progress.failed += 1;
        *self.counts.failed.entry(kind.to_owned()).or_default() += 1;
        self.report(key, number, step, kind, message);
        if self.max_failures == Some(self.counts.progress.failed) {
            self.job
                .stop
                .set(Reason::MaxFailures(self.counts.progress.failed));
        }
    }

    fn report(&mut self, row: &str, number: u64, step: Option<String>, kind: &str, message: &str) {
        let problem = Problem {
            row: row.to_owned(),
            number,
            step,
            kind: kind.to_owned(),
            message: message.to_owned(),
        };
        if let Some(show) = &mut self.on_problem {
            show(&problem);
        }
        if self.counts.problems.len() < MAX_PROBLEMS {
            self.counts.problems.push(problem);
        }
    }

    fn show(&mut self) {
        self.shown = Instant::now();
        self.counts.progress.elapsed = self.started.elapsed();
        if let Some(show) = &mut self.on_progress {
            show(&self.counts.progress);
        }
    }

    fn show_at_times(&mut self) {
        if self.on_progress.is_some() && self.shown.elapsed() >= PROGRESS {
            self.show();
        }
    }
}

/// Works on a row.
fn attempt<R, W>(job: &Job<'_>, step: Step<'_>, row: &R, work: &W) -> Outcome
where
    W: Fn(&Step<'_>, &R) -> Result<(), RowError>,
{
    let result = match catch_unwind(AssertUnwindSafe(|| work(&step, row))) {
        Ok(result) => result,
        Err(panic) => return Outcome::Panicked(panic),
    };
    let key = step.row().to_owned();
    let (trouble, failed_step) = step.into_trouble();
    if let Some(trouble) = trouble {
        return match trouble.kind {
            TroubleKind::InDoubt => Outcome::InDoubt {
                step: trouble.step,
                message: trouble.message,
            },
            TroubleKind::Stopping => Outcome::Unfinished,
            TroubleKind::Failed(kind) => Outcome::Failed {
                step: Some(trouble.step),
                kind,
                message: trouble.message,
            },
        };
    }
    match result {
        Ok(()) => match job.finished(&key) {
            Ok(()) => Outcome::Finished,
            Err(_) => Outcome::Unfinished,
        },
        Err(error) => {
            let (step, kind) = match (error.as_step(), error.as_call()) {
                (Some(StepError::Call(call)), _) => (failed_step, call_kind(call)),
                (None, Some(call)) => (None, call_kind(call)),
                _ => (None, "row error".to_owned()),
            };
            Outcome::Failed {
                step,
                kind,
                message: error.to_string(),
            }
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, BatchError> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map_err(cannot_start)
}

fn cannot_start(error: std::io::Error) -> BatchError {
    BatchError::setting(format!("a thread cannot be started: {error}"))
}

fn join(writing: JoinHandle<Result<(), String>>) -> Result<(), String> {
    writing
        .join()
        .unwrap_or_else(|_| Err("its thread panicked".to_owned()))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_or_panic_of_the_journal_thread_is_the_error_of_the_job() {
        let joined = |run: fn() -> Result<(), String>| join(spawn("test", run).unwrap());
        assert_eq!(joined(|| Ok(())), Ok(()));
        assert_eq!(joined(|| Err("full".to_owned())), Err("full".to_owned()));
        let error = joined(|| panic!("a panic of a test")).unwrap_err();
        assert!(error.contains("panicked"), "{error}");
    }
}

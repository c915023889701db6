//! One step of one row: what is sent and recorded, in which order.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::Error;
use crate::http::Watch;
use crate::http::retry::Backoff;
use crate::request::Request;

use super::error::{ChangedStep, InDoubt, Reconciled, StepError};
use super::journal::record::{Done, Record, Refused, Started, Void, line};
use super::journal::state::{OWN, Open, StepLog, StepResult, StepState, StoredValue, find};
use super::journal::writer::Appender;
use super::key::Keys;
use super::stop::{Reason, Stop};
use super::verdict::{
    call_kind, is_agent_limit, is_evaluated, is_refusal, is_unauthenticated, is_unknown,
    may_be_in_progress, reason,
};

/// Sends the requests of one row, each of them once.
///
/// The closure that [`Batch::run`](super::Batch::run) calls for a row gets one.
pub struct Step<'a> {
    job: &'a Job<'a>,
    row: &'a str,
    /// When the journal was read.
    read_at: u64,
    steps: RefCell<Vec<StepLog>>,
    used: RefCell<Vec<String>>,
    trouble: RefCell<Option<Trouble>>,
    /// The step that failed last.
    failed: RefCell<Option<String>>,
}

impl<'a> Step<'a> {
    /// Returns the key of the row.
    pub fn row(&self) -> &str {
        self.row
    }

    /// Sends a request, or returns the result that an earlier run had.
    ///
    /// `name` is the name of the step, unique within the row. The request's idempotency key is
    /// replaced by one that is derived from the job, the row and this name. It must depend on the
    /// row and the results of earlier steps alone: no clock, no random ids. Any request can be
    /// a step; lists cannot.
    ///
    /// # Errors
    ///
    /// See [`StepError`]. Whatever the closure does with an error, its row is recorded as finished
    /// only if the server refused the call for good: a closure that ignores errors loses no row.
    pub fn send<T: DeserializeOwned>(
        &self,
        name: impl AsRef<str>,
        request: Request<T>,
    ) -> Result<T, StepError> {
        let name = name.as_ref();
        self.perform(name, &request)
            .inspect_err(|error| self.note(name, error))
    }
}

/// What all rows of a run share.
pub(super) struct Job<'a> {
    pub(super) keys: Keys,
    /// Milliseconds.
    pub(super) window: u64,
    pub(super) appender: Appender,
    pub(super) stop: Arc<Stop>,
    pub(super) reconcile: Option<&'a (dyn Fn(&InDoubt) -> Reconciled + Sync)>,
    pub(super) figures: Figures,
    /// Milliseconds since 1970.
    pub(super) clock: fn() -> u64,
}

#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) attempts: AtomicU64,
    /// Microseconds.
    pub(super) waited: AtomicU64,
    pub(super) replayed: AtomicU64,
}

/// Why a row must not be recorded as finished, whatever its closure says.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) step: String,
    pub(super) kind: TroubleKind,
    pub(super) message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TroubleKind {
    /// Counted under this name.
    Failed(String),
    /// The job stops, and the next run goes on.
    Stopping,
    InDoubt,
}

/// How long a 409 is taken as a sign that the same request is still in progress: it may come from a
/// process that was killed, or from another process with the same row. Longer than the longest
/// default timeout of a call.
const IN_PROGRESS: Duration = Duration::from_secs(90);

/// The clocks of two machines may differ by this much.
const CLOCK_SKEW: u64 = 5 * 60 * 1_000;

/// The minimum time that a view of the journal stays valid, however short the window. In
/// milliseconds.
pub(super) const MIN_VIEW: u64 = 2 * 60 * 1_000;

impl Job<'_> {
    /// Appends a record. After a failure the job ends, because it cannot keep its promise.
    fn append(&self, record: &impl Serialize, sync: bool) -> Result<(), StepError> {
        line(record)
            .map_err(|error| error.to_string())
            .and_then(|line| self.appender.append(line, sync))
            .map_err(|error| {
                let what = format!("the journal cannot be written: {error}");
                self.stop.set(Reason::Journal(what.clone()));
                StepError::Journal(what)
            })
    }

    /// Records that a row is finished. A crash of the machine may lose this record: the next run
    /// then finds all steps of the row done.
    pub(super) fn finished(&self, row: &str) -> Result<(), StepError> {
        let row = Cow::Borrowed(row);
        let record = Record::Finished(super::journal::record::Finished { row });
        self.append(&record, false)
    }

    /// Returns the age of a start, longer than any window if one of the clocks is wrong.
    fn age(&self, since: u64) -> u64 {
        let now = (self.clock)();
        if since > now.saturating_add(CLOCK_SKEW) {
            u64::MAX
        } else {
            now.saturating_sub(since)
        }
    }
}

impl<'a> Step<'a> {
    pub(super) fn new(job: &'a Job<'a>, row: &'a str, steps: Vec<StepLog>, read_at: u64) -> Self {
        Step {
            job,
            row,
            read_at,
            steps: RefCell::new(steps),
            used: RefCell::default(),
            trouble: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    /// Returns what keeps the row from being finished, and the step that failed last.
    pub(super) fn into_trouble(self) -> (Option<Trouble>, Option<String>) {
        (self.trouble.into_inner(), self.failed.into_inner())
    }

    fn perform<T: DeserializeOwned>(
        &self,
        name: &str,
        request: &Request<T>,
    ) -> Result<T, StepError> {
        let is_used = self.used.borrow().iter().any(|used| used == name);
        if name.is_empty() || is_used {
            return Err(StepError::Name(name.to_owned()));
        }
        self.used.borrow_mut().push(name.to_owned());
        let hash = request.hash();
        // Repeats only after a step in doubt was reconciled: it is done then, or has a new key.
        loop {
            let state = find(&mut self.steps.borrow_mut(), name).state();
            let call = match state {
                StepState::Done(done) if done.hash != hash => {
                    return Err(self.changed(name, request, true));
                }
                StepState::Done(done) => {
                    return request.decode_stored(&done.value).map_err(StepError::Call);
                }
                StepState::Open(open) if open.ambiguous => {
                    self.reconcile(name, request, hash, open)?;
                    continue;
                }
                StepState::Open(open) if open.hash != hash => {
                    return Err(self.changed(name, request, false));
                }
                StepState::Open(open) => Call::new(self, name, hash, Some(open), open.refusals),
                StepState::New { refusals } => Call::new(self, name, hash, None, refusals),
            };
            match call.send(request)? {
                Sent::Result(result) => return Ok(result),
                Sent::InDoubt(open) => self.reconcile(name, request, hash, open)?,
            }
        }
    }

    fn changed<T>(&self, name: &str, request: &Request<T>, done: bool) -> StepError {
        StepError::Changed(ChangedStep {
            step: name.to_owned(),
            operation: request.operation(),
            done,
        })
    }

    /// Asks the caller about a step in doubt, and records the decision.
    fn reconcile<T: DeserializeOwned>(
        &self,
        name: &str,
        request: &Request<T>,
        hash: Uuid,
        open: Open,
    ) -> Result<(), StepError> {
        let doubt = InDoubt {
            row: self.row.to_owned(),
            step: name.to_owned(),
            operation: request.operation(),
            started: open.since,
            age: Duration::from_millis((self.job.clock)().saturating_sub(open.since)),
            ambiguous: open.ambiguous,
        };
        let answer = match self.job.reconcile {
            Some(reconcile) => reconcile(&doubt),
            None => Reconciled::Unknown,
        };
        match answer {
            Reconciled::Done(value) => {
                let value = serde_json::value::to_raw_value(&value)
                    .map_err(|error| StepError::Journal(error.to_string()))?;
                let value = StoredValue::Data(Some(value));
                // A value that cannot be decoded must not become the result of the step.
                request
                    .decode_stored(&value)
                    .map_err(StepError::Call)
                    .map(drop::<T>)?;
                self.done(name, hash, value)
            }
            Reconciled::NotDone if !request.rings_a_phone() => {
                // Whatever the clocks say, this came after all that was started.
                let latest = find(&mut self.steps.borrow_mut(), name).latest_start();
                let at = (self.job.clock)().max(latest);
                self.refused(name, open.refusals, at, true)
            }
            Reconciled::NotDone | Reconciled::Unknown => Err(StepError::InDoubt(doubt)),
        }
    }

    fn started(&self, name: &str, refusals: u32, hash: Uuid) -> Result<(), StepError> {
        let at = (self.job.clock)();
        let record = Record::Started(Started {
            row: self.row.into(),
            step: name.into(),
            refusals,
            hash,
            at,
        });
        self.job.append(&record, true)?;
        find(&mut self.steps.borrow_mut(), name).started(OWN, refusals, at, hash);
        Ok(())
    }

    fn done(&self, name: &str, hash: Uuid, value: StoredValue) -> Result<(), StepError> {
        let (data, body) = match &value {
            StoredValue::Data(data) => (data.as_deref().map(Cow::Borrowed), None),
            StoredValue::Body(body) => (None, Some(body.clone())),
        };
        let record = Record::Done(Done {
            row: self.row.into(),
            step: name.into(),
            hash,
            data,
            body,
        });
        self.job.append(&record, true)?;
        find(&mut self.steps.borrow_mut(), name).done(StepResult { hash, value });
        Ok(())
    }

    fn refused(
        &self,
        name: &str,
        refusals: u32,
        at: u64,
        conclusive: bool,
    ) -> Result<(), StepError> {
        let record = Record::Refused(Refused {
            row: self.row.into(),
            step: name.into(),
            refusals,
            at,
            conclusive,
        });
        self.job.append(&record, true)?;
        find(&mut self.steps.borrow_mut(), name).refused(OWN, refusals, at, conclusive);
        Ok(())
    }

    fn void(&self, name: &str, refusals: u32) -> Result<(), StepError> {
        let record = Record::Void(Void {
            row: self.row.into(),
            step: name.into(),
            refusals,
        });
        self.job.append(&record, true)
    }

    /// Keeps the row from being finished after an error without a definite outcome, and ends the job
    /// if the error concerns all rows.
    fn note(&self, name: &str, error: &StepError) {
        *self.failed.borrow_mut() = Some(name.to_owned());
        let kind = match error {
            StepError::Call(error) => {
                if let Some(reason) = reason(error) {
                    self.job.stop.set(reason);
                }
                let is_final = matches!(error, Error::User(_)) || is_refusal(error);
                if is_final && !is_unauthenticated(error) && !is_agent_limit(error) {
                    return;
                }
                match error {
                    Error::Cancelled(_) => TroubleKind::Stopping,
                    _ => TroubleKind::Failed(call_kind(error)),
                }
            }
            StepError::InDoubt(_) => TroubleKind::InDoubt,
            StepError::Stopping => TroubleKind::Stopping,
            StepError::Journal(_) => TroubleKind::Failed("journal".to_owned()),
            StepError::Changed(_) => TroubleKind::Failed("changed row".to_owned()),
            StepError::Name(_) => TroubleKind::Failed("step name".to_owned()),
        };
        let mut trouble = self.trouble.borrow_mut();
        let is_worse = match &*trouble {
            None => true,
            Some(known) => kind == TroubleKind::InDoubt && known.kind != TroubleKind::InDoubt,
        };
        if is_worse {
            *trouble = Some(Trouble {
                step: name.to_owned(),
                kind,
                message: error.to_string(),
            });
        }
    }
}

/// One call of a step, under one key.
struct Call<'s> {
    step: &'s Step<'s>,
    name: &'s str,
    hash: Uuid,
    refusals: u32,
    /// What was under way when the journal was read.
    open: Option<Open>,
    /// Reads need no record before they are sent: they can be repeated.
    is_write: Cell<bool>,
    /// When this call was first sent.
    sent_at: Cell<Option<u64>>,
    /// Whether an earlier sending of this call may have been performed.
    is_unknown: Cell<bool>,
    /// What keeps the next attempt from being sent.
    veto: RefCell<Option<Veto>>,
    /// Since when it has been waiting.
    waiting: Cell<Instant>,
}

enum Veto {
    InDoubt(Open),
    Error(StepError),
}

enum Sent<T> {
    Result(T),
    InDoubt(Open),
}

impl<'s> Call<'s> {
    fn new(
        step: &'s Step<'_>,
        name: &'s str,
        hash: Uuid,
        open: Option<Open>,
        refusals: u32,
    ) -> Self {
        Call {
            step,
            name,
            hash,
            refusals,
            open,
            is_write: Cell::new(true),
            sent_at: Cell::new(None),
            is_unknown: Cell::new(false),
            veto: RefCell::new(None),
            waiting: Cell::new(Instant::now()),
        }
    }

    fn send<T: DeserializeOwned>(&self, request: &Request<T>) -> Result<Sent<T>, StepError> {
        let job = self.step.job;
        self.is_write.set(request.is_write());
        let key = job.keys.key(self.step.row, self.name, self.refusals);
        let mut response = match self.response(request, &key) {
            Ok(response) => response,
            Err(error) => return self.failed(error),
        };
        // A response that cannot be decoded leaves the step started: the key stays in use.
        let value = request.to_store(&response).map_err(StepError::Call)?;
        let is_replay = response.headers.is_replay();
        let result = request.decode(&mut response).map_err(StepError::Call)?;
        self.step.done(self.name, self.hash, value)?;
        if is_replay && self.open.is_none() && !self.is_unknown.get() {
            job.figures.replayed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Sent::Result(result))
    }

    /// Sends the request until the response is not a sign that it is still in progress.
    fn response<T: DeserializeOwned>(
        &self,
        request: &Request<T>,
        key: &Uuid,
    ) -> Result<crate::http::Response, Error> {
        let started = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            self.waiting.set(Instant::now());
            let result = request.send_watched(key, self);
            let Err(error) = &result else { return result };
            let is_vetoed = self.veto.borrow().is_some();
            if is_vetoed || !may_be_in_progress(error) || started.elapsed() > IN_PROGRESS {
                return result;
            }
            if self.step.job.stop.wait(backoff.next_wait()) {
                *self.veto.borrow_mut() = Some(Veto::Error(StepError::Stopping));
                return result;
            }
        }
    }

    fn failed<T>(&self, error: Error) -> Result<Sent<T>, StepError> {
        match self.veto.take() {
            Some(Veto::InDoubt(open)) => return Ok(Sent::InDoubt(open)),
            Some(Veto::Error(error)) => return Err(error),
            None => {}
        }
        if self.is_write.get() && self.sent_at.get().is_some() {
            self.record_failure(&error)?;
        }
        Err(StepError::Call(error))
    }

    /// Records what a failure tells about the key, if anything.
    fn record_failure(&self, error: &Error) -> Result<(), StepError> {
        let now = (self.step.job.clock)();
        // Whether nothing that was ever sent under this key can have been performed.
        let is_certain = self.open.is_none() && !self.is_unknown.get();
        if is_evaluated(error) {
            // Such a refusal comes from behind the check of the key: had an earlier sending been
            // performed, its result would have been replayed.
            self.step.refused(self.name, self.refusals, now, true)
        } else if is_certain && is_unauthenticated(error) {
            // Servers check credentials first and store nothing.
            self.step.void(self.name, self.refusals)
        } else if is_certain && is_refusal(error) {
            // It may have been stored, so the next try needs a new key. But it may be a gateway's,
            // or that of a wrong URL, and so says nothing about what other processes have sent.
            self.step.refused(self.name, self.refusals, now, false)
        } else if is_certain && !is_unknown(error) {
            self.step.void(self.name, self.refusals)
        } else {
            Ok(())
        }
    }

    /// Returns what forbids the next attempt, now that all waiting is over.
    fn veto(&self) -> Option<Veto> {
        let job = self.step.job;
        if job.stop.is_hard() {
            return Some(Veto::Error(StepError::Stopping));
        }
        if !self.is_write.get() {
            return None;
        }
        let now = (job.clock)();
        let since = match (self.open, self.sent_at.get()) {
            (Some(open), _) => Some(open.since),
            (None, sent) => sent.filter(|_| self.is_unknown.get()),
        };
        if let Some(since) = since {
            // The server still has to remember the key of the earlier sending.
            return (job.age(since) >= job.window).then(|| {
                Veto::InDoubt(Open {
                    refusals: self.refusals,
                    since,
                    hash: self.hash,
                    here: true,
                    ambiguous: false,
                })
            });
        }
        // Whatever another process did since the journal was read, the server still has to remember.
        let view = now.abs_diff(self.step.read_at);
        (view >= job.window.max(MIN_VIEW)).then(|| {
            let what = format!(
                "not sent: the journal was read {} ago, and another process may have done this \
                 since; run the job again",
                super::report::Time(Duration::from_millis(view))
            );
            Veto::Error(StepError::Journal(what))
        })
    }
}

impl Watch for Call<'_> {
    fn before(&self) -> bool {
        let figures = &self.step.job.figures;
        let waited = self.waiting.get().elapsed().as_micros();
        let waited = u64::try_from(waited).unwrap_or(u64::MAX);
        figures.waited.fetch_add(waited, Ordering::Relaxed);
        if let Some(veto) = self.veto() {
            *self.veto.borrow_mut() = Some(veto);
            return false;
        }
        if self.sent_at.get().is_none() {
            let is_recorded = self.open.is_some_and(|open| open.here);
            if self.is_write.get() && !is_recorded {
                if let Err(error) = self.step.started(self.name, self.refusals, self.hash) {
                    *self.veto.borrow_mut() = Some(Veto::Error(error));
                    return false;
                }
            }
            self.sent_at.set(Some((self.step.job.clock)()));
        }
        figures.attempts.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn failed(&self, error: Option<&Error>) {
        self.waiting.set(Instant::now());
        if error.is_none_or(is_unknown) {
            self.is_unknown.set(true);
        }
    }
}

//! Why a step, a row or a job failed.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Error;

use super::journal::JournalError;
use super::report::Time;

/// Why a step did not return its result.
///
/// Most closures pass it on with `?`. To go on after a refusal, match it:
///
/// ```no_run
/// use bimpeai::agents::CreateKnowledgeBase;
/// use bimpeai::batch::{RowError, Step, StepError};
///
/// # fn menu(client: &bimpeai::Client, step: &Step<'_>, agent_id: &str) -> Result<(), RowError> {
/// let menu = CreateKnowledgeBase::text("Menu", "Margherita pizza £12.");
/// let menu = client.agents().knowledge_bases().create(agent_id, menu);
/// match step.send("menu", menu) {
///     // Refused for good: the row is finished without it.
///     Err(StepError::Call(error)) if error.status() == Some(400) => {
///         eprintln!("{error}");
///     }
///     other => drop(other?),
/// }
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub enum StepError {
    /// The call failed. If the server refused it for good (a 4xx except 408, 409 and 429), the next
    /// run sends it with a new idempotency key and may change it. Otherwise the next run repeats it
    /// under the same key.
    Call(Error),
    /// The step was started longer ago than the idempotency window, and its result is not known.
    /// It was not sent again; see [`Batch::reconcile`](super::Batch::reconcile).
    InDoubt(InDoubt),
    /// The step was started or done with another method, path or body. Nothing was sent.
    Changed(ChangedStep),
    /// The row has two steps of this name, or the name is empty. Nothing was sent.
    Name(String),
    /// The journal cannot be written, or is too old to rely on. Nothing was sent that is not
    /// recorded.
    Journal(String),
    /// The job is ending. Nothing was sent.
    Stopping,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepError::Call(error) => error.fmt(f),
            StepError::InDoubt(step) => step.fmt(f),
            StepError::Changed(step) => step.fmt(f),
            StepError::Name(name) if name.is_empty() => f.write_str("the name of a step is empty"),
            StepError::Name(name) => write!(
                f,
                "the row has two steps named {name:?}; give each step of a row its own name"
            ),
            StepError::Journal(what) => f.write_str(what),
            StepError::Stopping => f.write_str("not sent: the job is ending"),
        }
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for StepError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            StepError::Call(error) => error.source(),
            _ => None,
        }
    }
}

/// A step that may or may not be done: it was sent, its result was lost, and by now the server may
/// have forgotten its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDoubt {
    pub(super) row: String,
    pub(super) step: String,
    pub(super) operation: String,
    /// Milliseconds since 1970.
    pub(super) started: u64,
    pub(super) age: Duration,
    pub(super) ambiguous: bool,
}

impl InDoubt {
    /// Returns the key of the row.
    pub fn row(&self) -> &str {
        &self.row
    }

    /// Returns the name of the step.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Returns the operation on the wire, such as `POST /agents`.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// Returns when it was first sent.
    pub fn started(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.started)
    }
}

impl fmt::Display for InDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InDoubt {
            step, operation, ..
        } = self;
        write!(f, "step {step:?} ({operation}) ")?;
        if self.ambiguous {
            f.write_str("was started by two processes that disagree about it")?;
        } else {
            write!(f, "was sent {} ago, its result is unknown", Time(self.age))?;
            f.write_str(", and the server may have forgotten its idempotency key")?;
        }
        f.write_str("; find out whether it was done, and decide with Batch::reconcile")
    }
}

/// What to do about a step that is in doubt.
#[derive(Debug, Clone, PartialEq)]
pub enum Reconciled {
    /// It was done, and this is its result: the `data` that the API would have returned. The step
    /// returns it now and in all later runs.
    Done(serde_json::Value),
    /// It was not done. It is sent under a new idempotency key. `calls().make` is an exception: a
    /// phone that rings twice is worse than one that does not, so it stays in doubt.
    NotDone,
    /// It cannot be told. The row stays in doubt.
    Unknown,
}

/// A step that asks for something else than in an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedStep {
    pub(super) step: String,
    pub(super) operation: String,
    pub(super) done: bool,
}

impl ChangedStep {
    /// Returns the name of the step.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Returns whether the step is done, as opposed to started.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

impl fmt::Display for ChangedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChangedStep {
            step,
            operation,
            done,
        } = self;
        let was = if *done {
            "is done, with another request; undo the change to the row"
        } else {
            "was started with another request, whose result is unknown; undo the change to the \
             row until it is known"
        };
        write!(
            f,
            "step {step:?} ({operation}) {was}, or import the changed row under another key \
             (requests must depend on the row and earlier results alone)"
        )
    }
}

/// Why a row failed: any error, converted by `?`.
///
/// It is not an error type itself, because then every error could not be converted into it. What is
/// not an error type, such as a text, goes through [`RowError::new`].
pub struct RowError(Box<dyn StdError + Send + Sync>);

impl RowError {
    /// Wraps a text, a boxed error, or an error of another library.
    ///
    /// ```
    /// use bimpeai::batch::RowError;
    ///
    /// let error = RowError::new("the row has no phone number");
    /// assert_eq!(error.to_string(), "the row has no phone number");
    /// ```
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> RowError {
        RowError(error.into())
    }

    /// Returns the error of a step, if that is what it is.
    pub fn as_step(&self) -> Option<&StepError> {
        self.0.downcast_ref()
    }

    pub(super) fn as_call(&self) -> Option<&Error> {
        self.0.downcast_ref()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for RowError {
    fn from(error: E) -> Self {
        RowError(Box::new(error))
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a job could not begin. Nothing was sent.
#[derive(Clone)]
pub struct BatchError(Cause);

#[derive(Clone)]
enum Cause {
    Setting(String),
    Journal(JournalError),
}

impl BatchError {
    pub(super) fn setting(what: impl Into<String>) -> Self {
        BatchError(Cause::Setting(what.into()))
    }
}

impl From<JournalError> for BatchError {
    fn from(error: JournalError) -> Self {
        BatchError(Cause::Journal(error))
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Setting(what) => f.write_str(what),
            Cause::Journal(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for BatchError {}

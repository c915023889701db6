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
        let since = Duration::from_millis(self.started);
        // A damaged journal may name a time that the platform cannot represent.
        UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn in_doubt() -> InDoubt {
        InDoubt {
            row: "r-1".to_owned(),
            step: "agent".to_owned(),
            operation: "POST /agents".to_owned(),
            started: 1_500,
            age: Duration::from_secs(90_000),
            ambiguous: false,
        }
    }

    fn changed(done: bool) -> ChangedStep {
        ChangedStep {
            step: "agent".to_owned(),
            operation: "POST /agents".to_owned(),
            done,
        }
    }

    #[test]
    fn the_error_of_a_step_says_what_to_do() {
        let names = |name: &str| StepError::Name(name.to_owned());
        let changed = |done| StepError::Changed(changed(done));
        for (error, expected) in [
            (names(""), "the name of a step is empty"),
            (
                names("menu"),
                "the row has two steps named \"menu\"; give each step of a row its own name",
            ),
            (StepError::Stopping, "not sent: the job is ending"),
            (StepError::Journal("no room".to_owned()), "no room"),
            (
                changed(true),
                "step \"agent\" (POST /agents) is done, with another request; undo the change to \
                 the row, or import the changed row under another key (requests must depend on the \
                 row and earlier results alone)",
            ),
            (
                changed(false),
                "step \"agent\" (POST /agents) was started with another request, whose result is \
                 unknown; undo the change to the row until it is known, or import the changed row \
                 under another key (requests must depend on the row and earlier results alone)",
            ),
            (
                StepError::InDoubt(in_doubt()),
                "step \"agent\" (POST /agents) was sent 25 h 0 min ago, its result is unknown, and \
                 the server may have forgotten its idempotency key; find out whether it was done, \
                 and decide with Batch::reconcile",
            ),
            (
                StepError::InDoubt(InDoubt {
                    ambiguous: true,
                    ..in_doubt()
                }),
                "step \"agent\" (POST /agents) was started by two processes that disagree about it; \
                 find out whether it was done, and decide with Batch::reconcile",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
            assert_eq!(format!("{error:?}"), expected);
            assert!(error.source().is_none());
        }
    }

    #[test]
    fn a_step_in_doubt_and_a_changed_step_tell_their_parts() {
        let doubt = in_doubt();
        assert_eq!(
            (doubt.row(), doubt.step(), doubt.operation()),
            ("r-1", "agent", "POST /agents")
        );
        assert_eq!(doubt.started(), UNIX_EPOCH + Duration::from_millis(1_500));
        for done in [true, false] {
            let changed = changed(done);
            assert_eq!((changed.step(), changed.is_done()), ("agent", done));
        }
    }

    #[test]
    fn the_error_of_a_row_keeps_its_source() {
        let text = RowError::new("no phone number");
        assert_eq!(text.to_string(), "no phone number");
        assert_eq!(format!("{text:?}"), "\"no phone number\"");
        assert!(text.as_step().is_none() && text.as_call().is_none());
        let step = RowError::from(StepError::Stopping);
        assert!(matches!(step.as_step(), Some(StepError::Stopping)));
        let call = RowError::from(Error::user("wrong"));
        assert!(call.as_step().is_none() && call.as_call().is_some());
    }

    #[test]
    fn the_error_of_a_step_has_the_source_of_its_call() {
        let server = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        drop(server);
        let client = crate::Client::builder("sk_canary").base_url(url);
        let client = client.max_retries(0).build().unwrap();
        let error = client.agents().retrieve("a").send().unwrap_err();
        let source = error.source().expect("a source").to_string();
        let error = StepError::Call(error);
        assert_eq!(error.source().expect("a source").to_string(), source);
    }

    #[test]
    fn the_error_of_a_job_prints_its_message() {
        let error = BatchError::setting("threads must not be zero");
        assert_eq!(error.to_string(), "threads must not be zero");
        assert_eq!(format!("{error:?}"), error.to_string());
    }
}

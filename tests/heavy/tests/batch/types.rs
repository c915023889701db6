//! Public types can be moved to other threads, shared between them, and used across a caught panic.

use std::panic::{RefUnwindSafe, UnwindSafe};

use bimpeai::batch::{
    BatchError, ChangedStep, InDoubt, Plan, Problem, Progress, Reconciled, Report, RowError, Shard,
    ShardError, StepError,
};

fn can_be_shared<T: Send + Sync + Unpin + 'static>() {}

fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}

/// Not `Batch` and `Step`, which hold closures of the caller and the state of one row.
#[test]
fn results_and_errors_can_be_shared() {
    macro_rules! types {
        ($($name:ty),*) => { $( can_be_shared::<$name>(); is_unwind_safe::<$name>(); )* };
    }
    types!(
        BatchError,
        ChangedStep,
        InDoubt,
        Plan,
        Problem,
        Progress,
        Reconciled,
        Report,
        Shard,
        ShardError,
        StepError
    );
    // Any error of the caller may be in it.
    can_be_shared::<RowError>();
}

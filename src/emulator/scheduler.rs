//! What happens on its own: agents reply, customers write.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::options::Options;
use super::responder;
use super::shared::Shared;
use super::state::{State, Task};

/// Maximum wait without looking at the schedule.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Runs each task at its time, until the emulator stops.
pub(super) fn run(shared: &Shared) {
    let mut state = shared.state();
    while !shared.stop.is_set() {
        let now = Instant::now();
        let next = state.schedule.first_key_value().map(|((at, _), _)| *at);
        let wait = next.map_or(MAX_WAIT, |at| at.saturating_duration_since(now));
        if wait == Duration::ZERO {
            if let Some((_, task)) = state.schedule.pop_first() {
                perform(&mut state, &shared.options, task);
                shared.changed.notify_all();
            }
        } else {
            let woken = shared.changed.wait_timeout(state, wait);
            drop(woken.unwrap_or_else(PoisonError::into_inner));
            state = shared.state();
        }
    }
}

/// Runs a task. Nothing happens if its agent or conversation has been deleted.
fn perform(state: &mut State, options: &Options, task: Task) {
    match task {
        Task::Reply {
            agent,
            conversation,
            question,
        } => {
            let _ = responder::reply(state, options, &agent, &conversation, &question);
        }
        Task::CustomerWrites {
            agent,
            conversation,
            line,
        } => {
            let Ok(writer) = state.agent(&agent) else {
                return;
            };
            let text = responder::customer_line(writer, state.workflow_of(writer), line);
            if state.say(&agent, &conversation, "user", &text).is_ok() {
                responder::reply_later(state, options, &agent, &conversation, &text);
            }
        }
    }
}

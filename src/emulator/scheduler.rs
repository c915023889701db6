//! What happens by itself: agents that answer, customers that write.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::options::Options;
use super::responder;
use super::state::{State, Task};
use super::world::World;

/// Longest wait without looking; the schedule's own wake-ups come before.
const REST: Duration = Duration::from_secs(3600);

/// Does each task when it is due, until the emulator stops.
pub(super) fn run(world: &World) {
    let mut state = world.state();
    while !world.is_stopping() {
        let now = Instant::now();
        let next = state.schedule.first_key_value().map(|((due, _), _)| *due);
        let wait = next.map_or(REST, |due| due.saturating_duration_since(now));
        if wait == Duration::ZERO {
            if let Some((_, task)) = state.schedule.pop_first() {
                perform(&mut state, &world.options, task);
                world.news.notify_all();
            }
        } else {
            let woken = world.schedule.wait_timeout(state, wait);
            drop(woken.unwrap_or_else(PoisonError::into_inner));
            state = world.state();
        }
    }
}

/// An agent or conversation that is gone by now has nothing to say.
fn perform(state: &mut State, options: &Options, task: Task) {
    match task {
        Task::Reply {
            agent,
            conversation,
            question,
        } => {
            let _ = responder::reply(state, &agent, &conversation, &question);
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

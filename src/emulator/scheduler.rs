//! What happens by itself: agents that answer, customers that write.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::options::Options;
use super::responder;
use super::state::{Deed, State};
use super::world::World;

/// Longest wait without looking; the agenda's own wake-ups come before.
const REST: Duration = Duration::from_secs(3600);

/// Does each deed when it is due, until the emulator stops.
pub(super) fn run(world: &World) {
    let mut state = world.state();
    while !world.is_stopping() {
        let now = Instant::now();
        let next = state.agenda.first_key_value().map(|((due, _), _)| *due);
        let wait = next.map_or(REST, |due| due.saturating_duration_since(now));
        if wait == Duration::ZERO {
            if let Some((_, deed)) = state.agenda.pop_first() {
                perform(&mut state, &world.options, deed);
                world.news.notify_all();
            }
        } else {
            let woken = world.agenda.wait_timeout(state, wait);
            drop(woken.unwrap_or_else(PoisonError::into_inner));
            state = world.state();
        }
    }
}

/// An agent or conversation that is gone by now has nothing to say.
fn perform(state: &mut State, options: &Options, deed: Deed) {
    match deed {
        Deed::Reply {
            agent,
            conversation,
            question,
        } => {
            let _ = responder::reply(state, &agent, &conversation, &question);
        }
        Deed::CustomerWrites {
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

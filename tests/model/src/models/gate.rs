//! Models of the rate gate, and of the calls that wait at it.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use super::Model;
use crate::http::cancel::Cancel;
use crate::http::rate_limit::{Admission, Observation, RateGate, Turn};
use crate::sync::{Mutex, spawn, yield_now};

pub(crate) const MODELS: &[Model] = &[
    Model::polling("one_attempt_before_the_first_response", || limited(1)),
    Model::polling("as_many_attempts_as_remain", || limited(2)),
    Model::polling(
        "newcomers_do_not_overtake_the_line",
        newcomers_do_not_overtake_the_line,
    ),
    Model::polling(
        "a_call_that_gives_up_leaves_the_line",
        a_call_that_gives_up_leaves_the_line,
    ),
    Model::polling(
        "a_refusal_closes_the_gate_for_all",
        a_refusal_closes_the_gate_for_all,
    ),
    Model::polling(
        "old_responses_do_not_widen_the_gate",
        old_responses_do_not_widen_the_gate,
    ),
    Model::polling("a_closed_gate_opens_for_all", a_closed_gate_opens_for_all),
    Model::new(
        "shutdown_wakes_all_at_a_closed_gate",
        shutdown_wakes_all_at_a_closed_gate,
    ),
    Model::polling(
        "shutdown_ends_a_call_in_the_line",
        shutdown_ends_a_call_in_the_line,
    ),
];

/// The time at the start of every model. It passes only where a model lets it.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const SECOND: Duration = Duration::from_secs(1);

fn gate() -> RateGate {
    RateGate::new(None, Box::new(|| 0.5))
}

/// Returns a gate that lets up to `attempts` be in flight, as one does that expects 15 competitors.
fn gate_for(attempts: u64) -> RateGate {
    let gate = gate();
    respond(&gate, *START, 200, Some(16 * attempts));
    gate
}

/// One attempt, with its response.
fn respond(gate: &RateGate, now: Instant, status: u16, remaining: Option<u64>) {
    let mut turn = gate.turn();
    assert_eq!(turn.admit(now), Admission::Proceed);
    observe(&mut turn, now, status, remaining);
}

/// A success with what remains of the limit, or a refusal for ten seconds.
fn observe(turn: &mut Turn<'_>, now: Instant, status: u16, remaining: Option<u64>) {
    let response = Observation {
        status,
        remaining,
        retry_after: (status == 429).then_some(10 * SECOND),
        ..Observation::default()
    };
    turn.observe(now, SystemTime::now, &response);
}

/// Does what `Http::pass_gate` does, without letting time pass. Returns `false` if it is cancelled.
fn pass(turn: &mut Turn<'_>, now: Instant, cancel: &Cancel) -> bool {
    loop {
        if cancel.is_cancelled() {
            return false;
        }
        match turn.admit(now) {
            Admission::Proceed => return true,
            Admission::Wait { check, .. } => {
                if cancel.wait(check.saturating_duration_since(now)) {
                    return false;
                }
            }
        }
    }
}

/// The same without cancellation: it lets others run and asks again.
fn poll(turn: &mut Turn<'_>, now: Instant) {
    while turn.admit(now) != Admission::Proceed {
        yield_now();
    }
}

/// Asserts that exactly this number of attempts may be in flight: none was lost or counted twice.
fn assert_room(gate: &RateGate, now: Instant, attempts: u64) {
    let mut turns: Vec<_> = (0..=attempts).map(|_| gate.turn()).collect();
    let (last, others) = turns.split_last_mut().unwrap();
    for turn in others {
        assert_eq!(
            turn.admit(now),
            Admission::Proceed,
            "an attempt counts that has ended"
        );
    }
    assert_ne!(last.admit(now), Admission::Proceed, "the gate is too wide");
}

/// Calls at a gate for `attempts` in flight: one more than that, while an earlier one ends. Nobody learns
/// more about the limit meanwhile, so it is kept, and each attempt is sent in the end.
fn limited(attempts: u64) {
    let gate = Arc::new(gate_for(attempts));
    let in_flight = Arc::new(AtomicU64::new(1));
    let mut first = gate.turn();
    assert_eq!(first.admit(*START), Admission::Proceed);
    let call = move |gate: &RateGate, in_flight: &AtomicU64| {
        let mut turn = gate.turn();
        poll(&mut turn, *START);
        let before = in_flight.fetch_add(1, SeqCst);
        assert!(before < attempts, "too many attempts are in flight");
        yield_now();
        in_flight.fetch_sub(1, SeqCst);
    };
    let threads: Vec<_> = (0..attempts)
        .map(|_| {
            let (gate, in_flight) = (gate.clone(), in_flight.clone());
            spawn(move || call(&gate, &in_flight))
        })
        .collect();
    in_flight.fetch_sub(1, SeqCst);
    drop(first);
    call(&gate, &in_flight);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_room(&gate, *START, attempts);
}

/// A call that waits in the line is sent before one that starts later.
fn newcomers_do_not_overtake_the_line() {
    let gate = Arc::new(gate());
    let mut first = gate.turn();
    assert_eq!(first.admit(*START), Admission::Proceed);
    let mut waiting = gate.turn();
    assert_ne!(waiting.admit(*START), Admission::Proceed);
    let is_sent = Arc::new(Mutex::new(false));
    let (shared, sent_before) = (gate.clone(), is_sent.clone());
    let newcomer = spawn(move || {
        let mut turn = shared.turn();
        poll(&mut turn, *START);
        assert!(*sent_before.lock().unwrap(), "the line was overtaken");
    });
    drop(first);
    poll(&mut waiting, *START);
    *is_sent.lock().unwrap() = true;
    drop(waiting);
    newcomer.join().unwrap();
}

fn a_call_that_gives_up_leaves_the_line() {
    let gate = Arc::new(gate());
    let mut first = gate.turn();
    assert_eq!(first.admit(*START), Admission::Proceed);
    let mut waiting = gate.turn();
    assert_ne!(waiting.admit(*START), Admission::Proceed);
    let shared = gate.clone();
    let behind = spawn(move || poll(&mut shared.turn(), *START));
    drop(waiting);
    drop(first);
    behind.join().unwrap();
    assert_room(&gate, *START, 1);
}

/// Nothing is sent from the moment in which a refusal was observed until the gate opens.
fn a_refusal_closes_the_gate_for_all() {
    let gate = Arc::new(gate_for(3));
    let mut refused = gate.turn();
    assert_eq!(refused.admit(*START), Admission::Proceed);
    let is_closed = Arc::new(Mutex::new(false));
    let (shared, closed) = (gate.clone(), is_closed.clone());
    let other = spawn(move || {
        for _ in 0..2 {
            let is_closed = *closed.lock().unwrap();
            match shared.turn().admit(*START) {
                Admission::Proceed => assert!(!is_closed, "the gate is open"),
                Admission::Wait { check, .. } => {
                    let opens = *START + 10 * SECOND;
                    assert!(!is_closed || check >= opens, "the gate opens too early");
                }
            }
        }
    });
    observe(&mut refused, *START, 429, None);
    *is_closed.lock().unwrap() = true;
    other.join().unwrap();
}

/// What was sent before the gate was closed says nothing about the time after it opens.
fn old_responses_do_not_widen_the_gate() {
    let gate = Arc::new(gate_for(3));
    let mut refused = gate.turn();
    assert_eq!(refused.admit(*START), Admission::Proceed);
    let shared = gate.clone();
    let other = spawn(move || {
        let mut turn = shared.turn();
        if turn.admit(*START) == Admission::Proceed {
            observe(&mut turn, *START, 200, Some(48));
        }
    });
    observe(&mut refused, *START, 429, None);
    other.join().unwrap();
    drop(refused);
    // The gate opens, and calls pass one by one for a moment.
    let opened = *START + 20 * SECOND;
    assert_room(&gate, opened, 1);
    assert_room(&gate, opened + 2 * SECOND, 1);
}

/// Calls that wait for the gate to open are all sent afterwards.
fn a_closed_gate_opens_for_all() {
    let gate = Arc::new(gate());
    respond(&gate, *START, 429, None);
    let opened = *START + 20 * SECOND;
    let shared = gate.clone();
    let call = move |gate: &RateGate| {
        let mut turn = gate.turn();
        // The other call may have opened the gate already.
        turn.admit(*START);
        poll(&mut turn, opened);
        observe(&mut turn, opened, 200, None);
    };
    let other = spawn(move || call(&shared));
    call(&gate);
    other.join().unwrap();
    // What was served since has made the gate wider by one.
    assert_room(&gate, opened + 2 * SECOND, 2);
}

/// Calls that wait an hour end when the client is shut down, and leave no trace in the line.
fn shutdown_wakes_all_at_a_closed_gate() {
    let gate = Arc::new(gate());
    let client = Arc::new(Cancel::default());
    respond(&gate, *START, 429, None);
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (gate, client) = (gate.clone(), client.clone());
            spawn(move || assert!(!pass(&mut gate.turn(), *START, &client), "the gate is open"))
        })
        .collect();
    client.cancel();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_room(&gate, *START + 20 * SECOND, 1);
}

/// A call in the line ends when its client is shut down, though the one before it never does.
fn shutdown_ends_a_call_in_the_line() {
    let gate = Arc::new(gate());
    let client = Arc::new(Cancel::default());
    let mut first = gate.turn();
    assert_eq!(first.admit(*START), Admission::Proceed);
    let (shared, stopping) = (gate.clone(), client.clone());
    let waiting = spawn(move || pass(&mut shared.turn(), *START, &stopping));
    client.cancel();
    assert!(!waiting.join().unwrap());
    drop(first);
    assert_room(&gate, *START, 1);
}

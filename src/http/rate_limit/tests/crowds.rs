//! One by one, in line, alone or in a crowd: what a gate makes of the calls and responses before.

use std::sync::atomic::Ordering::Relaxed;

use super::*;

/// The check and the expected time of a call that has to wait, since `start`.
#[track_caller]
fn told(turn: &mut Turn<'_>, now: Instant, start: Instant) -> (Duration, Duration) {
    match turn.admit(now) {
        Admission::Wait { check, expected } => (check - start, expected - start),
        Admission::Proceed => panic!("it is sent"),
    }
}

/// A response after which `remaining` of `limit` requests are left for `seconds`.
fn of(limit: u64, remaining: u64, seconds: u64) -> Observation {
    Observation {
        limit: Some(limit),
        ..super::remaining(remaining, seconds)
    }
}

#[test]
fn an_open_gate_is_passed_without_its_lock() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let passing = || gate.open_for.load(Relaxed);
    assert_eq!(passing(), 1);
    call(&gate, start, &remaining(110, 60));
    assert_eq!(passing(), 6);
    call(&gate, start, &refusal(4));
    assert_eq!(passing(), 0);
    // One by one for a twentieth of the wait.
    let opens = start + 4 * SECOND;
    call(&gate, opens, &remaining(110, 60));
    assert_eq!(passing(), 0);
    call(&gate, opens + millis(200), &remaining(109, 60));
    assert!(passing() > 1);
}

#[test]
fn newcomers_pass_one_by_one_too_for_a_moment_after_the_gate_opened() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &refusal(4));
    let opens = start + 4 * SECOND;
    call(&gate, opens, &of(1000, 900, 60));
    let mut first = gate.turn();
    assert!(is_sent(&mut first, opens + millis(1)));
    let mut second = gate.turn();
    assert!(!is_sent(&mut second, opens + millis(199)));
    // The twentieth is over.
    assert!(is_sent(&mut second, opens + millis(200)));
    let mut others: Vec<_> = (0..100).map(|_| gate.turn()).collect();
    assert!(others.iter_mut().all(|it| is_sent(it, opens + millis(200))));
}

#[test]
fn those_further_behind_look_less_often() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let mut first = gate.turn();
    assert!(is_sent(&mut first, start));
    let mut turns: Vec<_> = (0..6).map(|_| gate.turn()).collect();
    let checks: Vec<_> = turns
        .iter_mut()
        .map(|it| told(it, start, start).0)
        .collect();
    assert_eq!(checks, [2, 2, 4, 6, 8, 10].map(millis));
    // But nobody looks again at once, even if the time to wait is all but over.
    let almost = start + Duration::from_micros(499_900);
    let checked = told(&mut turns[0], almost, almost).0;
    assert_eq!(checked, Duration::from_micros(500));
}

#[test]
fn the_expected_time_behind_a_closed_gate_counts_those_ahead() {
    let start = Instant::now();
    let gate = RateGate::new(Some(6.0), Box::new(|| 0.0));
    call(&gate, start, &refusal(60));
    let mut turns: Vec<_> = (0..3).map(|_| gate.turn()).collect();
    for (ahead, turn) in turns.iter_mut().enumerate() {
        let (check, expected) = told(turn, start, start);
        assert_eq!(check, 60 * SECOND);
        let slot = 60.0 + 60.0 / (6.0 * 0.95) * ahead as f64;
        assert!((expected.as_secs_f64() - slot).abs() < 1e-3, "{expected:?}");
    }
}

#[test]
fn a_known_limit_lets_one_more_attempt_pass_in_half_a_second() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &remaining(20, 60));
    let mut turns: Vec<_> = (0..9).map(|_| gate.turn()).collect();
    let sent = |turns: &mut Vec<Turn<'_>>, now| {
        let before = turns.len();
        turns.retain_mut(|turn| !is_sent(turn, now));
        before - turns.len()
    };
    // Those that are sent stay in flight.
    let mut first = gate.turn();
    assert!(is_sent(&mut first, start));
    assert_eq!(sent(&mut turns, start), 0);
    for round in 1..4 {
        assert_eq!(sent(&mut turns, start + round * millis(501)), 1, "{round}");
    }
}

#[test]
fn the_local_clock_is_not_read_where_no_reset_is_told() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let undated = |response| Observation {
        date: None,
        ..response
    };
    call(&gate, start, &undated(response(200)));
    call(&gate, start, &undated(refusal(1)));
}

#[test]
fn any_rate_header_makes_a_snapshot() {
    let start = Instant::now();
    let number = Some(7);
    for (limit, remaining, reset_at) in [
        (number, None, None),
        (None, number, None),
        (None, None, number),
    ] {
        let gate = gate_with(0.0);
        let response = Observation {
            limit,
            remaining,
            reset_at,
            ..response(200)
        };
        call(&gate, start, &response);
        let seen = gate.snapshot().unwrap();
        assert_eq!(
            (seen.limit, seen.remaining, seen.reset_at),
            (limit, remaining, reset_at)
        );
    }
}

/// Waits like a caller, sends, and returns how long it has waited, in seconds.
fn send_in_time(gate: &RateGate, from: Instant, response: &Observation) -> f64 {
    let (mut turn, mut now) = (gate.turn(), from);
    while let Admission::Wait { expected, .. } = turn.admit(now) {
        now = expected;
    }
    turn.observe(now, no_clock, response);
    (now - from).as_secs_f64()
}

fn wait_in_all(gate: &RateGate, from: Instant) -> f64 {
    send_in_time(gate, from, &response(200))
}

#[test]
fn a_refused_client_gets_a_pace_only_among_others() {
    let start = Instant::now();
    // Served before the first refusal, and between it and the second.
    for (before, between, is_paced) in [
        (0, 0, true),
        (0, 8, true),
        (0, 9, false),
        (20, 0, true),
        (20, 8, true),
        (20, 9, false),
        (20, 40, false),
    ] {
        let gate = gate_with(0.0);
        let mut now = start;
        for count in [before, between] {
            for _ in 0..count {
                call(&gate, now, &response(200));
            }
            call(&gate, now, &refusal(1));
            now += SECOND;
        }
        now -= SECOND;
        let waited = wait_in_all(&gate, now);
        assert_eq!(waited > 1.01, is_paced, "{before}, {between}: {waited} s");
    }
}

#[test]
fn a_first_refusal_does_not_pace_a_client_however_little_it_was_served() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &refusal(1));
    assert_eq!(wait_in_all(&gate, start), 1.0);
}

#[test]
fn a_client_alone_with_a_small_limit_is_paced_from_its_second_window_on() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &of(2, 0, 3));
    // By the clock of the server, the second window ends three seconds later.
    let second = Observation {
        date: Some(UNIX_EPOCH + Duration::from_secs(DATE + 3)),
        ..of(2, 0, 6)
    };
    let now = start + 3 * SECOND;
    call(&gate, now, &second);
    // One request and a half in three seconds.
    let waited = wait_in_all(&gate, now);
    assert!((waited - 5.0).abs() < 1e-3, "{waited}");
}

#[test]
fn a_client_among_others_is_not_paced_by_what_it_was_served_before_a_longer_wait() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &of(120, 0, 3));
    let second = Observation {
        date: Some(UNIX_EPOCH + Duration::from_secs(DATE + 3)),
        ..of(120, 0, 6)
    };
    let now = start + 3 * SECOND;
    call(&gate, now, &second);
    assert_eq!(wait_in_all(&gate, now), 3.0);
}

#[test]
fn a_window_of_a_minute_ends_the_pace() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &refusal(1));
    call(&gate, start + SECOND, &refusal(1));
    let now = start + SECOND;
    let paced = send_in_time(&gate, now, &remaining(0, 60));
    assert!(paced > 1.01, "{paced}");
    let now = now + Duration::from_secs_f64(paced);
    // The server's clock has gone on by a second since the first of its dates.
    assert_eq!(wait_in_all(&gate, now), 59.0);
    assert_eq!(wait_in_all(&gate, now + 59 * SECOND), 0.0);
}

#[test]
fn an_invalid_rate_is_not_a_share() {
    for told in [0.0, -5.0, f64::NAN, f64::INFINITY, 1e-320] {
        let gate = RateGate::new(Some(told), Box::new(|| 0.5));
        let now = Instant::now();
        call(&gate, now, &remaining(100, 60));
        assert_eq!(wait(&gate, now), Duration::ZERO, "{told}");
    }
}

#[test]
fn remaining_does_not_hold_back_a_told_share() {
    let start = Instant::now();
    // Little, or less than one for this client.
    for left in [20, 8] {
        let gate = RateGate::new(Some(6000.0), Box::new(|| 0.9));
        call(&gate, start, &remaining(left, 20));
        let mut turns: Vec<_> = (0..4).map(|_| gate.turn()).collect();
        let mut now = start;
        for turn in &mut turns {
            while let Admission::Wait { expected, .. } = turn.admit(now) {
                now = expected;
            }
        }
        assert!(now - start < millis(100), "{left}: {:?}", now - start);
    }
}

#[test]
fn refusals_of_one_second_close_the_gate_once() {
    let (gate, start) = (gate_with(1.0), Instant::now());
    let plenty = remaining(110, 60);
    call(&gate, start, &plenty);
    let mut turns: Vec<_> = (0..2).map(|_| gate.turn()).collect();
    assert!(turns.iter_mut().all(|turn| is_sent(turn, start)));
    // A twentieth is added once.
    for (turn, later) in turns.iter_mut().zip([0, 300]) {
        turn.observe(start + millis(later), no_clock, &refusal(10));
        assert_eq!(wait(&gate, start), millis(10_500));
    }
}

mod crowds;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::simulation::Random;
use super::{Admission, MAX_CLOSED, Observation, RateGate, Turn};

/// The Unix time of the server, which no client's clock has to share.
const DATE: u64 = 1_234_567_890;
const SECOND: Duration = Duration::from_secs(1);

fn gate_with(random: f64) -> RateGate {
    RateGate::new(None, Box::new(move || random))
}

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn response(status: u16) -> Observation {
    Observation {
        status,
        date: Some(UNIX_EPOCH + Duration::from_secs(DATE)),
        ..Observation::default()
    }
}

/// A response after which `remaining` of 120 requests are left for `seconds`.
fn remaining(remaining: u64, seconds: u64) -> Observation {
    let response = Observation {
        limit: Some(120),
        remaining: Some(remaining),
        ..response(200)
    };
    with_reset(response, seconds)
}

fn refusal(seconds: u64) -> Observation {
    Observation {
        retry_after: Some(Duration::from_secs(seconds)),
        ..response(429)
    }
}

fn with_reset(response: Observation, seconds: u64) -> Observation {
    Observation {
        reset_at: Some(DATE + seconds),
        ..response
    }
}

fn no_clock() -> SystemTime {
    panic!("the response has a date")
}

fn send(turn: &mut Turn<'_>, now: Instant, response: &Observation) {
    assert_eq!(turn.admit(now), Admission::Proceed);
    turn.observe(now, no_clock, response);
}

/// Sends an attempt of a call of its own.
fn call(gate: &RateGate, now: Instant, response: &Observation) {
    send(&mut gate.turn(), now, response);
}

/// How long a new call has to wait.
fn wait(gate: &RateGate, now: Instant) -> Duration {
    match gate.turn().admit(now) {
        Admission::Proceed => Duration::ZERO,
        Admission::Wait { check, .. } => check - now,
    }
}

fn is_sent(turn: &mut Turn<'_>, now: Instant) -> bool {
    turn.admit(now) == Admission::Proceed
}

#[test]
fn nothing_remaining_closes_the_gate_until_the_reset_by_the_servers_clock() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &remaining(0, 30));
    assert_eq!(wait(&gate, start + SECOND), 29 * SECOND);
    assert_eq!(wait(&gate, start + 30 * SECOND), Duration::ZERO);
}

#[test]
fn without_a_date_the_reset_is_read_against_the_local_clock() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let response = Observation {
        date: None,
        ..remaining(0, 30)
    };
    let mut turn = gate.turn();
    assert!(is_sent(&mut turn, start));
    let local = || UNIX_EPOCH + Duration::from_millis(DATE * 1000 + 400);
    turn.observe(start, local, &response);
    assert_eq!(wait(&gate, start), millis(29_600));
}

#[test]
fn dates_of_earlier_responses_tell_the_part_of_the_second() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &remaining(50, 10));
    // The same second is shown, and three quarters of it are over.
    call(&gate, start + millis(750), &remaining(0, 10));
    assert_eq!(wait(&gate, start + millis(750)), millis(9_250));

    // A clock that jumps is believed at once.
    let jumped = Observation {
        date: Some(UNIX_EPOCH + Duration::from_secs(DATE + 500)),
        ..remaining(0, 510)
    };
    let now = start + 10 * SECOND;
    call(&gate, now, &jumped);
    assert_eq!(wait(&gate, now), 10 * SECOND);
}

#[test]
fn a_refusal_closes_the_gate_for_retry_after_or_else_until_the_reset() {
    let start = Instant::now();
    for (response, closed) in [
        (refusal(7), 7),
        (with_reset(refusal(7), 40), 7),
        (with_reset(response(429), 40), 40),
        (response(429), 1),
    ] {
        let gate = gate_with(0.0);
        call(&gate, start, &response);
        assert_eq!(wait(&gate, start), closed * SECOND, "{response:?}");
    }
}

#[test]
fn the_longest_of_several_waits_counts() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let mut turns: Vec<_> = (0..3).map(|_| gate.turn()).collect();
    let mut now = start;
    for turn in &mut turns {
        now += SECOND;
        while !is_sent(turn, now) {
            now += millis(2);
        }
    }
    turns[0].observe(now, no_clock, &refusal(10));
    turns[1].observe(now + millis(300), no_clock, &refusal(10));
    turns[2].observe(now + millis(300), no_clock, &refusal(2));
    assert_eq!(wait(&gate, now), millis(10_300));
}

#[test]
fn processes_told_the_same_second_come_apart_by_a_twentieth_of_the_wait() {
    let start = Instant::now();
    for (random, seconds, longer) in [
        (0.0, 4, 0),
        (0.5, 4, 100),
        (1.0, 4, 200),
        (1.0, 60, 1000),
        (0.5, 600, 500),
    ] {
        let gate = gate_with(random);
        call(&gate, start, &refusal(seconds));
        assert_eq!(
            wait(&gate, start),
            Duration::from_secs(seconds) + millis(longer)
        );
    }
}

#[test]
fn a_refused_call_is_not_sent_before_its_own_retry_after() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let mut refused = gate.turn();
    send(&mut refused, start, &refusal(2 * 3600));
    // The others ask the server again after an hour.
    assert_eq!(wait(&gate, start), MAX_CLOSED);
    let later = start + MAX_CLOSED + 60 * SECOND;
    assert_eq!(wait(&gate, later), Duration::ZERO);
    let until = start + Duration::from_secs(2 * 3600);
    assert_eq!(
        refused.admit(later),
        Admission::Wait {
            check: until,
            expected: until
        }
    );
    assert!(is_sent(&mut refused, until));
}

#[test]
fn server_errors_do_not_touch_the_gate() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let unavailable = Observation {
        status: 503,
        retry_after: Some(20 * SECOND),
        ..remaining(0, 30)
    };
    call(&gate, start, &unavailable);
    assert_eq!(wait(&gate, start), Duration::ZERO);
}

#[test]
fn first_attempts_wait_for_a_response_but_not_for_long() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let mut turns: Vec<_> = (0..9).map(|_| gate.turn()).collect();
    let sent = |turns: &mut Vec<Turn<'_>>, now| {
        turns.retain_mut(|turn| !is_sent(turn, now));
        9 - turns.len()
    };
    let mut first = gate.turn();
    assert!(is_sent(&mut first, start));
    assert_eq!(sent(&mut turns, start), 0);
    assert_eq!(sent(&mut turns, start + millis(499)), 0);
    assert_eq!(sent(&mut turns, start + millis(501)), 9);
}

#[test]
fn a_response_without_rate_headers_lets_the_next_attempts_pass() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let mut first = gate.turn();
    let (mut second, mut third) = (gate.turn(), gate.turn());
    assert!(is_sent(&mut first, start));
    assert!(!is_sent(&mut second, start));
    assert!(!is_sent(&mut third, start));
    first.observe(start + millis(10), no_clock, &response(200));
    assert!(is_sent(&mut second, start + millis(10)));
    assert!(is_sent(&mut third, start + millis(10)));
}

#[test]
fn with_much_remaining_any_number_of_attempts_passes() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let plenty = Observation {
        limit: Some(600),
        remaining: Some(599),
        ..remaining(0, 60)
    };
    call(&gate, start, &plenty);
    let mut turns: Vec<_> = (0..200).map(|_| gate.turn()).collect();
    assert!(turns.iter_mut().all(|turn| is_sent(turn, start)));
}

#[test]
fn no_more_than_a_share_of_what_remains_is_in_flight() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    // Two of three requests are those of others.
    for used in 1..30 {
        call(&gate, start, &remaining(120 - 3 * used, 60));
    }
    let mut turns: Vec<_> = (0..40).map(|_| gate.turn()).collect();
    let sent = turns
        .iter_mut()
        .filter_map(|turn| is_sent(turn, start).then_some(()))
        .count();
    assert!((9..=11).contains(&sent), "33 remain, {sent} are sent");
}

#[test]
fn a_share_below_one_is_a_probability() {
    let start = Instant::now();
    for (random, closed) in [(0.1, false), (0.5, true), (0.9, true)] {
        let gate = gate_with(random);
        // A limit of 120 and nothing measured: sixteen clients are expected.
        call(&gate, start, &remaining(8, 20));
        assert_eq!(wait(&gate, start) > SECOND, closed, "{random}");
    }
}

#[test]
fn calls_wait_in_order_and_pass_one_by_one_when_the_gate_opens() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &refusal(60));
    let mut turns: Vec<_> = (0..3).map(|_| gate.turn()).collect();
    assert!(turns.iter_mut().all(|turn| !is_sent(turn, start)));
    let opens = start + 60 * SECOND;
    // The last one wakes first.
    assert!(!is_sent(&mut turns[2], opens));
    assert!(!is_sent(&mut turns[1], opens));
    assert!(is_sent(&mut turns[0], opens));
    assert!(!is_sent(&mut turns[1], opens + millis(5)));
    turns[0].observe(opens + millis(20), no_clock, &remaining(110, 60));
    assert!(!is_sent(&mut turns[2], opens + millis(20)));
    assert!(is_sent(&mut turns[1], opens + millis(20)));
    // More may be in flight, but not yet.
    assert!(!is_sent(&mut turns[2], opens + millis(30)));
    // A newcomer does not overtake.
    assert_ne!(wait(&gate, opens + millis(30)), Duration::ZERO);
    turns[1].observe(opens + millis(40), no_clock, &remaining(109, 60));
    assert!(is_sent(&mut turns[2], opens + millis(40)));
}

#[test]
fn a_call_goes_ahead_of_later_ones_after_a_refusal() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let mut refused = gate.turn();
    send(&mut refused, start, &refusal(5));
    let mut later = gate.turn();
    assert!(!is_sent(&mut later, start));
    assert!(!is_sent(&mut refused, start));
    let opens = start + 5 * SECOND;
    // It asks last, and goes first.
    assert!(!is_sent(&mut later, opens));
    assert!(is_sent(&mut refused, opens));
}

#[test]
fn a_slow_response_does_not_hold_the_others_back() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &refusal(60));
    let opens = start + 60 * SECOND;
    let mut slow = gate.turn();
    assert!(is_sent(&mut slow, opens));
    let mut next = gate.turn();
    assert!(!is_sent(&mut next, opens + millis(1)));
    assert!(is_sent(&mut next, opens + millis(501)));
}

#[test]
fn calls_that_give_up_leave_neither_a_place_in_line_nor_an_attempt_in_flight() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &refusal(60));
    let mut first = gate.turn();
    let mut second = gate.turn();
    assert!(!is_sent(&mut first, start));
    assert!(!is_sent(&mut second, start));
    drop(first);
    let opens = start + 60 * SECOND;
    assert!(is_sent(&mut second, opens));
    let mut third = gate.turn();
    assert!(!is_sent(&mut third, opens));
    // Its connection broke.
    drop(second);
    assert!(is_sent(&mut third, opens));
}

#[test]
fn a_told_share_spaces_attempts() {
    let start = Instant::now();
    for (random, second) in [(0.0, 1.0), (1.0, 2.0)] {
        let gate = RateGate::new(Some(60.0), Box::new(move || random));
        let (interval, plenty) = (1.0 / 0.95, remaining(100, 60));
        call(&gate, start, &plenty);
        let mut now = start;
        for slot in 0..50 {
            let mut turn = gate.turn();
            let Admission::Wait { expected, .. } = turn.admit(now) else {
                panic!("slot {slot} is not waited for");
            };
            let at = (expected - start).as_secs_f64();
            let slot = interval * (second + f64::from(slot));
            assert!((at - slot).abs() < 1e-3, "{at} instead of {slot}");
            assert!(!is_sent(&mut turn, expected - millis(1)));
            send(&mut turn, expected, &plenty);
            now = expected;
        }
    }
}

#[test]
fn a_told_share_that_was_not_used_is_lost() {
    let start = Instant::now();
    let gate = RateGate::new(Some(600.0), Box::new(|| 0.5));
    call(&gate, start, &remaining(100, 60));
    let mut now = start + 3600 * SECOND;
    let mut sent = 0;
    while now < start + 3660 * SECOND {
        let mut turn = gate.turn();
        match turn.admit(now) {
            Admission::Proceed => {
                turn.observe(now, no_clock, &remaining(100, 60));
                sent += 1;
            }
            Admission::Wait { check, .. } => now = check,
        }
    }
    assert!((565..=600).contains(&sent), "{sent}");
}

#[test]
fn refusals_after_a_named_wait_cut_the_rate_and_time_restores_it() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    call(&gate, start, &response(200));
    // Two refusals in a row: the others use up what comes back each second.
    let mut turn = gate.turn();
    send(&mut turn, start, &refusal(1));
    let mut now = start + SECOND;
    while !is_sent(&mut turn, now) {
        now += millis(100);
        assert!(now < start + 60 * SECOND);
    }
    turn.observe(now, no_clock, &refusal(1));
    let cut = wait_until_sent(&gate, now);
    assert!(cut > 3 * SECOND && cut < 32 * SECOND, "{cut:?}");
    // Served from then on, the client asks more and more often.
    now += cut;
    let mut waits = vec![cut];
    for _ in 0..40 {
        let wait = wait_until_sent(&gate, now);
        now += wait;
        waits.push(wait);
    }
    assert!(waits[40] < cut / 5, "{waits:?}");
}

/// Waits like a caller, sends, and is served without rate headers.
fn wait_until_sent(gate: &RateGate, from: Instant) -> Duration {
    let mut turn = gate.turn();
    let mut now = from;
    loop {
        match turn.admit(now) {
            Admission::Proceed => {
                turn.observe(now, no_clock, &response(200));
                return now - from;
            }
            Admission::Wait { check, .. } => now = check,
        }
    }
}

#[test]
fn the_expected_time_counts_those_ahead_in_line() {
    let start = Instant::now();
    let gate = RateGate::new(Some(6.0), Box::new(|| 0.0));
    call(&gate, start, &remaining(100, 60));
    let mut turns: Vec<_> = (0..4).map(|_| gate.turn()).collect();
    for (ahead, turn) in turns.iter_mut().enumerate() {
        let Admission::Wait { check, expected } = turn.admit(start) else {
            panic!("{ahead} is sent at once");
        };
        let slot = 60.0 / (6.0 * 0.95) * (1.0 + ahead as f64);
        let expected = (expected - start).as_secs_f64();
        assert!((expected - slot).abs() < 1e-3, "{expected}, not {slot}");
        assert!(check - start <= SECOND, "the pace may change before that");
    }
}

#[test]
fn implausible_headers_do_not_close_the_gate() {
    let start = Instant::now();
    for reset_at in [
        0,
        1,
        30,
        DATE - 1,
        DATE,
        DATE + 3601,
        DATE * 1000,
        DATE * 1_000_000,
        u64::MAX,
    ] {
        let gate = gate_with(0.5);
        let nothing = Observation {
            reset_at: Some(reset_at),
            ..remaining(0, 0)
        };
        call(&gate, start, &nothing);
        assert_eq!(wait(&gate, start), Duration::ZERO, "reset at {reset_at}");

        let gate = gate_with(0.0);
        let refusal = Observation {
            status: 429,
            ..nothing
        };
        call(&gate, start, &refusal);
        assert_eq!(wait(&gate, start), SECOND, "reset at {reset_at}");
    }
}

#[test]
fn no_response_closes_the_gate_for_more_than_an_hour() {
    let start = Instant::now();
    for wait_for in [Duration::from_secs(4000), Duration::MAX] {
        let gate = gate_with(1.0);
        let refusal = Observation {
            retry_after: Some(wait_for),
            ..response(429)
        };
        call(&gate, start, &refusal);
        assert_eq!(wait(&gate, start), MAX_CLOSED + SECOND);
    }
}

#[test]
fn more_remaining_than_the_limit_counts_as_the_limit() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    let odd = Observation {
        limit: Some(0),
        remaining: Some(u64::MAX),
        ..remaining(0, 30)
    };
    call(&gate, start, &odd);
    assert_eq!(wait(&gate, start), 30 * SECOND);
}

#[test]
fn the_snapshot_has_the_headers_of_the_last_response_with_any() {
    let (gate, start) = (gate_with(0.0), Instant::now());
    assert_eq!(gate.snapshot(), None);
    call(&gate, start, &response(200));
    assert_eq!(gate.snapshot(), None);
    call(&gate, start, &remaining(55, 20));
    call(&gate, start + SECOND, &response(200));
    let snapshot = gate.snapshot().unwrap();
    assert_eq!((snapshot.limit, snapshot.remaining), (Some(120), Some(55)));
    assert_eq!(snapshot.reset_at, Some(DATE + 20));
    assert_eq!(snapshot.retry_after, None);
    assert_eq!(snapshot.resets, Some(start + 20 * SECOND));

    let odd = Observation {
        reset_at: Some(DATE * 1000),
        ..refusal(3)
    };
    call(&gate, start + 2 * SECOND, &odd);
    let snapshot = gate.snapshot().unwrap();
    assert_eq!(snapshot.retry_after, Some(3 * SECOND));
    assert_eq!(snapshot.reset_at, Some(DATE * 1000));
    assert_eq!(snapshot.resets, None);
}

#[test]
fn a_gate_is_shared_by_threads() {
    fn is_shared<T: Send + Sync + std::panic::RefUnwindSafe>() {}
    is_shared::<RateGate>();
}

/// A number that is small, large, near the date, or missing.
fn any_number(random: &mut Random) -> Option<u64> {
    match random.below(6) {
        0 => None,
        1 => Some(random.below(10)),
        2 => Some(random.below(1000)),
        3 => Some(DATE - 10 + random.below(4000)),
        4 => Some(u64::MAX - random.below(3)),
        _ => Some(random.next()),
    }
}

fn any_response(random: &mut Random) -> Observation {
    Observation {
        status: match random.below(4) {
            0 => 200,
            1 => 429,
            2 => 503,
            _ => 100 + random.below(500) as u16,
        },
        limit: any_number(random),
        remaining: any_number(random),
        reset_at: any_number(random),
        retry_after: any_number(random).map(Duration::from_secs),
        date: match random.below(3) {
            0 => None,
            1 => Some(UNIX_EPOCH + Duration::from_secs(random.below(3))),
            _ => Some(UNIX_EPOCH + Duration::from_secs(DATE + random.below(100))),
        },
    }
}

#[test]
fn whatever_a_server_sends_a_new_call_is_sent_within_the_hour_that_a_response_may_cost() {
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let told = (random.below(2) == 0).then(|| 1.0 + random.below(10_000) as f64);
        let mut jitter = random.clone();
        let gate = RateGate::new(told, Box::new(move || jitter.unit()));
        let mut now = Instant::now();
        let mut turns: Vec<_> = (0..3).map(|_| gate.turn()).collect();
        for step in 0..random.below(60) as usize {
            now += millis(random.below(5000));
            let gives_up = random.below(2) == 0;
            let turn = &mut turns[step % 3];
            match turn.admit(now) {
                Admission::Wait { check, expected } => {
                    assert!(check > now && expected >= check, "seed {seed}");
                    now = check.min(now + MAX_CLOSED);
                }
                Admission::Proceed if gives_up => {}
                Admission::Proceed => turn.observe(now, || UNIX_EPOCH, &any_response(&mut random)),
            }
            if gives_up {
                *turn = gate.turn();
            }
        }
        drop(turns);
        let latest = now + MAX_CLOSED + 200 * SECOND;
        let mut turn = gate.turn();
        let mut asked = 0;
        while let Admission::Wait { check, .. } = turn.admit(now) {
            now = check;
            asked += 1;
            assert!(now < latest && asked < 2000, "seed {seed}");
        }
    }
}

//! Everything at once, from a seed: whatever the server does, every message comes once and in order.
//!
//! The server cuts between events, in the middle of a line and of a character, resets, stalls,
//! refuses, repeats up to 1,000 messages, and mixes in heartbeats, garbage and malformed messages.
//! In `cargo test` each of 20 seeds has 5,000 messages. With the full count:
//!
//! ```text
//! BIMPEAI_CHAOS_MESSAGES=100000 cargo test --release --test chaos -- --nocapture
//! ```
//!
//! `BIMPEAI_CHAOS_SEED=7` runs that seed alone.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bimpeai::Error;
use bimpeai::stream::Received;
use support::{Connection, PATIENCE, Request, Server};

const SEEDS: u64 = 20;
const MESSAGES: usize = 5_000;

/// How far back the server repeats at most.
const OVERLAP: usize = 1_000;

/// What counts as a stall; a machine so busy that it takes this for something else costs a
/// connection, and no message.
const IDLE: Duration = Duration::from_millis(80);

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.roll() % most.max(1) as u64) as usize
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// One of this many events is a malformed message, one a heartbeat, and one garbage.
const RARE: u64 = 150;

/// Whether a message of this conversation is malformed, each time it is sent.
fn is_malformed(seed: u64, number: usize) -> bool {
    Dice(seed ^ (number as u64) << 20).roll() % RARE == 0
}

fn text(number: usize) -> String {
    // Characters of one to four bytes, so that cuts fall into them.
    let word = ["pizza ", "crème ", "日本語", "🍕🍝", "\\u00e9\\n"][number % 5];
    format!("{number} {}", word.repeat(1 + number % 40))
}

/// What it does to one connection after what it has sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    CutBetweenEvents,
    CutInALine,
    CutInACharacter,
    Reset,
    Stall,
}

struct Chaos {
    seed: u64,
    messages: usize,
    dice: Mutex<Dice>,
    /// How many times each thing was done.
    done: Mutex<BTreeMap<String, usize>>,
    /// The client went on after this last.
    reached: AtomicUsize,
    /// What the client must not do.
    wrong: Mutex<Vec<String>>,
}

impl Chaos {
    fn count(&self, what: impl Into<String>) {
        *self.done.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    fn serve(&self, mut connection: Connection) {
        while let Some(request) = connection.request_unread() {
            let dice = Dice(self.dice.lock().unwrap().roll());
            let lives = if request.path().ends_with("/stream-ticket") {
                self.ticket(&mut connection, dice)
            } else {
                self.stream(&mut connection, &request, dice)
            };
            match lives {
                Some(Fate::Reset) => return connection.reset(),
                Some(_) => return connection.close(),
                None => {}
            }
        }
    }

    fn ticket(&self, connection: &mut Connection, mut dice: Dice) -> Option<Fate> {
        match dice.below(16) {
            0 => {
                self.count("ticket: 429");
                connection.respond(429, &[], r#"{"code":"rate_limited","message":"slow"}"#);
            }
            1 => {
                self.count("ticket: 503");
                connection.respond(503, &["Content-Type: text/html"], "<html>\u{fffd}");
            }
            2 => {
                self.count("ticket: no answer");
                return Some(Fate::CutBetweenEvents);
            }
            _ => {
                connection.ticket("t");
            }
        }
        None
    }

    fn stream(
        &self,
        connection: &mut Connection,
        request: &Request,
        mut dice: Dice,
    ) -> Option<Fate> {
        let next = self.next(request);
        match dice.below(16) {
            0 => {
                self.count("stream: 503");
                connection.read_rest();
                connection.respond(503, &[], "");
                return None;
            }
            1 => {
                self.count("stream: 401");
                connection.read_rest();
                connection.respond(401, &[], r#"{"code":"unauthorized","message":"late"}"#);
                return None;
            }
            2 => {
                self.count("stream: no answer");
                return Some(dice.of::<Fate>(&[&Fate::Reset, &Fate::CutInALine])).copied();
            }
            _ => {}
        }
        let fate = *dice.of::<Fate>(&[
            &Fate::CutBetweenEvents,
            &Fate::CutInALine,
            &Fate::CutInACharacter,
            &Fate::Reset,
            &Fate::Stall,
        ]);
        // Rare, for it takes the client's time.
        let fate = match fate {
            Fate::Stall if !dice.one_in(4) => Fate::CutInALine,
            other => other,
        };
        let back = match dice.below(3) {
            0 => 0,
            1 => dice.below(20),
            _ => dice.below(OVERLAP + 1),
        };
        let first = next.saturating_sub(back);
        if first < next {
            self.count("repeated messages");
        }
        let most = *dice.of::<usize>(&[&30, &300, &1_500]);
        let last = (next + dice.below(most)).min(self.messages);
        let bytes = self.body(first..last, fate, &mut dice);
        self.count(format!("{fate:?}"));
        self.write(connection, &bytes, fate, &mut dice);
        if fate == Fate::Stall {
            connection.read_rest();
            connection.closed_by_client();
        }
        Some(fate)
    }

    /// The number of the message to send next.
    fn next(&self, request: &Request) -> usize {
        let next = match request.query("after") {
            None => 0,
            // The time of the opening with its margin, before there was a message.
            Some("1994-11-06T08%3A49%3A27.000Z") => 0,
            Some(after) => match after.strip_prefix('m').and_then(|id| id.parse().ok()) {
                Some(number) => 1_usize.saturating_add(number),
                None => {
                    let wrong = format!("went on after {after:?}, which is no message");
                    self.wrong.lock().unwrap().push(wrong);
                    0
                }
            },
        };
        if self.reached.fetch_max(next, Ordering::SeqCst) > next {
            let wrong = format!("went back to {next}");
            self.wrong.lock().unwrap().push(wrong);
        }
        next
    }

    fn body(&self, range: std::ops::Range<usize>, fate: Fate, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = Vec::new();
        let end = dice.of(&["\n", "\r\n", "\r"]);
        bytes.extend_from_slice(format!("retry: 1{end}{end}").as_bytes());
        for number in range {
            if dice.one_in(RARE as usize) {
                self.count("heartbeats");
                let heartbeat =
                    format!("id: 1{end}event: heartbeat{end}data: {{\"ts\":{number}}}{end}{end}");
                bytes.extend_from_slice(heartbeat.as_bytes());
            }
            if dice.one_in(RARE as usize) {
                self.count("garbage");
                bytes.extend_from_slice(garbage(dice));
                // Whatever line the garbage has begun, and its block.
                bytes.extend_from_slice(b"\n\n");
            }
            bytes.extend_from_slice(self.frame(number, end, dice).as_bytes());
        }
        let at = dice.below(bytes.len());
        match fate {
            Fate::CutInALine => bytes.truncate(at),
            Fate::CutInACharacter => {
                let middle = |at: &usize| bytes[*at] & 0xC0 == 0x80;
                if let Some(at) = (at..bytes.len()).find(middle) {
                    bytes.truncate(at);
                }
            }
            Fate::CutBetweenEvents | Fate::Reset | Fate::Stall => {}
        }
        bytes
    }

    fn frame(&self, number: usize, end: &str, dice: &mut Dice) -> String {
        if is_malformed(self.seed, number) {
            self.count("malformed messages");
            let data = dice.of(&["{\"id\":", "5", "", "[]", "\"text\"", "null"]);
            return format!("id: m{number}{end}data: {data}{end}{end}");
        }
        let data = format!(
            r#"{{"id":"m{number}","conversation_id":"cnv_1","role":"user","message":"{}","created_at":"2026-06-05T08:00:00.000Z"}}"#,
            text(number)
        );
        // The id line, the event line, both, or in more lines than one.
        match dice.below(8) {
            0 => format!("event: message{end}data: {data}{end}{end}"),
            1 => format!("data: {data}{end}id: m{number}{end}{end}"),
            2 => format!(
                "id:m{number}{end}data:{{{end}data:{}{end}: {end}{end}",
                &data[1..]
            ),
            _ => format!("id: m{number}{end}event: message{end}data: {data}{end}{end}"),
        }
    }

    fn write(&self, connection: &mut Connection, bytes: &[u8], fate: Fate, dice: &mut Dice) {
        let chunked = dice.one_in(2);
        let encoding = if chunked {
            "Transfer-Encoding: chunked"
        } else {
            "Connection: close"
        };
        let mut out = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{encoding}\r\n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
        )
        .into_bytes();
        let most = *dice.of::<usize>(&[&7, &300, &5_000, &100_000]);
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = (1 + dice.below(most)).min(rest.len());
            let (piece, behind) = rest.split_at(size);
            rest = behind;
            if chunked {
                out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\r\n");
            } else {
                out.extend_from_slice(piece);
            }
            // A write each would take longest of all.
            if out.len() > 8 * most || most > 1_000 {
                if !connection.raw(&out) {
                    return;
                }
                out.clear();
            }
        }
        if chunked && fate == Fate::CutBetweenEvents {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        connection.raw(&out);
    }
}

/// Lines that are not an event, or not a known one.
fn garbage(dice: &mut Dice) -> &'static [u8] {
    dice.of::<[u8]>(&[
        b": a comment",
        b"\xFF\xFE\x80 \xF0\x9F",
        b"event: typing\ndata: {\"id\":\"m0\"}",
        b"event: error\ndata: {\"message\":\"going down\"}",
        b"id: 99",
        b"id: m0",
        b"id: a\0b\ndatabase: 1\n\xEF\xBB\xBFdata: x\nretry: soon",
        b"\r\r\n\n\r",
        b"{\"message\":\"Internal server error\",\"statusCode\":500}",
    ])
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number"))
    })
}

/// Runs one seed; what was done to the stream.
fn run(seed: u64, messages: usize) -> BTreeMap<String, usize> {
    let chaos = Arc::new(Chaos {
        seed,
        messages,
        dice: Mutex::new(Dice(seed)),
        done: Mutex::default(),
        reached: AtomicUsize::new(0),
        wrong: Mutex::default(),
    });
    let serving = chaos.clone();
    let server = Server::start(move |connection| serving.serve(connection));
    // The server refuses tickets at random: that says nothing about the other streams.
    let builder = server.builder().share_rate_limit(false);
    let client = builder.build().expect("a client");
    let stream = client.conversations().messages().stream("agt_1", "cnv_1");
    // A server in its right mind does not fail so often in a row.
    let mut stream = stream.max_retries(200).idle_timeout(IDLE).into_iter();
    for number in 0..messages {
        let id = format!("m{number}");
        let received = stream.recv_timeout(PATIENCE);
        match received {
            Ok(Received::Message(message)) => {
                let expected = text(number).replace("\\u00e9\\n", "é\n");
                assert_eq!(message.id, id, "seed {seed}");
                assert_eq!(message.message, Some(expected), "seed {seed}");
                assert!(
                    !is_malformed(seed, number),
                    "seed {seed}: {id} is malformed"
                );
            }
            Err(Error::SkippedMessage(error)) => {
                assert!(is_malformed(seed, number), "seed {seed}, {id}: {error}");
            }
            other => panic!("seed {seed}, {id}: {other:?}"),
        }
        assert_eq!(stream.last_event_id(), Some(id.as_str()), "seed {seed}");
    }
    // The server goes on to repeat itself.
    let more = stream.recv_timeout(3 * IDLE).unwrap();
    assert_eq!(more, Received::Nothing, "seed {seed}");
    drop(stream);
    drop(server);
    assert_eq!(*chaos.wrong.lock().unwrap(), Vec::<String>::new());
    chaos.done.lock().unwrap().clone()
}

#[test]
fn every_message_is_delivered_once_and_in_order_whatever_the_server_does() {
    let messages = number("BIMPEAI_CHAOS_MESSAGES").map_or(MESSAGES, |count| count as usize);
    let seeds: Vec<u64> = match number("BIMPEAI_CHAOS_SEED") {
        Some(seed) => vec![seed],
        None => (0..SEEDS).collect(),
    };
    let alone = seeds.len() == 1;
    let seeds = Mutex::new(seeds.into_iter());
    let total = Mutex::new(BTreeMap::<String, usize>::new());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(seed) = seeds.lock().unwrap().next() else {
                        break;
                    };
                    let started = Instant::now();
                    let done = run(seed, messages);
                    println!("seed {seed}: {:?} {done:?}", started.elapsed());
                    for (what, count) in done {
                        *total.lock().unwrap().entry(what).or_default() += count;
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!(
        "{messages} messages each, {:?}: {total:#?}",
        started.elapsed()
    );
    // A chaos in which something never happens would prove less than it says.
    assert!(alone || total.len() == 15, "{total:#?}");
}

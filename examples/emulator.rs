//! Runs the emulated Console API alone, for scripts in any language.
//!
//! ```text
//! cargo run --example emulator -- --port 8080
//! ```
//!
//! Runs until Ctrl-C. All data is in memory, and is lost then.

mod support;

use std::process::ExitCode;
use std::time::Duration;

use bimpeai::emulator::{Emulator, EmulatorBuilder, Fault, Generation};
use support::{Failure, print_raw};

const USAGE: &str = "\
Usage: emulator [OPTIONS]

  --port PORT           port on 127.0.0.1; 0 selects a free one (default: 8080)
  --api-key KEY         API key to accept (default: a random one)
  --generation NAME     both, first or current (default: both)
  --rate-limit LIMIT    REQUESTS/SECONDS for each key, such as 120/60. A fixed window, or
                        120/60:sliding, or 120/60:bucket=20 for a token bucket of 20
  --agent-limit N       number of agents that the plan allows
  --fault FAULT         KIND[:METHOD:PATH][:TIMES], such as 503:POST:/agents:2,
                        429=5, delay=2.5, lost, reset, stall, cut=3; may be repeated
  --heartbeat SECONDS   time between the heartbeats of a stream (default: 20)
  --reply-delay SECONDS time that an agent takes to reply (default: 0.15)
  --late-replies        return from conversations.send before the agent replies
  --no-first-conversation
                        create agents without a first test conversation
  --phone-number E164   phone number that the team has from the start; may be repeated
  --phone-request-body  return a body from phone_numbers.requests.create
  --manual-onboarding   leave onboarding URLs unfinished
  --help                print this text";

struct Options {
    builder: EmulatorBuilder,
    port: u16,
    phone_numbers: Vec<String>,
    faults: Vec<Fault>,
}

fn main() -> ExitCode {
    support::run("emulator", USAGE, |arguments| {
        let options = options(arguments).map_err(Failure::Usage)?;
        let emulator = options.builder.start().map_err(|error| {
            Failure::Other(format!(
                "cannot listen on port {}: {error}; choose another with --port",
                options.port
            ))
        })?;
        for number in &options.phone_numbers {
            emulator.assign_phone_number(number, None);
        }
        for fault in options.faults {
            emulator.fault(fault);
        }
        print_raw(introduction(&emulator))?;
        // The emulator's threads do the work from here.
        loop {
            std::thread::park();
        }
    })
}

fn introduction(emulator: &Emulator) -> String {
    let (url, key) = (emulator.base_url(), emulator.api_key());
    format!(
        "The BimpeAI Console API, emulated, at {url}

  export BIMPEAI_BASE_URL={url}
  export BIMPEAI_API_KEY={key}

  curl -H 'Authorization: Bearer {key}' '{url}/api/v1/console/workflows?search=restaurant'

All data is in memory. Ctrl-C ends it."
    )
}

fn options(arguments: Vec<String>) -> Result<Options, String> {
    let mut options = Options {
        builder: Emulator::builder(),
        port: 8080,
        phone_numbers: Vec::new(),
        faults: Vec::new(),
    };
    let mut arguments = arguments.into_iter();
    while let Some(option) = arguments.next() {
        let mut value = || {
            let value = arguments.next();
            value.ok_or_else(|| format!("{option} needs a value"))
        };
        let builder = options.builder;
        options.builder = match option.as_str() {
            "--port" => {
                options.port = number(&option, &value()?)?;
                builder
            }
            "--api-key" => builder.api_key(key(value()?)?),
            "--heartbeat" => match number(&option, &value()?)? {
                0 => return Err("--heartbeat must not be zero".to_owned()),
                seconds => builder.heartbeat(Duration::from_secs(seconds)),
            },
            "--generation" => builder.generation(generation(&value()?)?),
            "--rate-limit" => rate_limit(builder, &value()?)?,
            "--agent-limit" => builder.agent_limit(number(&option, &value()?)?),
            "--reply-delay" => builder.reply_delay(seconds(&option, &value()?)?),
            "--late-replies" => builder.late_replies(true),
            "--no-first-conversation" => builder.first_conversation(false),
            "--fault" => {
                let fault = value()?.parse();
                options
                    .faults
                    .push(fault.map_err(|error| format!("--{error}"))?);
                builder
            }
            "--phone-number" => {
                options.phone_numbers.push(value()?);
                builder
            }
            "--phone-request-body" => builder.phone_number_request_body(true),
            "--manual-onboarding" => builder.manual_onboarding(true),
            _ => return Err(format!("unknown option {option:?}")),
        };
    }
    options.builder = options.builder.port(options.port);
    Ok(options)
}

fn generation(text: &str) -> Result<Generation, String> {
    match text {
        "both" => Ok(Generation::Both),
        "first" => Ok(Generation::First),
        "current" => Ok(Generation::Current),
        _ => Err(format!(
            "--generation: expected both, first or current, got {text:?}"
        )),
    }
}

fn rate_limit(builder: EmulatorBuilder, text: &str) -> Result<EmulatorBuilder, String> {
    let invalid = || {
        format!(
            "--rate-limit: expected REQUESTS/SECONDS, and then :sliding or :bucket=BURST for \
             another limiter, got {text:?}"
        )
    };
    let (rate, limiter) = match text.split_once(':') {
        Some((rate, limiter)) => (rate, Some(limiter)),
        None => (text, None),
    };
    let (requests, window) = rate.split_once('/').ok_or_else(invalid)?;
    let requests: u64 = requests.parse().map_err(|_| invalid())?;
    let window = seconds("--rate-limit", window).map_err(|_| invalid())?;
    if requests == 0 || window.is_zero() {
        return Err(invalid());
    }
    Ok(match limiter {
        None => builder.rate_limit(requests, window),
        Some("sliding") => builder.sliding_log(requests, window),
        Some(limiter) => {
            let burst = limiter.strip_prefix("bucket=");
            let burst = burst.and_then(|burst| burst.parse().ok());
            let burst: u64 = burst.filter(|burst| *burst > 0).ok_or_else(invalid)?;
            builder.token_bucket(requests, window, burst)
        }
    })
}

fn seconds(option: &str, text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| format!("{option}: expected a number of seconds, got {text:?}"))
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{option}: expected a number, got {text:?}"))
}

fn key(text: String) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("--api-key: expected ASCII characters without spaces".to_owned());
    }
    Ok(text)
}

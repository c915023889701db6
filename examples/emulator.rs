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

use bimpeai::emulator::{Emulator, EmulatorBuilder};
use support::{Failure, print_raw};

const USAGE: &str = "\
Usage: emulator [OPTIONS]

  --port PORT           port on 127.0.0.1; 0 selects a free one (default: 8080)
  --api-key KEY         API key to accept (default: a random one)
  --heartbeat SECONDS   time between the heartbeats of a stream (default: 20)
  --phone-number E164   phone number that the team has from the start; may be repeated
  --phone-request-body  return a body from phone_numbers.requests.create
  --manual-onboarding   leave onboarding URLs unfinished
  --help                print this text";

struct Options {
    builder: EmulatorBuilder,
    port: u16,
    phone_numbers: Vec<String>,
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

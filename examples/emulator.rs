//! A Console API of your own, for scripts in any language:
//!
//! ```text
//! cargo run --example emulator -- --port 8080
//! ```
//!
//! It runs until it is interrupted, and forgets everything then.

use std::process::ExitCode;
use std::time::Duration;

use bimpeai::emulator::{Emulator, EmulatorBuilder};

const USAGE: &str = "\
Usage: emulator [OPTIONS]

  --port PORT           port on 127.0.0.1 (8080 unless given; 0 takes a free one)
  --api-key KEY         the key that is accepted (a random one unless given)
  --heartbeat SECONDS   how often a stream sends a heartbeat (20 unless given)
  --phone-number E164   a number that the team has from the start
  --phone-request-body  answer phone_numbers.requests.create with a body
  --manual-onboarding   leave onboarding URLs unfinished
  --help                this text";

/// What the command line asks for.
struct Options {
    builder: EmulatorBuilder,
    phone_numbers: Vec<String>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let emulator = match options.builder.start() {
        Ok(emulator) => emulator,
        Err(error) => {
            eprintln!("The emulator cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    for number in &options.phone_numbers {
        emulator.assign_phone_number(number, None);
    }
    introduce(&emulator);
    // The emulator's threads do the work from here.
    loop {
        std::thread::park();
    }
}

fn introduce(emulator: &Emulator) {
    let (url, key) = (emulator.base_url(), emulator.api_key());
    println!("The BimpeAI Console API, emulated, at {url}\n");
    println!("  export BIMPEAI_BASE_URL={url}");
    println!("  export BIMPEAI_API_KEY={key}\n");
    println!(
        "  curl -H 'Authorization: Bearer {key}' '{url}/api/v1/console/workflows?search=restaurant'\n"
    );
    println!("Everything is in memory. Ctrl-C ends it.");
}

/// `None` when help was asked for.
fn options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut builder = Emulator::builder().port(8080);
    let mut phone_numbers = Vec::new();
    while let Some(option) = args.next() {
        let mut value = || {
            args.next()
                .ok_or_else(|| format!("{option} needs a value."))
        };
        builder = match option.as_str() {
            "--port" => builder.port(number(&option, &value()?)?),
            "--api-key" => builder.api_key(key(value()?)?),
            "--heartbeat" => match number(&option, &value()?)? {
                0 => return Err("--heartbeat needs at least one second.".to_owned()),
                seconds => builder.heartbeat(Duration::from_secs(seconds)),
            },
            "--phone-number" => {
                phone_numbers.push(value()?);
                builder
            }
            "--phone-request-body" => builder.phone_number_request_body(true),
            "--manual-onboarding" => builder.manual_onboarding(true),
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("There is no option {option}.")),
        };
    }
    Ok(Some(Options {
        builder,
        phone_numbers,
    }))
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{option} takes a number, not {text:?}."))
}

fn key(text: String) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("--api-key needs a key without blanks.".to_owned());
    }
    Ok(text)
}

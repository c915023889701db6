//! Faults in the form of a text, for command lines.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::fault::Fault;

/// Why a text is not a [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFaultError(String);

impl fmt::Display for ParseFaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseFaultError {}

/// Parses a fault from `KIND[:METHOD:PATH][:TIMES]`, such as `503:POST:/agents:2`.
///
/// | `KIND` | fault |
/// |---|---|
/// | `503` | [`status`](Fault::status), 200 to 599 |
/// | `429=5` | the same with [`retry_after`](Fault::retry_after), in seconds |
/// | `html`, `html=502` | [`html`](Fault::html), with status 200 or the given one |
/// | `close`, `reset`, `stall`, `garbage` | [`close`](Fault::close), [`reset`](Fault::reset), [`stall`](Fault::stall), [`garbage`](Fault::garbage) |
/// | `lost` | [`close`](Fault::close) after performing the operation |
/// | `reset-after-headers` | [`reset_after_headers`](Fault::reset_after_headers) |
/// | `delay=2.5` | [`delay`](Fault::delay), in seconds |
/// | `truncate=5` | [`truncate`](Fault::truncate), in bytes |
/// | `cut=3`, `cut-in-mid-event=3`, `reset-stream=3`, `silence=3`, `malformed-message=3` | the stream fault of the same name, after 3 messages |
/// | `no-heartbeats` | [`no_heartbeats`](Fault::no_heartbeats) |
///
/// `METHOD` and `PATH` select as in [`on`](Fault::on). TIMES is one of: a number, as in
/// [`times`](Fault::times); the word `always`; `every=N`, as in [`every`](Fault::every). Default:
/// the next request.
///
/// ```
/// use bimpeai::emulator::Fault;
///
/// let parsed: Fault = "503:POST:/agents:2".parse()?;
/// assert_eq!(parsed, Fault::status(503).on("POST", "/agents").times(2));
/// assert!("503:POST:agents".parse::<Fault>().is_err());
/// # Ok::<(), bimpeai::emulator::ParseFaultError>(())
/// ```
impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| ParseFaultError(format!("fault {text:?}: {problem}")))
    }
}

fn parse(text: &str) -> Result<Fault, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (what, on, times) = match parts[..] {
        [what] => (what, None, None),
        [what, times] => (what, None, Some(times)),
        [what, method, path] => (what, Some((method, path)), None),
        [what, method, path, times] => (what, Some((method, path)), Some(times)),
        _ => return Err("expected KIND[:METHOD:PATH][:TIMES]".to_owned()),
    };
    let mut fault = kind(what)?;
    if let Some((method, path)) = on {
        fault = fault.selecting(method, path)?;
    }
    match times {
        None => Ok(fault),
        Some("always") => Ok(fault.times(usize::MAX)),
        Some(times) => match times.strip_prefix("every=") {
            Some(n) => Ok(fault.every(number(n)?).times(usize::MAX)),
            None => Ok(fault.times(number(times)?)),
        },
    }
}

fn kind(text: &str) -> Result<Fault, String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        let fault = Fault::status(status(name)?);
        return match value {
            Some(seconds) => Ok(fault.retry_after(number(seconds)?)),
            None => Ok(fault),
        };
    }
    let fault = match (name, value) {
        ("html", None) => Fault::html(200),
        ("html", Some(value)) => Fault::html(status(value)?),
        ("close", None) => Fault::close(),
        ("reset", None) => Fault::reset(),
        ("stall", None) => Fault::stall(),
        ("garbage", None) => Fault::garbage(),
        ("lost", None) => Fault::close().after_performing(),
        ("reset-after-headers", None) => Fault::reset_after_headers(),
        ("no-heartbeats", None) => Fault::no_heartbeats(),
        ("delay", Some(value)) => Fault::delay(seconds(value)?),
        ("truncate", Some(value)) => Fault::truncate(number(value)?),
        ("cut", Some(value)) => Fault::cut(number(value)?),
        ("cut-in-mid-event", Some(value)) => Fault::cut_in_mid_event(number(value)?),
        ("reset-stream", Some(value)) => Fault::reset_stream(number(value)?),
        ("silence", Some(value)) => Fault::silence(number(value)?),
        ("malformed-message", Some(value)) => Fault::malformed_message(number(value)?),
        _ => {
            return Err(format!(
                "expected a status, html, close, reset, stall, garbage, lost, \
                 reset-after-headers, no-heartbeats, or one of delay, truncate, cut, \
                 cut-in-mid-event, reset-stream, silence and malformed-message with =VALUE, \
                 got {text:?}"
            ));
        }
    };
    Ok(fault)
}

fn status(text: &str) -> Result<u16, String> {
    let status = number(text)?;
    if (200..600).contains(&status) {
        Ok(status)
    } else {
        Err(format!("expected a status from 200 to 599, got {status}"))
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("expected a number, got {text:?}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = number(text)?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("expected a number of seconds, got {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_parses_to_its_fault() {
        let agents = |fault: Fault| fault.on("POST", "/agents");
        for (text, fault) in [
            ("503", Fault::status(503)),
            ("503:2", Fault::status(503).times(2)),
            ("503:POST:/agents", agents(Fault::status(503))),
            ("503:post:/agents:2", agents(Fault::status(503)).times(2)),
            ("429=5", Fault::status(429).retry_after(5)),
            ("html", Fault::html(200)),
            ("html=502", Fault::html(502)),
            ("close", Fault::close()),
            ("reset:*:/**:always", Fault::reset().times(usize::MAX)),
            ("stall", Fault::stall()),
            ("garbage", Fault::garbage()),
            (
                "lost:POST:/agents:every=20",
                agents(Fault::close().after_performing())
                    .every(20)
                    .times(usize::MAX),
            ),
            ("reset-after-headers", Fault::reset_after_headers()),
            ("delay=2.5", Fault::delay(Duration::from_millis(2500))),
            ("truncate=5", Fault::truncate(5)),
            ("cut=3", Fault::cut(3)),
            ("cut-in-mid-event=3", Fault::cut_in_mid_event(3)),
            ("reset-stream=3", Fault::reset_stream(3)),
            ("silence=0", Fault::silence(0)),
            ("malformed-message=1", Fault::malformed_message(1)),
            ("no-heartbeats", Fault::no_heartbeats()),
        ] {
            assert_eq!(text.parse(), Ok(fault), "{text}");
        }
    }

    #[test]
    fn invalid_fault_text_says_why() {
        for (text, why) in [
            ("", "expected a status, html, close"),
            ("explode", "got \"explode\""),
            ("close=1", "got \"close=1\""),
            ("cut", "got \"cut\""),
            ("cut=many", "expected a number, got \"many\""),
            ("99", "expected a status from 200 to 599, got 99"),
            ("700", "expected a status from 200 to 599, got 700"),
            ("99999", "expected a number, got \"99999\""),
            ("429=soon", "expected a number, got \"soon\""),
            ("delay=-1", "expected a number of seconds, got \"-1\""),
            ("delay=nan", "expected a number of seconds, got \"nan\""),
            ("503:twice", "expected a number, got \"twice\""),
            ("503:POST:agents", "write \"/agents\""),
            ("503:SEND:/agents", "expected one of *, GET"),
            ("cut=1:GET:/agents", "never opens a stream"),
            (
                "503:POST:/agents:2:3",
                "expected KIND[:METHOD:PATH][:TIMES]",
            ),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("fault {text:?}: ")), "{error}");
            assert!(error.contains(why), "{error}");
        }
    }
}

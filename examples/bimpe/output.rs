//! Tables for people, JSON for programs, progress and questions on standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bimpeai::Client;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::support::{self, Failure, Result};

/// The widest cell on a terminal, in columns.
const MAX_WIDTH: usize = 50;

/// How results are printed.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Prints a list: a table, or a JSON array.
    pub(crate) fn list<T: Serialize, const N: usize>(
        self,
        items: &[T],
        header: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> Result<()> {
        if self.json {
            return json(&items);
        }
        if items.is_empty() {
            support::note("nothing found");
            return Ok(());
        }
        let rows: Vec<_> = items.iter().map(row).collect();
        table(header, &rows)
    }

    /// Prints one object: its fields by name, or JSON. Fields without a value are left out.
    pub(crate) fn object<T: Serialize>(self, item: &T, fields: &[(&str, String)]) -> Result<()> {
        if self.json {
            return json(item);
        }
        let set = || fields.iter().filter(|(_, value)| !value.is_empty());
        let width = set().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in set() {
            support::print(format_args!("{name:width$}  {value}"))?;
        }
        Ok(())
    }
}

fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> Result<()> {
    let limit = match io::stdout().is_terminal() {
        true => MAX_WIDTH,
        false => usize::MAX,
    };
    let cells = |row: &[String; N]| row.each_ref().map(|cell| shortened(cell, limit));
    let rows: Vec<[String; N]> = rows.iter().map(cells).collect();
    let header = header.map(str::to_owned);
    let width = |column: usize| {
        let all = rows.iter().chain([&header]);
        all.map(|row| row[column].width()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let padding = width - cell.width() + 2;
            let _ = write!(line, "{cell}{:padding$}", "");
        }
        line.trim_end().to_owned()
    };
    support::print_bold(line(&header))?;
    rows.iter().try_for_each(|row| support::print(line(row)))
}

/// Escapes a cell, and shortens it to a number of columns.
fn shortened(cell: &str, limit: usize) -> String {
    let mut cell = support::escape(cell);
    if cell.width() > limit {
        while cell.width() >= limit {
            cell.pop();
        }
        cell.push('…');
    }
    cell
}

/// Prints a value as JSON of several lines.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    text(&escaped_json(serde_json::to_string_pretty(value))?)
}

/// Prints a value as JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    text(&escaped_json(serde_json::to_string(value))?)
}

/// Escapes what could control a terminal and is allowed in JSON, which is inside of strings only.
fn escaped_json(json: serde_json::Result<String>) -> Result<String> {
    let json = json.map_err(|error| Failure::Other(format!("cannot write JSON: {error}")))?;
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || support::escape(c) == String::from(c) {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        }
    }
    Ok(escaped)
}

/// Prints text of this program, a line at a time.
pub(crate) fn text(text: &str) -> Result<()> {
    text.lines().try_for_each(support::print_raw)
}

/// Prints text of this program on standard error, line by line.
pub(crate) fn message(text: &str) {
    text.trim_end().lines().for_each(support::note);
}

/// Reads all of standard input.
pub(crate) fn input() -> Result<String> {
    if io::stdin().is_terminal() {
        support::note("reading the terminal; Ctrl-D ends the input");
    }
    let mut text = String::new();
    match io::stdin().read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::Other(format!(
            "cannot read standard input: {error}"
        ))),
    }
}

/// Asks before something is deleted, unless `yes`. Only on a terminal.
pub(crate) fn confirm(client: &Client, question: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let why = "this deletes data, and there is no terminal to ask on: add --yes";
        return Err(Failure::Usage(why.to_owned()));
    }
    let _ = write!(io::stderr(), "{} [y/N] ", support::escape(question));
    // Nothing ends a read from a terminal.
    crate::exit_on_interrupt(|| {});
    let mut reply = String::new();
    io::stdin()
        .read_line(&mut reply)
        .map_err(|error| Failure::Other(format!("cannot read the terminal: {error}")))?;
    support::shut_down_on_interrupt(client);
    match reply.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Other("nothing was deleted".to_owned())),
    }
}

/// A line on standard error while something takes more than a second. Ends when it is dropped.
pub(crate) struct Progress {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Shows a line such as `waiting for the reply… 3 s` on a terminal until the result is dropped.
pub(crate) fn progress(what: &'static str) -> Progress {
    if !io::stderr().is_terminal() {
        return Progress {
            end: None,
            thread: None,
        };
    }
    let (end, ended) = mpsc::channel::<()>();
    let start = Instant::now();
    let show = move || {
        let mut shown = false;
        while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            let seconds = start.elapsed().as_secs();
            shown = write!(io::stderr(), "\r{what}… {seconds} s").is_ok();
        }
        if shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    };
    Progress {
        end: Some(end),
        thread: thread::Builder::new().spawn(show).ok(),
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

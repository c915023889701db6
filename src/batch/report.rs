//! The result of a run, for people and for exit codes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::shard::Shard;
use super::stop::Reason;

/// The result of a run of a job.
///
/// `Display` writes a summary of several lines for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Name of the job.
    pub job: String,
    /// Shard that this process worked on.
    pub shard: Shard,
    /// Rows that were finished in this run.
    pub finished: u64,
    /// Rows that an earlier run or another process had finished.
    pub skipped: u64,
    /// Rows that failed, by kind, such as `400 validation_error` or `timeout`. The next run tries
    /// them again.
    pub failed: BTreeMap<String, u64>,
    /// Rows with a step that may or may not be done; see [`Batch::reconcile`](super::Batch::reconcile).
    pub in_doubt: u64,
    /// Rows that were under way when the job was stopped. The next run continues them.
    pub unfinished: u64,
    /// Rows of other shards.
    pub other_shards: u64,
    /// Steps whose result the server replayed although this journal never started them: an earlier
    /// job of the same name did. If its agents were deleted, the results name deleted agents.
    pub replayed: u64,
    /// Time that the run took.
    pub elapsed: Duration,
    /// Requests that were sent, retries included.
    pub attempts: u64,
    /// Time that was spent waiting before requests, summed over all threads.
    pub waited: Duration,
    /// The first 1,000 rows that failed or are in doubt.
    pub problems: Vec<Problem>,
    pub(super) stopped: Option<Reason>,
}

impl Report {
    /// Returns how many rows failed.
    pub fn failed_rows(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Returns why the run ended before its rows did.
    pub fn stopped(&self) -> Option<String> {
        Some(match self.stopped.as_ref()? {
            Reason::Interrupted => "interrupted".to_owned(),
            Reason::Panicked => "a closure panicked".to_owned(),
            Reason::Journal(what) | Reason::Input(what) => what.clone(),
            Reason::Authentication(what) => format!("the credentials were refused: {what}"),
            Reason::AgentLimit(what) => format!("the plan allows no more agents: {what}"),
            Reason::MaxFailures(rows) => format!("{} failed", Counted(*rows, "row")),
        })
    }

    /// Returns the exit code for a program that runs this job.
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 0 | every row of this shard is finished |
    /// | 1 | the journal or the input cannot be read or written |
    /// | 3 | some rows failed, or the plan allows no more agents; run the job again |
    /// | 4 | the credentials were refused |
    /// | 5 | some rows are in doubt; somebody has to look |
    /// | 130 | interrupted |
    pub fn exit_code(&self) -> i32 {
        match self.stopped {
            Some(Reason::Interrupted) => 130,
            Some(Reason::Journal(_) | Reason::Input(_) | Reason::Panicked) => 1,
            Some(Reason::Authentication(_)) => 4,
            _ if self.in_doubt > 0 => 5,
            Some(Reason::AgentLimit(_) | Reason::MaxFailures(_)) => 3,
            None if self.failed_rows() + self.unfinished > 0 => 3,
            None => 0,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.job)?;
        if self.shard != Shard::all() {
            write!(f, ", shard {}", self.shard)?;
        }
        let rows = Counted(self.finished, "row");
        writeln!(f, ": {rows} finished in {}", Time(self.elapsed))?;
        let mut line = |label: &str, count: u64, note: &str| match count {
            0 => Ok(()),
            _ => writeln!(f, "  {label:<13}{}{note}", Grouped(count)),
        };
        line("skipped", self.skipped, " (finished before)")?;
        line("failed", self.failed_rows(), "")?;
        for (kind, count) in &self.failed {
            line("", *count, &format!(" × {kind}"))?;
        }
        line(
            "in doubt",
            self.in_doubt,
            " (sent, and it is not known how that ended)",
        )?;
        line(
            "unfinished",
            self.unfinished,
            " (the next run continues them)",
        )?;
        line("other shards", self.other_shards, "")?;
        let replayed =
            " steps (an earlier job of this name did them; use another name to do them again)";
        line("replayed", self.replayed, replayed)?;
        let waited = match self.waited {
            Duration::ZERO => String::new(),
            waited => format!(
                " (waited {} before them, all threads together)",
                Time(waited)
            ),
        };
        line("requests", self.attempts, &waited)?;
        if let Some(why) = self.stopped() {
            writeln!(f, "  stopped      {why}")?;
        }
        Ok(())
    }
}

/// A row that failed or is in doubt.
///
/// `Display` writes one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Key of the row.
    pub row: String,
    /// Number of the row in the input, from 1.
    pub number: u64,
    /// Name of the step, if one failed.
    pub step: Option<String>,
    /// Kind, as counted in [`Report::failed`]; `in doubt` for a row in doubt.
    pub kind: String,
    /// What happened.
    pub message: String,
}

impl Problem {
    /// Returns whether the row is in doubt, as opposed to failed.
    pub fn is_in_doubt(&self) -> bool {
        self.kind == IN_DOUBT
    }
}

pub(super) const IN_DOUBT: &str = "in doubt";

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} ({:?})", self.number, self.row)?;
        if let Some(step) = &self.step {
            write!(f, ", step {step:?}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Rows that were finished in this run.
    pub finished: u64,
    /// Rows that were finished before.
    pub skipped: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Rows in doubt.
    pub in_doubt: u64,
    /// Rows of other shards.
    pub other_shards: u64,
    /// Time since the run began.
    pub elapsed: Duration,
}

impl Progress {
    /// Returns how many rows this run has dealt with, whatever the outcome.
    pub fn rows(&self) -> u64 {
        self.finished + self.skipped + self.failed + self.in_doubt + self.other_shards
    }
}

/// What a run would do.
///
/// `Display` writes a summary for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Rows that would be worked on.
    pub to_do: u64,
    /// Those of them that an earlier run has begun.
    pub begun: u64,
    /// Those of them with a step that is in doubt.
    pub in_doubt: u64,
    /// Rows that are finished.
    pub finished: u64,
    /// Rows of other shards.
    pub other_shards: u64,
    /// Rows that have no key, or one that another row has.
    pub bad_keys: u64,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} to do", Counted(self.to_do, "row"))?;
        for (label, count) in [
            ("begun", self.begun),
            ("in doubt", self.in_doubt),
            ("finished", self.finished),
            ("other shards", self.other_shards),
            ("bad keys", self.bad_keys),
        ] {
            if count > 0 {
                writeln!(f, "  {label:<13}{}", Grouped(count))?;
            }
        }
        Ok(())
    }
}

/// `1 row`, `1,234 rows`.
struct Counted(u64, &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{ending}", Grouped(self.0), self.1)
    }
}

/// `1,234,567`.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// `2 h 5 min`, `3 min 12 s`, `1.5 s`.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..=59 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            60..=3599 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            _ => write!(f, "{} h {} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            job: "import".to_owned(),
            shard: Shard::all(),
            finished: 2,
            skipped: 0,
            failed: BTreeMap::new(),
            in_doubt: 0,
            unfinished: 0,
            other_shards: 0,
            replayed: 0,
            elapsed: Duration::from_millis(1_234),
            attempts: 2,
            waited: Duration::ZERO,
            problems: Vec::new(),
            stopped: None,
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst() {
        let failed = || BTreeMap::from([("timeout".to_owned(), 1)]);
        assert_eq!(report().exit_code(), 0);
        for (report, code) in [
            (
                Report {
                    failed: failed(),
                    ..report()
                },
                3,
            ),
            (
                Report {
                    unfinished: 1,
                    ..report()
                },
                3,
            ),
            (
                Report {
                    in_doubt: 1,
                    failed: failed(),
                    ..report()
                },
                5,
            ),
            (
                Report {
                    other_shards: 9,
                    skipped: 9,
                    replayed: 9,
                    ..report()
                },
                0,
            ),
        ] {
            assert_eq!(report.exit_code(), code, "{report}");
        }
        for (reason, code) in [
            (Reason::Interrupted, 130),
            (Reason::Journal("disk".to_owned()), 1),
            (Reason::Input("line 4".to_owned()), 1),
            (Reason::Authentication("401".to_owned()), 4),
            (Reason::AgentLimit("403".to_owned()), 3),
            (Reason::MaxFailures(3), 3),
        ] {
            let report = Report {
                stopped: Some(reason),
                failed: failed(),
                unfinished: 2,
                ..report()
            };
            assert_eq!(report.exit_code(), code, "{report}");
        }
        let doubt = Report {
            stopped: Some(Reason::MaxFailures(3)),
            in_doubt: 1,
            ..report()
        };
        assert_eq!(doubt.exit_code(), 5);
    }

    #[test]
    fn the_summary_shows_all_counts() {
        assert_eq!(
            report().to_string(),
            "\"import\": 2 rows finished in 1.2 s\n  requests     2\n"
        );
        let full = Report {
            shard: Shard::new(0, 4).unwrap(),
            finished: 1,
            skipped: 1_234_567,
            failed: BTreeMap::from([
                ("400 validation_error".to_owned(), 1_000),
                ("timeout".to_owned(), 1),
            ]),
            in_doubt: 1,
            unfinished: 8,
            other_shards: 30,
            replayed: 2,
            elapsed: Duration::from_secs(3_725),
            attempts: 12_345,
            waited: Duration::from_secs(61),
            stopped: Some(Reason::MaxFailures(1_001)),
            ..report()
        };
        assert_eq!(
            full.to_string(),
            "\"import\", shard 0/4: 1 row finished in 1 h 2 min
  skipped      1,234,567 (finished before)
  failed       1,001
               1,000 × 400 validation_error
               1 × timeout
  in doubt     1 (sent, and it is not known how that ended)
  unfinished   8 (the next run continues them)
  other shards 30
  replayed     2 steps (an earlier job of this name did them; use another name to do them again)
  requests     12,345 (waited 1 min 1 s before them, all threads together)
  stopped      1,001 rows failed
"
        );
    }
    #[test]
    fn numbers_are_grouped_in_threes() {
        for (number, text) in [
            (0, "0"),
            (100, "100"),
            (1_000, "1,000"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(Grouped(number).to_string(), text);
        }
    }

    #[test]
    fn progress_counts_the_rows_of_every_outcome() {
        let progress = Progress {
            finished: 1,
            skipped: 20,
            failed: 300,
            in_doubt: 4_000,
            other_shards: 50_000,
            elapsed: Duration::from_secs(1),
        };
        assert_eq!(progress.rows(), 54_321);
    }

    #[test]
    fn a_problem_is_one_line_and_tells_doubt_from_failure() {
        let problem = |kind: &str, step: Option<&str>| Problem {
            row: "r-1".to_owned(),
            number: 7,
            step: step.map(str::to_owned),
            kind: kind.to_owned(),
            message: "no".to_owned(),
        };
        let doubt = problem(IN_DOUBT, Some("agent"));
        assert!(doubt.is_in_doubt());
        assert_eq!(doubt.to_string(), "row 7 (\"r-1\"), step \"agent\": no");
        let failed = problem("timeout", None);
        assert!(!failed.is_in_doubt());
        assert_eq!(failed.to_string(), "row 7 (\"r-1\"): no");
    }

    #[test]
    fn a_plan_lists_the_changes() {
        assert_eq!(Plan::default().to_string(), "0 rows to do\n");
        let plan = Plan {
            to_do: 1,
            begun: 1,
            in_doubt: 1,
            finished: 1_000,
            other_shards: 2,
            bad_keys: 3,
        };
        assert_eq!(
            plan.to_string(),
            "1 row to do
  begun        1
  in doubt     1
  finished     1,000
  other shards 2
  bad keys     3
"
        );
    }
}

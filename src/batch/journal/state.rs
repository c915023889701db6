//! The state of each row, from the records of all files.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::record::{Body, Done, Finished, Record, Refused, Started};

/// The rows that a journal knows, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Rows(HashMap<Box<str>, Row>);

#[derive(Debug)]
pub(crate) enum Row {
    /// The row is done.
    Finished,
    /// Some steps of the row were begun.
    Begun(Vec<StepLog>),
}

/// Everything that is recorded about one step of one row.
#[derive(Debug)]
pub(crate) struct StepLog {
    pub(crate) name: Box<str>,
    /// Starts that their own file has not ended.
    starts: Vec<Start>,
    refusals: Vec<Refusal>,
    done: Option<StepResult>,
}

#[derive(Debug, Clone, Copy)]
struct Start {
    file: usize,
    refusals: u32,
    at: u64,
    hash: Uuid,
}

#[derive(Debug, Clone, Copy)]
struct Refusal {
    refusals: u32,
    at: u64,
    conclusive: bool,
}

/// The result of a step that is done.
#[derive(Debug, Clone)]
pub(crate) struct StepResult {
    pub(crate) hash: Uuid,
    pub(crate) value: StoredValue,
}

#[derive(Debug, Clone)]
pub(crate) enum StoredValue {
    /// The `data` of the response.
    Data(Option<Box<RawValue>>),
    /// The whole body.
    Body(Body),
}

/// What to do with a step.
#[derive(Debug)]
pub(crate) enum StepState {
    /// Nothing is under way. The next key counts this many refusals.
    New {
        refusals: u32,
    },
    /// The step was started under this key, and its outcome is unknown.
    Open(Open),
    Done(StepResult),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) refusals: u32,
    /// When the key was first used, in milliseconds since 1970.
    pub(crate) since: u64,
    pub(crate) hash: Uuid,
    /// Whether this process's own file has a record of it.
    pub(crate) here: bool,
    /// Whether it was started under two keys, or with two bodies, and so no key is safe.
    pub(crate) ambiguous: bool,
}

/// The file that this process writes is the first.
pub(crate) const OWN: usize = 0;

impl Rows {
    pub(crate) fn is_finished(&self, row: &str) -> bool {
        matches!(self.0.get(row), Some(Row::Finished))
    }

    pub(crate) fn get(&self, row: &str) -> Option<&Row> {
        self.0.get(row)
    }

    /// Removes and returns the steps of a row: each row is worked on once in a run.
    pub(crate) fn take(&mut self, row: &str) -> Vec<StepLog> {
        match self.0.get_mut(row) {
            Some(Row::Begun(steps)) => std::mem::take(steps),
            Some(Row::Finished) | None => Vec::new(),
        }
    }

    /// Returns the fewest records that say the same, for the rows of one file.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.0.iter().flat_map(|(row, state)| match state {
            Row::Finished => vec![Record::Finished(Finished {
                row: Cow::Borrowed(row),
            })],
            Row::Begun(steps) => steps.iter().flat_map(|step| step.records(row)).collect(),
        })
    }

    /// Adds a record of a file. Records of one file come in their order.
    pub(crate) fn add(&mut self, file: usize, record: Record<'_>) {
        match record {
            Record::Finished(finished) => match self.0.get_mut(&*finished.row) {
                Some(row) => *row = Row::Finished,
                None => {
                    self.0.insert(finished.row.into(), Row::Finished);
                }
            },
            Record::Started(started) => {
                if let Some(step) = self.step(&started.row, &started.step) {
                    step.started(file, started.refusals, started.at, started.hash);
                }
            }
            Record::Done(done) => {
                if let Some(step) = self.step(&done.row, &done.step) {
                    let value = match done.body {
                        Some(body) => StoredValue::Body(body),
                        None => StoredValue::Data(done.data.map(|data| data.into_owned())),
                    };
                    // Another process may have had the same result; the key was the same.
                    step.done.get_or_insert(StepResult {
                        hash: done.hash,
                        value,
                    });
                }
            }
            Record::Refused(refused) => {
                if let Some(step) = self.step(&refused.row, &refused.step) {
                    step.refused(file, refused.refusals, refused.at, refused.conclusive);
                }
            }
            Record::Void(void) => {
                if let Some(step) = self.step(&void.row, &void.step) {
                    step.void(file, void.refusals);
                }
            }
        }
    }

    /// Returns `None` if the row is finished: its steps do not matter any more.
    fn step(&mut self, row: &str, step: &str) -> Option<&mut StepLog> {
        if !self.0.contains_key(row) {
            self.0.insert(row.into(), Row::Begun(Vec::new()));
        }
        match self.0.get_mut(row) {
            Some(Row::Begun(steps)) => Some(find(steps, step)),
            Some(Row::Finished) | None => None,
        }
    }
}

/// Returns the log of the step with this name, creates it if it does not exist.
pub(crate) fn find<'a>(steps: &'a mut Vec<StepLog>, name: &str) -> &'a mut StepLog {
    let index = steps
        .iter()
        .position(|known| &*known.name == name)
        .unwrap_or_else(|| {
            steps.push(StepLog::new(name));
            steps.len() - 1
        });
    &mut steps[index]
}

impl StepLog {
    fn new(name: &str) -> Self {
        StepLog {
            name: name.into(),
            starts: Vec::new(),
            refusals: Vec::new(),
            done: None,
        }
    }

    pub(crate) fn started(&mut self, file: usize, refusals: u32, at: u64, hash: Uuid) {
        self.starts.push(Start {
            file,
            refusals,
            at,
            hash,
        });
    }

    /// Ends what this file started. A conclusive refusal also ends what others started before it: had
    /// that been performed, the server would have replayed its result.
    pub(crate) fn refused(&mut self, file: usize, refusals: u32, at: u64, conclusive: bool) {
        // In one file the order is certain; between files the clocks have to tell, in `state`.
        self.starts
            .retain(|start| start.file != file || start.refusals > refusals);
        self.refusals.push(Refusal {
            refusals,
            at,
            conclusive,
        });
    }

    /// Ends what this file started. Recorded only if nothing was under way before.
    pub(crate) fn void(&mut self, file: usize, refusals: u32) {
        self.starts
            .retain(|start| start.file != file || start.refusals != refusals);
    }

    pub(crate) fn done(&mut self, result: StepResult) {
        self.done = Some(result);
    }

    pub(crate) fn latest_start(&self) -> u64 {
        self.starts.iter().map(|start| start.at).max().unwrap_or(0)
    }

    pub(crate) fn state(&self) -> StepState {
        if let Some(done) = &self.done {
            return StepState::Done(done.clone());
        }
        let is_open = |start: &&Start| {
            !self.refusals.iter().any(|refusal| {
                refusal.conclusive && refusal.refusals >= start.refusals && refusal.at >= start.at
            })
        };
        let mut open: Option<Open> = None;
        for start in self.starts.iter().filter(is_open) {
            let known = *open.get_or_insert(Open {
                refusals: start.refusals,
                since: start.at,
                hash: start.hash,
                here: false,
                ambiguous: false,
            });
            open = Some(Open {
                since: known.since.min(start.at),
                here: known.here || start.file == OWN,
                ambiguous: known.ambiguous
                    || known.refusals != start.refusals
                    || known.hash != start.hash,
                refusals: known.refusals.max(start.refusals),
                ..known
            });
        }
        match open {
            Some(open) => StepState::Open(open),
            None => StepState::New {
                refusals: self.next(),
            },
        }
    }

    /// Refusals are counted by their keys: two processes that record the refusal of one key have
    /// to agree on the next.
    fn next(&self) -> u32 {
        let last = self.refusals.iter().map(|refusal| refusal.refusals).max();
        last.map_or(0, |last| last.saturating_add(1))
    }

    fn records<'a>(&'a self, row: &'a str) -> Vec<Record<'a>> {
        let (row, step) = (Cow::Borrowed(row), Cow::Borrowed(&*self.name));
        if let Some(done) = &self.done {
            let (data, body) = match &done.value {
                StoredValue::Data(data) => (data.as_deref().map(Cow::Borrowed), None),
                StoredValue::Body(body) => (None, Some(body.clone())),
            };
            return vec![Record::Done(Done {
                row,
                step,
                hash: done.hash,
                data,
                body,
            })];
        }
        // What is left of the starts came after the refusals.
        let refusals = self.refusals.iter().map(|refusal| {
            Record::Refused(Refused {
                row: row.clone(),
                step: step.clone(),
                refusals: refusal.refusals,
                at: refusal.at,
                conclusive: refusal.conclusive,
            })
        });
        let starts = self.starts.iter().map(|start| {
            Record::Started(Started {
                row: row.clone(),
                step: step.clone(),
                refusals: start.refusals,
                hash: start.hash,
                at: start.at,
            })
        });
        refusals.chain(starts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{done, hash, refused, started, void};
    use super::*;

    /// What a table of records says of one step.
    fn state(records: Vec<(usize, Record<'static>)>) -> StepState {
        let mut rows = Rows::default();
        for (file, record) in records {
            rows.add(file, record);
        }
        match rows.get("r") {
            Some(Row::Begun(steps)) => steps[0].state(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_stays_until_all_that_was_sent_under_it_is_known_to_have_failed() {
        let open = |refusals, since, here| {
            Some(Open {
                refusals,
                since,
                hash: hash(1),
                here,
                ambiguous: false,
            })
        };
        let start = |refusals, at| started("r", "s", refusals, at);
        let refuse = |refusals, at, conclusive| refused("r", "s", refusals, at, conclusive);
        let void = |refusals| void("r", "s", refusals);
        let (own, other, third) = (OWN, OWN + 1, OWN + 2);
        for (what, records, is_open, next) in [
            ("sent here", vec![(own, start(0, 5))], open(0, 5, true), 0),
            (
                "sent elsewhere",
                vec![(other, start(0, 5))],
                open(0, 5, false),
                0,
            ),
            (
                "sent twice",
                vec![(other, start(0, 5)), (own, start(0, 9))],
                open(0, 5, true),
                0,
            ),
            ("void", vec![(own, start(0, 5)), (own, void(0))], None, 0),
            (
                "void here, sent elsewhere",
                vec![(own, start(0, 9)), (own, void(0)), (other, start(0, 5))],
                open(0, 5, false),
                0,
            ),
            (
                "void, then sent",
                vec![(own, start(0, 5)), (own, void(0)), (own, start(0, 9))],
                open(0, 9, true),
                0,
            ),
            (
                "refused",
                vec![(own, start(0, 5)), (own, refuse(0, 6, false))],
                None,
                1,
            ),
            (
                "void here, sent elsewhere before",
                vec![(other, start(0, 5)), (own, start(0, 9)), (own, void(0))],
                open(0, 5, false),
                0,
            ),
            (
                "another key is void",
                vec![(own, start(1, 5)), (own, void(0))],
                open(1, 5, true),
                0,
            ),
            (
                "an earlier key is refused",
                vec![(own, start(1, 5)), (own, refuse(0, 4, false))],
                open(1, 5, true),
                1,
            ),
            (
                "a later key is refused",
                vec![(own, start(0, 5)), (own, refuse(1, 6, false))],
                None,
                2,
            ),
            (
                "sent elsewhere first, refused by something before the API",
                vec![
                    (other, start(0, 4)),
                    (own, start(0, 5)),
                    (own, refuse(0, 6, false)),
                ],
                open(0, 4, false),
                1,
            ),
            (
                "sent here, and elsewhere before",
                vec![(own, start(0, 9)), (other, start(0, 5))],
                open(0, 5, true),
                0,
            ),
            (
                "refused by something before the API, sent elsewhere",
                vec![
                    (own, start(0, 5)),
                    (own, refuse(0, 6, false)),
                    (other, start(0, 4)),
                ],
                open(0, 4, false),
                1,
            ),
            (
                "refused by the API, sent elsewhere before",
                vec![
                    (other, start(0, 4)),
                    (own, start(0, 5)),
                    (own, refuse(0, 6, true)),
                ],
                None,
                1,
            ),
            (
                "the same, read in another order",
                vec![
                    (own, start(0, 5)),
                    (own, refuse(0, 6, true)),
                    (other, start(0, 4)),
                ],
                None,
                1,
            ),
            (
                "refused by the API, sent elsewhere afterwards",
                vec![
                    (own, start(0, 5)),
                    (own, refuse(0, 6, true)),
                    (other, start(0, 7)),
                ],
                open(0, 7, false),
                1,
            ),
            (
                "refused by two under one key",
                vec![
                    (own, start(0, 5)),
                    (own, refuse(0, 6, true)),
                    (other, start(0, 5)),
                    (other, refuse(0, 6, true)),
                ],
                None,
                1,
            ),
            (
                "refused twice, sent again",
                vec![
                    (own, start(0, 5)),
                    (own, refuse(0, 6, true)),
                    (other, start(1, 7)),
                    (other, refuse(1, 8, true)),
                    (third, start(2, 9)),
                ],
                open(2, 9, false),
                2,
            ),
        ] {
            match (state(records), is_open) {
                (StepState::Open(open), Some(expected)) => assert_eq!(open, expected, "{what}"),
                (StepState::New { refusals }, None) => assert_eq!(refusals, next, "{what}"),
                other => panic!("{what}: {other:?}"),
            }
        }
    }

    #[test]
    fn starts_that_contradict_each_other_are_told() {
        let start = |refusals, number| {
            Record::Started(Started {
                row: "r".into(),
                step: "s".into(),
                refusals,
                hash: hash(number),
                at: 5,
            })
        };
        for (records, refusals) in [
            (vec![(1, start(0, 1)), (2, start(1, 1))], 1),
            (vec![(1, start(1, 1)), (2, start(0, 1))], 1),
            (vec![(1, start(0, 1)), (2, start(0, 2))], 0),
            // What follows does not settle it.
            (
                vec![(1, start(0, 1)), (2, start(0, 2)), (3, start(0, 1))],
                0,
            ),
        ] {
            match state(records) {
                StepState::Open(open) => {
                    assert_eq!((open.ambiguous, open.refusals), (true, refusals))
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_latest_start_counts_whichever_file_has_it() {
        let mut step = StepLog::new("s");
        assert_eq!(step.latest_start(), 0);
        for (file, at) in [(0, 5), (2, 9), (1, 7)] {
            step.started(file, 0, at, hash(1));
        }
        assert_eq!(step.latest_start(), 9);
    }

    #[test]
    fn a_step_is_done_once_its_result_is_known() {
        let mut step = StepLog::new("s");
        step.started(OWN, 0, 5, hash(1));
        let value = StoredValue::Data(None);
        step.done(StepResult {
            hash: hash(1),
            value,
        });
        assert!(matches!(step.state(), StepState::Done(done) if done.hash == hash(1)));
    }

    #[test]
    fn a_result_outlives_later_records_of_its_step() {
        for records in [
            vec![(0, started("r", "s", 0, 5)), (1, done("r", "s", "1"))],
            vec![(1, done("r", "s", "1")), (0, started("r", "s", 0, 5))],
            vec![(1, done("r", "s", "1")), (0, refused("r", "s", 0, 9, true))],
            vec![(1, done("r", "s", "1")), (2, done("r", "s", "2"))],
        ] {
            match state(records) {
                StepState::Done(done) => match done.value {
                    StoredValue::Data(Some(data)) => assert_eq!(data.get(), "1"),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
    }
}

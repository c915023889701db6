//! Records for tests.

use std::borrow::Cow;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::record::{Done, Finished, Record, Refused, Started, Void, line};

pub(crate) fn hash(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn started(row: &str, step: &str, refusals: u32, at: u64) -> Record<'static> {
    Record::Started(Started {
        row: row.to_owned().into(),
        step: step.to_owned().into(),
        refusals,
        hash: hash(1),
        at,
    })
}

pub(crate) fn done(row: &str, step: &str, data: &str) -> Record<'static> {
    let data = RawValue::from_string(data.to_owned()).unwrap();
    Record::Done(Done {
        row: row.to_owned().into(),
        step: step.to_owned().into(),
        hash: hash(1),
        data: Some(Cow::Owned(data)),
        body: None,
    })
}

pub(crate) fn refused(
    row: &str,
    step: &str,
    refusals: u32,
    at: u64,
    conclusive: bool,
) -> Record<'static> {
    Record::Refused(Refused {
        row: row.to_owned().into(),
        step: step.to_owned().into(),
        refusals,
        at,
        conclusive,
    })
}

pub(crate) fn void(row: &str, step: &str, refusals: u32) -> Record<'static> {
    Record::Void(Void {
        row: row.to_owned().into(),
        step: step.to_owned().into(),
        refusals,
    })
}

pub(crate) fn finished(row: &str) -> Record<'static> {
    Record::Finished(Finished {
        row: row.to_owned().into(),
    })
}

pub(crate) fn text(records: &[Record<'_>]) -> String {
    let lines = records.iter().map(|record| line(record).unwrap());
    lines.map(|line| String::from_utf8(line).unwrap()).collect()
}

/// One of each, in the order in which a job writes them.
pub(crate) fn records() -> Vec<Record<'static>> {
    vec![
        started("r-1", "agent", 0, 1_764_028_800_000),
        done("r-1", "agent", r#"{"id":"agt_1","name":"Crème 🍕"}"#),
        started("r-1", "menu", 0, 1_764_028_800_005),
        refused("r-1", "menu", 0, 1_764_028_800_006, true),
        finished("r-1"),
        started("r-2", "agent", 0, 1_764_028_800_007),
        void("r-2", "agent", 0),
        started("r-2", "agent", 0, 1_764_028_800_008),
        done("r-3 \"строка\"\n", "\u{2028}", "null"),
    ]
}

//! The rows of a CSV or JSON lines file, all of them checked.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Deserializer};

/// An agent to create.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// Unique in the file, and the same in every run.
    #[serde(deserialize_with = "text_or_number")]
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default, deserialize_with = "list_or_null")]
    pub(crate) knowledge: Vec<Knowledge>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Knowledge {
    pub(crate) name: String,
    pub(crate) content: String,
}

/// Prints no more problems than this.
const SHOWN: usize = 20;

/// Reads a file.
///
/// On failure returns what is wrong with it, each with file and line.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>, Vec<String>> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|error| vec![format!("{name}: {error}")])?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut rows = match is_csv(path, bytes) {
        true => csv_rows(bytes),
        false => json_rows(bytes),
    };
    check_ids(&mut rows);
    let mut problems: Vec<_> = rows
        .iter()
        .filter_map(|(line, row)| match row {
            Err(problem) if *line == 0 => Some(format!("{name}: {problem}")),
            Err(problem) => Some(format!("{name}:{line}: {problem}")),
            Ok(_) => None,
        })
        .collect();
    if rows.is_empty() {
        problems.push(format!("{name}: there are no rows"));
    }
    if problems.len() > SHOWN {
        let more = problems.len() - SHOWN;
        problems.truncate(SHOWN);
        problems.push(format!("{name}: and {more} more"));
    }
    match problems.is_empty() {
        true => Ok(rows.into_iter().filter_map(|(_, row)| row.ok()).collect()),
        false => Err(problems),
    }
}

/// Rows or what is wrong with them, with their lines.
type Lines = Vec<(u64, Result<Row, String>)>;

fn is_csv(path: &Path, bytes: &[u8]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => true,
        Some("json" | "jsonl" | "ndjson") => false,
        _ => !matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')),
    }
}

fn json_rows(bytes: &[u8]) -> Lines {
    if bytes.trim_ascii_start().starts_with(b"[") {
        let what = "expected one JSON object a line, got a list; `jq -c '.[]'` converts it";
        return vec![(1, Err(what.to_owned()))];
    }
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row = match std::str::from_utf8(line) {
            Ok(line) => serde_json::from_str(line).map_err(|error| in_line(&error)),
            Err(error) => Err(format!("invalid UTF-8 after byte {}", error.valid_up_to())),
        };
        rows.push((number, row));
    }
    rows
}

/// The line of an error within one line is always the first.
fn in_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => format!("{what} (column {})", error.column()),
        None => text,
    }
}

fn csv_rows(bytes: &[u8]) -> Lines {
    const COLUMNS: [&str; 4] = ["id", "name", "description", "knowledge"];
    if bytes.trim_ascii().is_empty() {
        return Vec::new();
    }
    let mut reader = csv::Reader::from_reader(bytes);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return vec![(1, Err(csv_problem(&error)))],
    };
    let names: Vec<_> = header.iter().map(str::trim).collect();
    let mut wrong = Vec::new();
    for name in ["id", "name"] {
        if !names.contains(&name) {
            wrong.push((1, Err(format!("the column {name:?} is missing"))));
        }
    }
    for (index, name) in names.iter().enumerate() {
        if !COLUMNS.contains(name) {
            let known = COLUMNS.join(", ");
            wrong.push((1, Err(format!("unknown column {name:?}; known: {known}"))));
        } else if names[..index].contains(name) {
            wrong.push((1, Err(format!("the column {name:?} is given twice"))));
        }
    }
    if !wrong.is_empty() {
        return wrong;
    }
    let mut rows = Vec::new();
    let mut line = 1;
    for record in reader.records() {
        let row = match &record {
            Ok(record) => {
                line = record.position().map_or(line, csv::Position::line);
                let field = |name: &str| {
                    let index = names.iter().position(|known| *known == name)?;
                    record.get(index).filter(|text| !text.is_empty())
                };
                csv_row(field)
            }
            Err(error) => {
                line = error.position().map_or(line, csv::Position::line);
                Err(csv_problem(error))
            }
        };
        rows.push((line, row));
    }
    rows
}

fn csv_row<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Row, String> {
    let knowledge = match field("knowledge") {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| format!("the column \"knowledge\": {}", in_line(&error)))?,
        None => Vec::new(),
    };
    Ok(Row {
        id: field("id").unwrap_or_default().to_owned(),
        name: field("name").unwrap_or_default().to_owned(),
        description: field("description").map(str::to_owned),
        knowledge,
    })
}

fn csv_problem(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "invalid UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} fields, expected {expected_len}"),
        _ => error.to_string(),
    }
}

/// Every row needs an id that no other row has, and a name.
fn check_ids(rows: &mut Lines) {
    let mut seen: HashMap<String, u64> = HashMap::new();
    for (line, row) in rows {
        let Ok(known) = row else { continue };
        let problem = if known.id.is_empty() {
            Some("the id is missing".to_owned())
        } else if let Some(first) = seen.get(&known.id) {
            Some(format!("the id {:?} is also in line {first}", known.id))
        } else if known.name.trim().is_empty() {
            Some("the name is missing".to_owned())
        } else {
            None
        };
        seen.entry(known.id.clone()).or_insert(*line);
        if let Some(problem) = problem {
            *row = Err(problem);
        }
    }
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an id, a text or a whole number")]
    enum Id {
        Text(String),
        Number(u64),
    }
    Ok(match Id::deserialize(deserializer)? {
        Id::Text(text) => text,
        Id::Number(number) => number.to_string(),
    })
}

fn list_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Knowledge>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

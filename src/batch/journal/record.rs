//! One line of a journal.
//!
//! ```text
//! {"bimpeai_batch":{"version":1,"job":"import"}}
//! {"started":{"row":"r-1","step":"agent","try":0,"hash":"…","at":1764028800000}}
//! {"done":{"row":"r-1","step":"agent","hash":"…","data":{"id":"agt_1"}}}
//! {"finished":{"row":"r-1"}}
//! ```

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The version of the format that this crate reads and writes.
pub(crate) const VERSION: u64 = 1;

/// The first line of every file. It allows unknown fields: another version may have more.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) bimpeai_batch: Identity<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Identity<'a> {
    pub(crate) version: u64,
    #[serde(borrow, default)]
    pub(crate) job: Cow<'a, str>,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Record<'a> {
    /// A write is about to be sent for the first time under this key.
    #[serde(borrow)]
    Started(Started<'a>),
    /// A step has its result.
    #[serde(borrow)]
    Done(Done<'a>),
    /// The server refused for good what was sent under this key. The next try has another one.
    #[serde(borrow)]
    Refused(Refused<'a>),
    /// What this file started under this key was not performed. The key is as good as new.
    #[serde(borrow)]
    Void(Void<'a>),
    /// A row needs nothing more.
    #[serde(borrow)]
    Finished(Finished<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Started<'a> {
    #[serde(borrow)]
    pub(crate) row: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) step: Cow<'a, str>,
    /// How many refusals the key counts.
    #[serde(rename = "try")]
    pub(crate) refusals: u32,
    pub(crate) hash: Uuid,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done<'a> {
    #[serde(borrow)]
    pub(crate) row: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) step: Cow<'a, str>,
    pub(crate) hash: Uuid,
    /// The `data` of the response; absent where it had none.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Cow<'a, RawValue>>,
    /// The whole body instead, for a request that does not decode `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Body>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Body {
    Text(String),
    /// What is not UTF-8.
    Bytes(Vec<u8>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused<'a> {
    #[serde(borrow)]
    pub(crate) row: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) step: Cow<'a, str>,
    #[serde(rename = "try")]
    pub(crate) refusals: u32,
    pub(crate) at: u64,
    /// Whether it tells how every earlier sending of this key ended, whichever process sent it.
    pub(crate) conclusive: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Void<'a> {
    #[serde(borrow)]
    pub(crate) row: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) step: Cow<'a, str>,
    #[serde(rename = "try")]
    pub(crate) refusals: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finished<'a> {
    #[serde(borrow)]
    pub(crate) row: Cow<'a, str>,
}

/// The line of a record, with its line end.
pub(crate) fn line(record: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(record)?;
    // The `data` is as the server sent it. Outside of strings JSON may have line ends, which are
    // whitespace; inside, it has none.
    for byte in &mut line {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    line.push(b'\n');
    Ok(line)
}

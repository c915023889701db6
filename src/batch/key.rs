//! The idempotency keys of steps, the hash of what a step sends, and where a row belongs.
//!
//! All are UUIDs of version 5 (SHA-1), so that every version of this crate on every platform
//! derives the same ones. Changing anything here breaks the promise for jobs that are under way.

use serde_json::Value;
use uuid::Uuid;

/// Derives the idempotency keys of one job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    namespace: Uuid,
}

impl Keys {
    pub(super) fn new(job: &str) -> Self {
        let name = format!("bimpeai:batch:{job}");
        Keys {
            namespace: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
        }
    }

    /// Returns the key of one attempt at a step.
    ///
    /// Shard, body and path do not belong to it: after a crash, whichever process runs the row must
    /// send the key that the server may have seen. `refusals` counts the recorded final refusals,
    /// because servers replay a refusal to the same key.
    pub(super) fn key(&self, row: &str, step: &str, refusals: u32) -> Uuid {
        let refusals = refusals.to_string();
        let name = with_lengths(&[row.as_bytes(), step.as_bytes(), refusals.as_bytes()]);
        Uuid::new_v5(&self.namespace, &name)
    }
}

/// Hashes what a request asks for; the order of the fields of its body does not matter.
pub(super) fn hash(method: &str, target: &str, body: Option<&[u8]>) -> Uuid {
    let body = body.map(sorted).unwrap_or_default();
    let name = with_lengths(&[method.as_bytes(), target.as_bytes(), &body]);
    Uuid::new_v5(&Uuid::NAMESPACE_URL, &name)
}

/// Returns the number that decides which shard a row belongs to.
pub(super) fn shard_number(row: &str) -> u64 {
    let name = format!("bimpeai:shard:{row}");
    let (_, last) = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).as_u64_pair();
    last
}

/// The length before each part keeps ("a", "bc") and ("ab", "c") apart.
fn with_lengths(parts: &[&[u8]]) -> Vec<u8> {
    let mut name = Vec::new();
    for part in parts {
        name.extend_from_slice(part.len().to_string().as_bytes());
        name.push(b':');
        name.extend_from_slice(part);
    }
    name
}

fn sorted(body: &[u8]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return body.to_vec();
    };
    // A no-op unless a program turns on serde_json's `preserve_order`.
    value.sort_all_objects();
    serde_json::to_vec(&value).unwrap_or_else(|_| body.to_vec())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Python: `u.uuid5(u.uuid5(u.NAMESPACE_URL, "bimpeai:batch:import"), "3:r-15:agent1:0")`.
    #[test]
    fn keys_are_the_same_in_every_version_and_language() {
        let keys = Keys::new("import");
        assert_eq!(
            keys.key("r-1", "agent", 0).to_string(),
            "4b01df1c-a10c-56e1-a4af-03c2cffc97d5"
        );
        assert_eq!(
            keys.key("r-1", "agent", 12).to_string(),
            "2fb6fb24-a59d-5207-9f49-85a9f0205f89"
        );
        assert_eq!(
            Keys::new("").key("строка 1", "", 0).to_string(),
            "af51414a-2e79-5225-9d2b-b2df439e2920"
        );
    }

    #[test]
    fn keys_differ_in_job_row_step_and_refusals() {
        let mut seen = HashSet::new();
        for job in ["a", "ab", "a:b"] {
            for (row, step) in [
                ("a", "bc"),
                ("ab", "c"),
                ("abc", ""),
                ("", "abc"),
                ("1:a", "b"),
                ("1", "a1:b"),
            ] {
                for refusals in [0, 1, 10, 11, 101] {
                    assert!(seen.insert(Keys::new(job).key(row, step, refusals)));
                }
            }
        }
    }

    #[test]
    fn the_hash_ignores_the_order_of_fields_and_nothing_else() {
        let post = |body: &str| hash("POST", "/agents", Some(body.as_bytes()));
        let one = post(r#"{"a":1,"b":{"c":[1,2],"d":null}}"#);
        assert_eq!(one, post(r#"{ "b": {"d": null, "c": [1, 2]}, "a": 1 }"#));
        for other in [
            post(r#"{"a":1,"b":{"c":[2,1],"d":null}}"#),
            post(r#"{"a":1,"b":{"c":[1,2]}}"#),
            post(r#"{"a":1.0,"b":{"c":[1,2],"d":null}}"#),
            post(r#"{"a":"1","b":{"c":[1,2],"d":null}}"#),
            hash(
                "POST",
                "/agents?a=1",
                Some(br#"{"a":1,"b":{"c":[1,2],"d":null}}"#),
            ),
            hash(
                "PATCH",
                "/agents",
                Some(br#"{"a":1,"b":{"c":[1,2],"d":null}}"#),
            ),
            hash("POST", "/agents", None),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_row_belongs_to_the_same_shard_everywhere() {
        assert_eq!(shard_number("r-1"), 0xaa50_7fe2_b0c7_3bd7);
        assert_eq!(shard_number(""), 0x9787_79de_0510_ef77);
        assert_eq!(shard_number("строка 1"), 0xbd5c_95d4_a7e1_ad6e);
    }
}

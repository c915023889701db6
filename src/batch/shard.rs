//! Which part of the rows a process takes.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

use super::key::shard_number;

/// One of the parts that a job's rows are split into, such as `0/4`: the first of four.
///
/// A row belongs to a shard by its key alone, so that every process agrees without talking to the
/// others. The order and the number of the rows do not matter. To change the number of shards, end
/// all processes and start the new ones on the same journal: what is done stays done.
///
/// ```
/// use bimpeai::batch::Shard;
///
/// let shard: Shard = "0/4".parse()?;
/// assert_eq!((shard.index(), shard.count()), (0, 4));
/// assert!(Shard::all().contains("row-1"));
/// # Ok::<(), bimpeai::batch::ShardError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Returns the only shard of one: all rows.
    pub fn all() -> Shard {
        Shard { index: 0, count: 1 }
    }

    /// Returns shard `index` of `count`. `index` counts from 0.
    ///
    /// # Errors
    ///
    /// [`ShardError`] if `index` is not less than `count`.
    pub fn new(index: u32, count: u32) -> Result<Shard, ShardError> {
        if index < count {
            Ok(Shard { index, count })
        } else {
            fail(format!(
                "shard {index}/{count} does not exist; the index counts from 0 and must be less \
                 than the count"
            ))
        }
    }

    /// Reads the shard from the variables that schedulers and CI systems set.
    ///
    /// | system | variables |
    /// |---|---|
    /// | any | `BIMPEAI_SHARD=i/N`; overrides all others |
    /// | Slurm array | `SLURM_ARRAY_TASK_ID`, `_COUNT`, `_MIN`, `_MAX`, `_STEP`; the ids must be evenly spaced |
    /// | Kubernetes Indexed Job | `JOB_COMPLETION_INDEX` and `BIMPEAI_SHARD_COUNT` |
    /// | AWS Batch array | `AWS_BATCH_JOB_ARRAY_INDEX`, `AWS_BATCH_JOB_ARRAY_SIZE` |
    /// | Cloud Run job | `CLOUD_RUN_TASK_INDEX`, `CLOUD_RUN_TASK_COUNT` |
    /// | Nomad | `NOMAD_ALLOC_INDEX` and `BIMPEAI_SHARD_COUNT` |
    /// | Grid Engine array | `SGE_TASK_ID`, `SGE_TASK_FIRST`, `SGE_TASK_LAST`, `SGE_TASK_STEPSIZE` |
    /// | PBS array | `PBS_ARRAY_INDEX` or `PBS_ARRAYID`, which must count from 0, and `BIMPEAI_SHARD_COUNT` |
    /// | GitLab | `CI_NODE_INDEX` (counts from 1), `CI_NODE_TOTAL` |
    /// | Buildkite | `BUILDKITE_PARALLEL_JOB`, `BUILDKITE_PARALLEL_JOB_COUNT` |
    /// | CircleCI | `CIRCLE_NODE_INDEX`, `CIRCLE_NODE_TOTAL` |
    ///
    /// `BIMPEAI_SHARD_COUNT` is for systems that tell a process its index and not the count. An
    /// empty variable counts as unset. Returns [`Shard::all`] if none of them is set.
    ///
    /// # Errors
    ///
    /// [`ShardError`] names the variable that is not a number, out of range or missing. If two
    /// systems disagree, it names both.
    pub fn from_env() -> Result<Shard, ShardError> {
        from_variables(&|name| env::var_os(name))
    }

    /// Returns the index, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Returns how many shards there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Returns whether the row with this key belongs to this shard.
    ///
    /// Takes the last 8 bytes (big-endian) of the UUID v5 of `bimpeai:shard:` + `key` in the URL
    /// namespace, modulo the count. The same on every platform and version.
    pub fn contains(self, key: impl AsRef<str>) -> bool {
        self.count == 1
            || shard_number(key.as_ref()) % u64::from(self.count) == u64::from(self.index)
    }
}

/// All rows.
impl Default for Shard {
    fn default() -> Self {
        Shard::all()
    }
}

/// `i/N`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Parses `i/N`.
impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let parsed = text
            .split_once('/')
            .and_then(|(index, count)| Some((digits(index)?, digits(count)?)));
        match parsed {
            Some((index, count)) => Shard::new(index, count),
            None => fail(format!(
                "expected a shard such as 0/4 (index from 0, and count), got {text:?}"
            )),
        }
    }
}

/// Returned when a shard is invalid, or the environment does not tell which one it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct ShardError {
    what: String,
}

fn fail<T>(what: String) -> Result<T, ShardError> {
    Err(ShardError { what })
}

/// `str::parse` takes a plus sign.
fn digits<N: FromStr>(text: &str) -> Option<N> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

const SHARD: &str = "BIMPEAI_SHARD";
const COUNT: &str = "BIMPEAI_SHARD_COUNT";
const SETS_SHARD: &str = "set BIMPEAI_SHARD=i/N";

type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

fn from_variables(env: Lookup<'_>) -> Result<Shard, ShardError> {
    if let Some(text) = text(env, SHARD)? {
        return text
            .parse()
            .or_else(|ShardError { what }| fail(format!("{SHARD}: {what}")));
    }
    let mut found: Option<(&str, Shard)> = None;
    let mut take = |name: &'static str, shard: Option<Shard>| match (found, shard) {
        // One of one says that the system does not split this job.
        (_, None | Some(Shard { count: 1, .. })) => Ok(()),
        (None, Some(shard)) => {
            found = Some((name, shard));
            Ok(())
        }
        (Some((_, known)), Some(shard)) if known == shard => Ok(()),
        (Some((other, known)), Some(shard)) => fail(format!(
            "{other} says shard {known} and {name} says shard {shard}; {SETS_SHARD}"
        )),
    };
    take(
        "SLURM_ARRAY_TASK_ID",
        range(
            env,
            [
                "SLURM_ARRAY_TASK_ID",
                "SLURM_ARRAY_TASK_MIN",
                "SLURM_ARRAY_TASK_MAX",
                "SLURM_ARRAY_TASK_STEP",
            ],
            Some("SLURM_ARRAY_TASK_COUNT"),
        )?,
    )?;
    // Grid Engine sets it for every job, to this word where the job is not an array.
    if text(env, "SGE_TASK_ID")?.as_deref() != Some("undefined") {
        take(
            "SGE_TASK_ID",
            range(
                env,
                [
                    "SGE_TASK_ID",
                    "SGE_TASK_FIRST",
                    "SGE_TASK_LAST",
                    "SGE_TASK_STEPSIZE",
                ],
                None,
            )?,
        )?;
    }
    for (index, count, first) in [
        ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", 0),
        ("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT", 0),
        ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
        ("BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
        ("CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
    ] {
        take(index, pair(env, index, count, first)?)?;
    }
    // These systems tell the index alone.
    let indexes = [
        "JOB_COMPLETION_INDEX",
        "NOMAD_ALLOC_INDEX",
        "PBS_ARRAY_INDEX",
        "PBS_ARRAYID",
    ];
    let mut counted = false;
    for index in indexes {
        if let Some(value) = number(env, index)? {
            let Some(count) = number(env, COUNT)? else {
                return fail(format!(
                    "{index} is set, but not how many shards there are; set {COUNT}, or {SETS_SHARD}"
                ));
            };
            counted = true;
            take(index, Some(shard(index, value, 0, COUNT, count)?))?;
        }
    }
    if !counted && text(env, COUNT)?.is_some() {
        return fail(format!(
            "{COUNT} is set, but none of {} is; {SETS_SHARD}",
            indexes.join(", ")
        ));
    }
    Ok(found.map_or_else(Shard::all, |(_, shard)| shard))
}

/// An index and how many there are.
fn pair(
    env: Lookup<'_>,
    index: &str,
    count: &str,
    first: u32,
) -> Result<Option<Shard>, ShardError> {
    match (number(env, index)?, number(env, count)?) {
        (None, None | Some(1)) => Ok(None),
        (Some(value), Some(total)) => shard(index, value, first, count, total).map(Some),
        (None, Some(total)) => fail(format!(
            "{count} is {total}, but {index} is not set; {SETS_SHARD}"
        )),
        (Some(_), None) => fail(format!("{index} is set, but {count} is not; {SETS_SHARD}")),
    }
}

/// An id in a range with a step, of which `min`, `max` and `step` are the user's choice.
fn range(
    env: Lookup<'_>,
    [id, min, max, step]: [&str; 4],
    count: Option<&str>,
) -> Result<Option<Shard>, ShardError> {
    let Some(value) = number(env, id)? else {
        return Ok(None);
    };
    let needed = |name| match number(env, name)? {
        Some(number) => Ok(number),
        None => fail(format!("{id} is set, but {name} is not; {SETS_SHARD}")),
    };
    let (low, high, stride) = (needed(min)?, needed(max)?, needed(step)?.max(1));
    if high < low {
        return fail(format!("{max} is {high}, less than {min}, which is {low}"));
    }
    let total = (high - low) / stride + 1;
    // A list with gaps, such as 1,5,7: nothing tells a task which of them it is.
    if let Some(name) = count {
        let said = needed(name)?;
        if said != total {
            return fail(format!(
                "{name} is {said}, but {low} to {high} in steps of {stride} ({min}, {max}, {step}) \
                 are {total}: the ids are not evenly spaced; {SETS_SHARD}"
            ));
        }
    }
    if value < low || value > high || (value - low) % stride != 0 {
        return fail(format!(
            "{id} is {value}, which is not one of {low} to {high} in steps of {stride}"
        ));
    }
    Shard::new((value - low) / stride, total).map(Some)
}

fn shard(
    index: &str,
    value: u32,
    first: u32,
    count: &str,
    total: u32,
) -> Result<Shard, ShardError> {
    match value.checked_sub(first) {
        Some(value) if value < total => Shard::new(value, total),
        _ => fail(format!(
            "{index} is {value} and {count} is {total}; the index must count from {first}"
        )),
    }
}

fn number(env: Lookup<'_>, name: &str) -> Result<Option<u32>, ShardError> {
    match text(env, name)? {
        None => Ok(None),
        Some(text) => match digits(&text) {
            Some(number) => Ok(Some(number)),
            None => fail(format!("{name} is {text:?}, expected a number")),
        },
    }
}

fn text(env: Lookup<'_>, name: &str) -> Result<Option<String>, ShardError> {
    match env(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Err(_)) => fail(format!("{name} is not valid UTF-8")),
    }
}

#[cfg(test)]
mod tests;

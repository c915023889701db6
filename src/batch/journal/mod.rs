//! The record of what a job has done: a folder with one file for each process.
//!
//! A process appends to the file that it holds the lock of, and reads all of them. So another
//! number of processes finds what the earlier ones did, and no two writers share a file.
//!
//! * A record is on disk before what it announces happens (`started`), or before the caller hears
//!   of it (`done`).
//! * The last line of a file may be torn by a crash. Nothing was done on the strength of it, so a
//!   reader ignores it, and the next owner of the file cuts it off. Any other line that cannot be
//!   read is an error: skipping it could repeat a write.
//! * The kernel ends the lock with its process. It is on a file beside the journal, because
//!   compaction replaces the journal itself.

pub(crate) mod record;
#[cfg(test)]
mod samples;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod writer;

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::shard::Shard;
use record::{Header, Identity, Record, VERSION, line};
use state::{OWN, Rows};

/// More processes than this on one shard are a mistake in the call, not a job.
const MAX_FILES: usize = 10_000;

/// Fewer lines than this are not worth a compaction.
const FEW_LINES: u64 = 1_000;

/// The file of this process, and where the others are.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    path: PathBuf,
    job: String,
    /// Held until the process ends or the journal is dropped.
    _lock: File,
}

impl Journal {
    /// Opens the journal of a job, or begins it, and reads what is recorded.
    pub(crate) fn open(
        folder: &Path,
        job: &str,
        shard: Shard,
    ) -> Result<(Journal, Rows), JournalError> {
        create_folder(folder)?;
        let (path, lock) = claim(folder, shard)?;
        let journal = Journal {
            folder: folder.to_owned(),
            path,
            job: job.to_owned(),
            _lock: lock,
        };
        let mut rows = journal.mend()?;
        journal.read_others(&mut rows)?;
        Ok((journal, rows))
    }

    /// Reads all files: this process's own, and those of others as far as they are written.
    pub(crate) fn load(&self) -> Result<Rows, JournalError> {
        let mut rows = Rows::default();
        read(&self.path, &self.job, OWN, &mut rows)?;
        self.read_others(&mut rows)?;
        Ok(rows)
    }

    fn read_others(&self, rows: &mut Rows) -> Result<(), JournalError> {
        for (number, path) in files(&self.folder)?.iter().enumerate() {
            if *path != self.path {
                read(path, &self.job, OWN + 1 + number, rows)?;
            }
        }
        Ok(())
    }

    /// Opens this process's file for its next records.
    pub(crate) fn append(&self) -> Result<File, JournalError> {
        let open = OpenOptions::new().append(true).open(&self.path);
        open.map_err(|error| failed(&self.path, "cannot be written", error))
    }

    /// Ends a line that a crash has torn, begins a file that has no header, and drops records that
    /// later ones made needless. Returns what the file says.
    fn mend(&self) -> Result<Rows, JournalError> {
        let mut rows = Rows::default();
        let lines = match File::open(&self.path) {
            Ok(_) => read(&self.path, &self.job, OWN, &mut rows)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Lines::default(),
            Err(error) => return Err(failed(&self.path, "cannot be read", error)),
        };
        if lines.whole == 0 {
            self.replace(&rows)?;
            return Ok(rows);
        }
        if lines.torn {
            let cut = || {
                let file = OpenOptions::new().write(true).open(&self.path)?;
                file.set_len(lines.bytes)?;
                file.sync_all()
            };
            cut().map_err(|error| failed(&self.path, "cannot be mended", error))?;
        }
        self.compact_if_worth_it(&rows, lines.whole)?;
        Ok(rows)
    }

    /// Drops what later records made needless. No writer may be at work.
    pub(crate) fn compact(&self) -> Result<(), JournalError> {
        let mut rows = Rows::default();
        let lines = read(&self.path, &self.job, OWN, &mut rows)?;
        self.compact_if_worth_it(&rows, lines.whole)
    }

    fn compact_if_worth_it(&self, rows: &Rows, lines: u64) -> Result<(), JournalError> {
        let needed = rows.records().count() as u64;
        if lines < FEW_LINES || lines < 2 * needed {
            return Ok(());
        }
        self.replace(rows)
    }

    /// Writes the file anew. At every instant either the old file or the whole new one has the name.
    fn replace(&self, rows: &Rows) -> Result<(), JournalError> {
        let new = self.path.with_extension("tmp");
        let write = || {
            let mut out = BufWriter::new(private(&new)?);
            let header = Header {
                bimpeai_batch: Identity {
                    version: VERSION,
                    job: Cow::Borrowed(&self.job),
                },
            };
            out.write_all(&line(&header)?)?;
            for record in rows.records() {
                out.write_all(&line(&record)?)?;
            }
            out.into_inner()?.sync_all()?;
            fs::rename(&new, &self.path)?;
            sync_folder(&self.folder)
        };
        write().map_err(|error| failed(&self.path, "cannot be written", error))
    }
}

/// Reads the journal of a job without touching it, for a look at what a run would do.
pub(crate) fn look(folder: &Path, job: &str) -> Result<Rows, JournalError> {
    let mut rows = Rows::default();
    if folder.exists() {
        for (number, path) in files(folder)?.iter().enumerate() {
            read(path, job, OWN + 1 + number, &mut rows)?;
        }
    }
    Ok(rows)
}

/// Returned when a journal cannot be read or written.
#[derive(Debug, Clone)]
pub(crate) struct JournalError {
    path: PathBuf,
    /// The line, from 1.
    line: Option<u64>,
    what: String,
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "journal {}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

fn failed(path: &Path, what: &str, error: io::Error) -> JournalError {
    JournalError {
        path: path.to_owned(),
        line: None,
        what: format!("{what}: {error}"),
    }
}

/// The lines of a file that could be read.
#[derive(Debug, Default)]
struct Lines {
    whole: u64,
    /// The length of the whole lines.
    bytes: u64,
    /// Whether bytes without a line end follow.
    torn: bool,
}

fn read(path: &Path, job: &str, number: usize, rows: &mut Rows) -> Result<Lines, JournalError> {
    let unreadable = |error| failed(path, "cannot be read", error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return Err(unreadable(error)),
    };
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut lines = Lines::default();
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = reader.read_until(b'\n', &mut text).map_err(unreadable)? as u64;
        if length == 0 {
            return Ok(lines);
        }
        let Some(text) = text.strip_suffix(b"\n") else {
            lines.torn = true;
            return Ok(lines);
        };
        lines.whole += 1;
        lines.bytes += length;
        let wrong = |what| JournalError {
            path: path.to_owned(),
            line: Some(lines.whole),
            what,
        };
        if lines.whole == 1 {
            check_header(text, job).map_err(wrong)?;
            continue;
        }
        match serde_json::from_slice::<Record<'_>>(text) {
            Ok(record) => rows.add(number, record),
            Err(error) => {
                return Err(wrong(format!(
                    "the record is damaged ({error}); nothing was sent, because skipping it \
                     could repeat a write: restore the file, or remove the line if you know what \
                     it said"
                )));
            }
        }
    }
}

fn check_header(text: &[u8], job: &str) -> Result<(), String> {
    let Ok(header) = serde_json::from_slice::<Header<'_>>(text) else {
        return Err("not a journal of a batch job".to_owned());
    };
    let Identity { version, job: of } = header.bimpeai_batch;
    if version != VERSION {
        return Err(format!(
            "the journal has format version {version}, and this version of bimpeai reads {VERSION}; \
             continue the job with the version that began it"
        ));
    }
    if of != job {
        return Err(format!(
            "the journal belongs to the job {of:?}, not {job:?}; continue under that name, or use \
             another folder"
        ));
    }
    Ok(())
}

/// The journals in a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let list = || {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    };
    list().map_err(|error| failed(folder, "cannot be read", error))
}

/// Finds a file of this shard that no running process has, and locks it.
///
/// Processes of different shards never meet here. Those of the same shard, such as one that was
/// requeued while its predecessor still runs, get files of their own.
fn claim(folder: &Path, shard: Shard) -> Result<(PathBuf, File), JournalError> {
    for number in 1..=MAX_FILES {
        let name = match number {
            1 => format!("{}-of-{}", shard.index(), shard.count()),
            _ => format!("{}-of-{}.{number}", shard.index(), shard.count()),
        };
        let path = folder.join(format!("{name}.lock"));
        let lock = private_lock(&path).map_err(|error| failed(&path, "cannot be opened", error))?;
        match try_lock(&lock) {
            Ok(()) => return Ok((folder.join(format!("{name}.jsonl")), lock)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                let what = "cannot be locked; the journal needs a file system with locks";
                return Err(failed(&path, what, error));
            }
        }
    }
    Err(JournalError {
        path: folder.to_owned(),
        line: None,
        what: format!("{MAX_FILES} processes have files of shard {shard}"),
    })
}

/// The feature `batch` needs a newer Rust than the rest of the crate.
#[allow(clippy::incompatible_msrv)]
fn try_lock(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

fn create_folder(folder: &Path) -> Result<(), JournalError> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let create = || {
        let folder = std::path::absolute(folder)?;
        let is_new = |folder: &&Path| !folder.exists();
        let new: Vec<_> = folder.ancestors().take_while(is_new).collect();
        builder.create(&folder)?;
        // Their names have to survive a crash as well.
        for parent in new.iter().filter_map(|folder| folder.parent()) {
            sync_folder(parent)?;
        }
        Ok(())
    };
    create().map_err(|error| failed(folder, "cannot be created", error))
}

/// Journals hold what the API returned: they are for their owner only.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn private_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes names in a folder durable. Windows does that with the file itself, and so do file systems
/// that cannot sync a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) => match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => Ok(()),
            // The parent of a journal may be somebody else's.
            io::ErrorKind::PermissionDenied => Ok(()),
            _ => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

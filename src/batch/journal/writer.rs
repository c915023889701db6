//! The thread that appends to a journal.
//!
//! Threads that want a record on disk at the same time share one `fdatasync`.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// What a writer writes to; tests bring one that fails.
pub(crate) trait Disk: Send {
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;

    fn sync(&mut self) -> io::Result<()>;
}

impl Disk for File {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.write_all(lines)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Hands lines to the thread that writes them.
#[derive(Clone)]
pub(crate) struct Appender {
    queue: Sender<Append>,
}

struct Append {
    line: Vec<u8>,
    sync: bool,
    written: SyncSender<Result<(), String>>,
}

/// Takes the lines of all [`Appender`]s.
pub(crate) struct Writer {
    queue: Receiver<Append>,
}

pub(crate) fn writer() -> (Appender, Writer) {
    let (sender, receiver) = channel();
    (Appender { queue: sender }, Writer { queue: receiver })
}

impl Appender {
    /// Writes a line. With `sync` it is on disk when this returns.
    ///
    /// After an error nothing is ever written again: a line may be torn, and what follows a torn
    /// line could not be read.
    pub(crate) fn append(&self, line: Vec<u8>, sync: bool) -> Result<(), String> {
        const GONE: &str = "the journal is closed";
        let (written, result) = sync_channel(1);
        let append = Append {
            line,
            sync,
            written,
        };
        self.queue.send(append).map_err(|_| GONE.to_owned())?;
        result.recv().unwrap_or_else(|_| Err(GONE.to_owned()))
    }
}

impl Writer {
    /// Writes until the last [`Appender`] is gone, then makes everything durable. Returns the
    /// first error.
    pub(crate) fn run(self, mut disk: impl Disk) -> Result<(), String> {
        let mut lines = Vec::new();
        while let Ok(first) = self.queue.recv() {
            let mut group = vec![first];
            group.extend(self.queue.try_iter());
            lines.clear();
            for append in &group {
                lines.extend_from_slice(&append.line);
            }
            let mut result = disk.append(&lines);
            if group.iter().any(|append| append.sync) {
                result = result.and_then(|()| disk.sync());
            }
            let result = result.map_err(|error| error.to_string());
            for append in &group {
                // Its thread may be gone by a panic.
                let _ = append.written.send(result.clone());
            }
            if let Err(error) = result {
                drop(group);
                for append in self.queue {
                    let _ = append.written.send(Err(error.clone()));
                }
                return Err(error);
            }
        }
        disk.sync().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::record::line;
    use super::super::samples::{records, text};
    use super::*;

    /// A disk that counts, is full after `room` bytes, and fails at one `sync`.
    #[derive(Clone, Default)]
    struct TestDisk(Arc<Mutex<Platter>>);

    #[derive(Default)]
    struct Platter {
        bytes: Vec<u8>,
        room: Option<usize>,
        syncs: usize,
        fail_sync: Option<usize>,
    }

    impl Disk for TestDisk {
        fn append(&mut self, lines: &[u8]) -> io::Result<()> {
            let mut platter = self.0.lock().unwrap();
            let room = platter.room.unwrap_or(usize::MAX) - platter.bytes.len();
            let fits = lines.len().min(room);
            platter.bytes.extend_from_slice(&lines[..fits]);
            match fits == lines.len() {
                true => Ok(()),
                false => Err(io::ErrorKind::StorageFull.into()),
            }
        }

        fn sync(&mut self) -> io::Result<()> {
            let mut platter = self.0.lock().unwrap();
            platter.syncs += 1;
            match platter.fail_sync == Some(platter.syncs) {
                true => Err(io::Error::other("I/O error")),
                false => Ok(()),
            }
        }
    }

    #[test]
    fn after_a_full_disk_at_any_byte_nothing_more_is_written() {
        let whole = text(&records());
        for room in 0..whole.len() {
            let disk = TestDisk::default();
            disk.0.lock().unwrap().room = Some(room);
            let (appender, writer) = writer();
            let (thread, kept) = (disk.clone(), disk.clone());
            let thread = std::thread::spawn(move || writer.run(thread));
            let mut lengths = Vec::new();
            for record in records() {
                let line = line(&record).unwrap();
                let length = line.len();
                match appender.append(line, true) {
                    Ok(()) => lengths.push(length),
                    Err(_) => break,
                }
            }
            let written: usize = lengths.iter().sum();
            assert!(written <= room);
            // There is room again, and still nothing follows the torn line.
            disk.0.lock().unwrap().room = None;
            assert!(appender.append(b"more\n".to_vec(), true).is_err());
            assert!(appender.append(b"more\n".to_vec(), false).is_err());
            drop(appender);
            assert!(thread.join().unwrap().is_err());
            assert_eq!(kept.0.lock().unwrap().bytes, &whole.as_bytes()[..room]);
        }
    }

    #[test]
    fn a_sync_that_fails_is_an_error_of_the_record_and_the_last_thing_that_is_done() {
        for fail in 1..=3 {
            let disk = TestDisk::default();
            disk.0.lock().unwrap().fail_sync = Some(fail);
            let (appender, writer) = writer();
            let thread = disk.clone();
            let thread = std::thread::spawn(move || writer.run(thread));
            for number in 1..=2 {
                let result = appender.append(format!("{number}\n").into_bytes(), true);
                assert_eq!(result.is_ok(), number < fail);
            }
            drop(appender);
            // The last one is that of the end.
            assert!(thread.join().unwrap().is_err());
            let written = &"1\n2\n".as_bytes()[..2 * fail.min(2)];
            assert_eq!(disk.0.lock().unwrap().bytes, written);
        }
    }

    #[test]
    fn a_record_is_synced_before_its_writer_continues_unless_it_need_not_be() {
        let disk = TestDisk::default();
        let (appender, writer) = writer();
        let thread = disk.clone();
        let thread = std::thread::spawn(move || writer.run(thread));
        let syncs = || disk.0.lock().unwrap().syncs;
        for (sync, expected) in [(true, 1), (false, 1), (true, 2)] {
            appender.append(b"line\n".to_vec(), sync).unwrap();
            assert_eq!(syncs(), expected);
        }
        drop(appender);
        thread.join().unwrap().unwrap();
        assert_eq!(syncs(), 3);
    }

    #[test]
    fn lines_of_many_threads_are_written_whole() {
        let disk = TestDisk::default();
        let (appender, writer) = writer();
        let thread = disk.clone();
        let thread = std::thread::spawn(move || writer.run(thread));
        std::thread::scope(|scope| {
            for number in 0..8 {
                let appender = appender.clone();
                scope.spawn(move || {
                    for count in 0..200 {
                        let line = format!("{number} {count}\n");
                        appender.append(line.into_bytes(), true).unwrap();
                    }
                });
            }
        });
        drop(appender);
        thread.join().unwrap().unwrap();
        let platter = disk.0.lock().unwrap();
        let text = String::from_utf8(platter.bytes.clone()).unwrap();
        assert_eq!(text.lines().count(), 1_600);
        assert!(platter.syncs <= 1_601);
        for number in 0..8 {
            let own: Vec<_> = text
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{number} ")))
                .map(|count| count.parse::<u32>().unwrap())
                .collect();
            assert_eq!(own, (0..200).collect::<Vec<_>>());
        }
    }
}

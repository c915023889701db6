//! The buffer that the reader reads into.

use std::io::{self, Read};

use crate::http::open::STREAM_INPUT;

/// The size of one read, in bytes: small for single messages, larger in bursts, and at most the size
/// of the connection's own buffer.
const SMALLEST_READ: usize = 2 * 1024;
const LARGEST_READ: usize = STREAM_INPUT;

/// Bytes that were received and are still needed.
pub(super) struct ReadBuffer {
    /// The space beyond `filled` is zeroed once, not for every read.
    bytes: Vec<u8>,
    filled: usize,
    /// The size of the next read.
    ask: usize,
}

impl Default for ReadBuffer {
    fn default() -> Self {
        ReadBuffer {
            bytes: Vec::new(),
            filled: 0,
            ask: SMALLEST_READ,
        }
    }
}

impl ReadBuffer {
    /// Reads once, and returns the number of bytes.
    pub(super) fn read(&mut self, from: &mut impl Read) -> io::Result<usize> {
        let end = self.filled + self.ask;
        if self.bytes.len() < end {
            if end < 2 * LARGEST_READ {
                self.bytes.reserve_exact(end - self.bytes.len());
            }
            self.bytes.resize(end, 0);
        } else if self.bytes.capacity() > 4 * end {
            self.bytes.truncate(end);
            self.bytes.shrink_to_fit();
        }
        let read = from.read(&mut self.bytes[self.filled..end])?;
        self.filled += read;
        self.ask = match read {
            _ if read == self.ask => (2 * self.ask).min(LARGEST_READ),
            _ if read < self.ask / 4 => (self.ask / 2).max(SMALLEST_READ),
            _ => self.ask,
        };
        Ok(read)
    }

    /// Returns the bytes that are still needed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// Returns the memory that the current rate of messages needs, in bytes.
    pub(super) fn most(&self) -> usize {
        4 * self.ask
    }

    /// Drops the front, which is not needed.
    pub(super) fn skip(&mut self, front: usize) {
        self.bytes.copy_within(front..self.filled, 0);
        self.filled -= front;
    }

    /// Moves the front to `to`, and drops what was there.
    pub(super) fn take(&mut self, front: usize, to: &mut Vec<u8>) {
        if front < self.bytes.len() / 2 {
            // Single messages: a batch is no larger than what was received.
            to.clear();
            to.extend_from_slice(&self.bytes[..front]);
            return self.skip(front);
        }
        // A burst: the memory itself moves, because a copy costs as much as the search for lines.
        let rest = &self.bytes[front..self.filled];
        if to.len() < rest.len() {
            to.resize(rest.len(), 0);
        }
        to[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
        std::mem::swap(to, &mut self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read_once_whatever_is_taken() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let mut input = &bytes[..];
        let mut buffer = ReadBuffer::default();
        let (mut output, mut batch, mut turn) = (Vec::new(), Vec::new(), 0);
        while buffer.read(&mut input).unwrap() > 0 {
            turn += 1;
            let front = buffer.bytes().len() * (turn % 5) / 4;
            if turn % 3 == 0 {
                output.extend_from_slice(&buffer.bytes()[..front]);
                buffer.skip(front);
            } else {
                buffer.take(front, &mut batch);
                output.extend_from_slice(&batch[..front]);
            }
        }
        output.extend_from_slice(buffer.bytes());
        assert!(output == bytes);
    }

    #[test]
    fn a_burst_takes_its_memory_along_and_single_messages_have_little() {
        let mut buffer = ReadBuffer::default();
        let mut batch = Vec::new();
        for _ in 0..8 {
            let read = buffer.read(&mut io::repeat(b'x')).unwrap();
            let memory = buffer.bytes().as_ptr();
            buffer.take(read, &mut batch);
            assert_eq!(batch.as_ptr(), memory);
        }
        assert!(batch.len() >= LARGEST_READ);
        for _ in 0..8 {
            buffer.read(&mut &b"message"[..]).unwrap();
            buffer.take(7, &mut batch);
        }
        assert!(buffer.bytes.capacity() <= 4 * SMALLEST_READ);
    }
    /// Reads this number of bytes, of which there are as many as are asked for.
    fn read(buffer: &mut ReadBuffer, bytes: usize) {
        let limited = &mut io::repeat(b'x').take(bytes as u64);
        assert_eq!(buffer.read(limited).unwrap(), bytes);
    }

    #[test]
    fn the_size_of_a_read_follows_the_amount_of_data() {
        let mut buffer = ReadBuffer::default();
        assert_eq!(buffer.most(), 4 * SMALLEST_READ);
        let mut sizes = Vec::new();
        for _ in 0..6 {
            sizes.push(buffer.ask);
            let ask = buffer.ask;
            read(&mut buffer, ask);
        }
        let most = LARGEST_READ;
        assert_eq!(sizes, [2048, 4096, 8192, 16_384, most, most]);
        assert_eq!(buffer.most(), 4 * most);
        // A quarter of what was asked for is enough to ask for as much.
        for bytes in [most - 1, most / 2, most / 4] {
            read(&mut buffer, bytes);
            assert_eq!(buffer.ask, most);
        }
        for size in [most / 2, most / 4, most / 8, SMALLEST_READ, SMALLEST_READ] {
            let ask = buffer.ask;
            read(&mut buffer, ask / 4 - 1);
            assert_eq!(buffer.ask, size);
        }
    }

    #[test]
    fn memory_stays_within_the_requested_size_until_a_burst() {
        let mut buffer = ReadBuffer::default();
        for bytes in [SMALLEST_READ, 2 * SMALLEST_READ, 1] {
            read(&mut buffer, bytes);
        }
        // So many bytes are kept that the buffer grows a little with each read.
        let mut longest = buffer.bytes.capacity();
        loop {
            let end = buffer.filled + buffer.ask;
            if end >= 2 * LARGEST_READ {
                break;
            }
            longest = longest.max(end);
            read(&mut buffer, 1500);
            assert_eq!(buffer.bytes.capacity(), longest);
        }
    }

    #[test]
    fn memory_of_a_burst_is_given_back_once_a_quarter_of_it_is_enough() {
        let mut buffer = ReadBuffer::default();
        let mut sizes = Vec::new();
        while buffer.bytes.capacity() < 8 * SMALLEST_READ {
            let ask = buffer.ask;
            read(&mut buffer, ask);
        }
        buffer.skip(buffer.filled);
        for _ in 0..6 {
            read(&mut buffer, 7);
            buffer.skip(7);
            sizes.push((buffer.ask, buffer.bytes.capacity()));
        }
        let capacity = sizes[0].1;
        let last = sizes.last().unwrap().1;
        assert!(
            sizes
                .iter()
                .all(|(_, size)| [capacity, last].contains(size))
        );
        assert!(
            capacity > 4 * SMALLEST_READ && last <= 4 * SMALLEST_READ,
            "{sizes:?}"
        );
    }

    #[test]
    fn a_batch_of_few_bytes_is_a_copy_of_that_size() {
        let mut buffer = ReadBuffer::default();
        let mut batch = vec![0; 100];
        read(&mut buffer, 7);
        let memory = buffer.bytes.as_ptr();
        buffer.take(7, &mut batch);
        assert_eq!((batch.len(), batch.capacity()), (7, 100));
        assert_eq!(buffer.bytes.as_ptr(), memory);
    }
}

//! Lets a response be read although the request could not be written whole.

use std::io;

use ureq::unversioned::transport::{Buffers, NextTimeout, Transport, time};

/// The innermost layer of a connection, below TLS.
///
/// A server may respond, and close the connection or read no further, before it has read the whole
/// request. Its response then says more than the failed write. So a write that fails is noted and
/// passes for done, as do all that follow; reading returns the response, or, where none arrives,
/// the noted failure. TLS flushes what it holds before it reads, so this has to be below it.
#[derive(Debug)]
pub(super) struct EarlyResponse<T> {
    inner: T,
    state: Writing,
}

#[derive(Debug)]
enum Writing {
    Works,
    Failed(ureq::Error),
    /// Failed, and that is reported, or something arrived since.
    Over,
}

impl<T: Transport> EarlyResponse<T> {
    pub(super) fn new(inner: T) -> Self {
        EarlyResponse {
            inner,
            state: Writing::Works,
        }
    }
}

impl<T: Transport> Transport for EarlyResponse<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if !matches!(self.state, Writing::Works) {
            return Ok(());
        }
        match self.inner.transmit_output(amount, for_writing(timeout)) {
            Err(error) if leaves_a_response(&error) => {
                self.state = Writing::Failed(error);
                Ok(())
            }
            other => other,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let result = self.inner.await_input(coarse(timeout));
        if matches!(self.state, Writing::Works) {
            return result;
        }
        match (std::mem::replace(&mut self.state, Writing::Over), result) {
            (Writing::Failed(error), Ok(false) | Err(_)) => Err(error),
            (_, result) => result,
        }
    }

    fn is_open(&mut self) -> bool {
        matches!(self.state, Writing::Works) && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Returns whether a failed write leaves something to be read.
fn leaves_a_response(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(_) => true,
        ureq::Error::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
        ),
        _ => false,
    }
}

/// The maximum of the time that is kept for reading a response after a write that nobody takes; an
/// eighth of what is left otherwise.
const KEPT_FOR_READING: std::time::Duration = std::time::Duration::from_secs(2);

fn for_writing(timeout: NextTimeout) -> NextTimeout {
    let mut timeout = coarse(timeout);
    if let time::Duration::Exact(after) = timeout.after {
        timeout.after = (after - (after / 8).min(KEPT_FOR_READING)).into();
    }
    timeout
}

/// Rounds a bound up, by 1/64 at most, so that most calls of a connection have the same one: each
/// new value costs a system call.
fn coarse(mut timeout: NextTimeout) -> NextTimeout {
    if let time::Duration::Exact(after) = timeout.after {
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        // The highest power of two that is not above it, over 64.
        let step = (1_u64 << nanos.checked_ilog2().unwrap_or(0)) >> 6;
        if step > 1 {
            let rounded = nanos.div_ceil(step).saturating_mul(step);
            timeout.after = std::time::Duration::from_nanos(rounded).into();
        }
    }
    timeout
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(after: Duration) -> NextTimeout {
        NextTimeout {
            after: after.into(),
            ..NextTimeout::default()
        }
    }

    #[test]
    fn bounds_are_rounded_up_a_little_and_stay_the_same_for_a_while() {
        for millis in [1, 3, 150, 999, 30_000, 3_600_000] {
            let exact = Duration::from_millis(millis);
            let rounded = *coarse(of(exact)).after;
            assert!(rounded >= exact, "{exact:?}: {rounded:?}");
            assert!(rounded - exact <= exact / 64, "{exact:?}: {rounded:?}");
            // The next calls of the same exchange.
            let later = exact - exact / 1_000;
            let same = *coarse(of(later)).after;
            assert!(rounded - same <= rounded / 64, "{exact:?}: {same:?}");
        }
        let bounds = (0..200).map(|micros| {
            let left = Duration::from_secs(30) - Duration::from_micros(micros);
            *coarse(of(left)).after
        });
        let mut bounds: Vec<Duration> = bounds.collect();
        bounds.dedup();
        assert!(bounds.len() <= 2, "{bounds:?}");
        assert_eq!(*coarse(of(Duration::ZERO)).after, Duration::ZERO);
        assert!(coarse(NextTimeout::default()).after.is_not_happening());
    }

    #[test]
    fn a_write_leaves_time_to_read() {
        for (seconds, kept) in [(1, 0.125), (8, 1.0), (64, 2.0)] {
            let bound = of(Duration::from_secs(seconds));
            let kept_for_reading = *coarse(bound).after - *for_writing(bound).after;
            let kept = Duration::from_secs_f64(kept);
            assert!(kept_for_reading >= kept, "{kept_for_reading:?}");
            assert!(kept_for_reading <= kept + kept / 64, "{kept_for_reading:?}");
        }
    }
}

//! Reads no faster than it may.
//!
//! The hypervisor needs no call: it writes as slowly as its reader reads. QEMU measures how fast it gets rid of a live
//! dump and stops the guest when the rest fits into the pause budget at that speed. From then on the limit does not
//! hold, so that the guest waits as short a time as it can.

use std::io::{self, Read};
use std::num::NonZeroU64;
use std::time::Duration;

use memdeck_model::ByteCount;

use memdeck_clock::Clock;

/// So much of what was not used may be caught up with.
const CATCH_UP: Duration = Duration::from_millis(50);
/// Between two looks whether the limit still holds.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// One read takes what may be read in 1/100 s, within these bounds.
const READS_PER_S: u64 = 100;
const READ_BYTES: (u64, u64) = (4 << 10, 1 << 20);

/// A reader under a limit, for as long as `is_lifted` says no.
pub struct Throttled<'a, R, L> {
    inner: R,
    limit: Option<Limit>,
    clock: &'a dyn Clock,
    is_lifted: L,
}

struct Limit {
    bytes_per_s: NonZeroU64,
    /// When the bytes that were read are paid for, on the monotonic scale of the clock.
    paid_at: Duration,
}

impl<'a, R: Read, L: Fn() -> bool> Throttled<'a, R, L> {
    /// `limit` is bytes per second; without one the reader is passed through.
    pub fn new(inner: R, limit: Option<NonZeroU64>, clock: &'a dyn Clock, is_lifted: L) -> Self {
        let paid_at = clock.monotonic();
        Self { inner, limit: limit.map(|bytes_per_s| Limit { bytes_per_s, paid_at }), clock, is_lifted }
    }
}

impl<R: Read, L: Fn() -> bool> Read for Throttled<'_, R, L> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(limit) = &mut self.limit else { return self.inner.read(buffer) };
        loop {
            if (self.is_lifted)() {
                return self.inner.read(buffer);
            }
            let early = limit.paid_at.saturating_sub(self.clock.monotonic());
            if early.is_zero() {
                break;
            }
            std::thread::sleep(early.min(LOOK_INTERVAL));
        }
        let (least, most) = READ_BYTES;
        let piece = limit.bytes_per_s.get().div_ceil(READS_PER_S).clamp(least, most);
        let length = usize::try_from(piece).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(buffer.get_mut(..length).unwrap_or_default())?;
        let earliest = self.clock.monotonic().saturating_sub(CATCH_UP);
        limit.paid_at = limit
            .paid_at
            .max(earliest)
            .saturating_add(time_for(ByteCount(u64::try_from(count).unwrap_or(u64::MAX)), limit.bytes_per_s));
        Ok(count)
    }
}

/// How long so many bytes take at so many bytes per second.
pub fn time_for(bytes: ByteCount, bytes_per_s: NonZeroU64) -> Duration {
    let nanos = u128::from(bytes.0).saturating_mul(1_000_000_000) / u128::from(bytes_per_s.get());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use memdeck_model::Timestamp;

    use super::*;
    use memdeck_clock::ManualClock;

    const MIB: NonZeroU64 = NonZeroU64::new(1 << 20).unwrap();

    fn clock() -> ManualClock {
        ManualClock::starting_at(Timestamp::from_unix_micros(0).unwrap())
    }

    #[test]
    fn in_a_second_no_more_is_read_than_the_limit() {
        let clock = clock();
        // The clock goes on only while the reader waits: every look takes 5 ms.
        let looks = Cell::new(0_u32);
        let look = || {
            looks.set(looks.get() + 1);
            clock.advance(LOOK_INTERVAL);
            false
        };
        let mut reader = Throttled::new(io::repeat(1), Some(MIB), &clock, look);
        let mut read = 0;
        while clock.monotonic() < Duration::from_secs(1) {
            read += reader.read(&mut vec![0; 64 << 10]).unwrap();
        }
        // What may be caught up with, and one piece.
        assert!((900 << 10..=1100 << 10).contains(&read), "{read} bytes in {} looks", looks.get());
    }

    #[test]
    fn a_limit_that_is_lifted_lets_everything_through_at_once() {
        let clock = clock();
        let mut reader = Throttled::new(io::repeat(1), Some(MIB), &clock, || true);
        let read: usize = (0..64).map(|_| reader.read(&mut vec![0; 1 << 20]).unwrap()).sum();
        assert_eq!((read, clock.monotonic()), (64 << 20, Duration::ZERO));
    }

    #[test]
    fn without_a_limit_nothing_is_cut() {
        let clock = clock();
        let mut reader = Throttled::new(io::repeat(1), None, &clock, || false);
        assert_eq!(reader.read(&mut vec![0; 1 << 20]).unwrap(), 1 << 20);
    }

    #[test]
    fn a_limit_is_a_time_for_every_byte() {
        assert_eq!(time_for(ByteCount::from_mib(90), MIB), Duration::from_secs(90));
        assert_eq!(time_for(ByteCount(u64::MAX), NonZeroU64::MIN), Duration::from_nanos(u64::MAX));
    }
}

//! The read end of a dump's pipe, which gives up when it is told to.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Clock;

/// How often a reader that waits for bytes looks whether it should give up.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Why a dump was told to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked for it.
    Cancelled {
        /// Who.
        by: String,
    },
    /// It took longer than the time limit.
    TimeLimit,
    /// The engine is shutting down.
    Shutdown,
}

/// The switch by which a running dump is told to stop. The first reason stays.
#[derive(Clone, Debug, Default)]
pub struct StopSwitch(Arc<Mutex<Option<StopReason>>>);

impl StopSwitch {
    pub fn stop(&self, reason: StopReason) {
        self.0.lock().get_or_insert(reason);
    }

    pub fn reason(&self) -> Option<StopReason> {
        self.0.lock().clone()
    }
}

/// Reads a pipe until its end, the switch or the deadline. Giving up is an I/O error; the switch then says why.
pub struct StoppableReader<'a> {
    pipe: OwnedFd,
    switch: StopSwitch,
    clock: &'a dyn Clock,
    /// On `clock`'s monotonic scale.
    deadline: Duration,
}

impl<'a> StoppableReader<'a> {
    pub fn new(pipe: OwnedFd, switch: StopSwitch, clock: &'a dyn Clock, deadline: Duration) -> Self {
        Self { pipe, switch, clock, deadline }
    }

    fn check(&self) -> io::Result<()> {
        if self.clock.monotonic() >= self.deadline {
            self.switch.stop(StopReason::TimeLimit);
        }
        match self.switch.reason() {
            Some(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the dump was told to stop")),
            None => Ok(()),
        }
    }
}

impl Read for StoppableReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let interval = Timespec::try_from(POLL_INTERVAL).map_err(io::Error::other)?;
        loop {
            self.check()?;
            let mut waiting = [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN)];
            match poll(&mut waiting, Some(&interval)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(rustix::io::read(&self.pipe, &mut *buffer)?),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use memdeck_model::Timestamp;

    use super::*;
    use crate::ManualClock;

    fn pipe() -> (OwnedFd, std::fs::File) {
        let (read, write) = rustix::pipe::pipe().unwrap();
        (read, write.into())
    }

    #[test]
    fn bytes_pass_until_the_end() {
        let (read, mut write) = pipe();
        let clock = ManualClock::starting_at(Timestamp::from_unix_micros(0).unwrap());
        let mut reader = StoppableReader::new(read, StopSwitch::default(), &clock, Duration::from_secs(1));
        write.write_all(b"core").unwrap();
        drop(write);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"core");
    }

    #[test]
    fn the_deadline_ends_a_read_that_gets_no_bytes() {
        let (read, _silent) = pipe();
        let clock = ManualClock::starting_at(Timestamp::from_unix_micros(0).unwrap());
        let switch = StopSwitch::default();
        let mut reader = StoppableReader::new(read, switch.clone(), &clock, Duration::from_secs(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(switch.reason(), Some(StopReason::TimeLimit));
    }

    #[test]
    fn the_first_reason_to_stop_stays() {
        let switch = StopSwitch::default();
        switch.stop(StopReason::Shutdown);
        switch.stop(StopReason::TimeLimit);
        assert_eq!(switch.reason(), Some(StopReason::Shutdown));
    }
}

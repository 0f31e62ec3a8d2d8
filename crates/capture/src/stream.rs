//! The streams of a dump: the read end of its pipe, which gives up when it must, and what is stored of it.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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

/// Reads a pipe until its end, or until it is to give up. Giving up is an I/O error; who asked for it knows why.
pub struct PipeReader<G> {
    pipe: OwnedFd,
    give_up: G,
}

impl<G: Fn() -> bool> PipeReader<G> {
    /// `give_up` is asked before every read, and every 50 ms while no bytes come.
    pub fn new(pipe: OwnedFd, give_up: G) -> Self {
        Self { pipe, give_up }
    }
}

impl<G: Fn() -> bool> Read for PipeReader<G> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let interval = Timespec::try_from(POLL_INTERVAL).map_err(io::Error::other)?;
        loop {
            if (self.give_up)() {
                return Err(given_up());
            }
            let mut waiting = [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN)];
            match poll(&mut waiting, Some(&interval)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(rustix::io::read(&self.pipe, &mut *buffer)?),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn given_up() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the dump was given up")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;

    use super::*;

    fn pipe() -> (OwnedFd, std::fs::File) {
        let (read, write) = rustix::pipe::pipe().unwrap();
        (read, write.into())
    }

    #[test]
    fn bytes_pass_until_the_end() {
        let (read, mut write) = pipe();
        let mut reader = PipeReader::new(read, || false);
        write.write_all(b"core").unwrap();
        drop(write);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"core");
    }

    #[test]
    fn a_reader_that_gets_no_bytes_can_give_up() {
        let (read, _silent) = pipe();
        let asked = Cell::new(0);
        let mut reader = PipeReader::new(read, || asked.replace(asked.get() + 1) == 2);
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(asked.get(), 3, "it was asked while it waited");
    }

    #[test]
    fn the_first_reason_to_stop_stays() {
        let switch = StopSwitch::default();
        switch.stop(StopReason::Shutdown);
        switch.stop(StopReason::TimeLimit);
        assert_eq!(switch.reason(), Some(StopReason::Shutdown));
    }
}

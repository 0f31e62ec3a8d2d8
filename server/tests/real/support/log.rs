//! Whoever reads a log, and whoever does not.

use std::fs::File;
use std::io::{BufReader, Lines, Write as _};
use std::process::ChildStderr;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::PATIENCE;

/// Reads a log, because one that nobody reads would hold up whoever writes it.
pub(super) struct LogReader {
    is_paused: Receiver<()>,
    go_on: Sender<()>,
}

impl LogReader {
    /// A line that is not memdeck's.
    const PAUSE: &str = "nobody reads this log any more";

    pub(super) fn start(lines: Lines<BufReader<ChildStderr>>) -> Self {
        let (paused, is_paused) = channel();
        let (go_on, goes_on) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line == Self::PAUSE {
                    let _gone = paused.send(());
                    let _gone = goes_on.recv();
                }
            }
        });
        Self { is_paused, go_on }
    }

    /// Nothing is read any more when this returns.
    pub(super) fn pause(&self, pipe: &mut File) {
        // At once, so that no other line comes between.
        let line = format!("{}\n", Self::PAUSE);
        assert_eq!(pipe.write(line.as_bytes()).unwrap(), line.len());
        self.is_paused.recv_timeout(PATIENCE).unwrap();
    }

    /// Goes on when what is returned is dropped.
    pub(super) fn full(&self) -> FullLog {
        FullLog(self.go_on.clone())
    }
}

/// A log that takes no line.
pub struct FullLog(Sender<()>);

impl Drop for FullLog {
    fn drop(&mut self) {
        // Its thread ends with the log.
        let _gone = self.0.send(());
    }
}

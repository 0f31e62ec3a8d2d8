//! The log: lines for standard error, written by a thread of their own.
//!
//! The reader of the log may stop reading. A thread that looks after a paused guest must not wait for it, so lines are
//! queued; when the queue is full they are lost, and a line says how many.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const QUEUE_LINES: usize = 4096;
/// How long the end of the process waits for the last lines.
const END_PATIENCE: Duration = Duration::from_millis(500);

/// Writes lines without waiting.
#[derive(Clone)]
pub struct Log {
    lines: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    lost: AtomicU64,
}

static COUNTS: OnceLock<Arc<Counts>> = OnceLock::new();

impl Log {
    /// The log on standard error.
    ///
    /// # Errors
    /// Its thread cannot be started.
    pub fn start() -> io::Result<Self> {
        let log = Self::to(io::stderr())?;
        let _ = COUNTS.set(Arc::clone(&log.counts));
        Ok(log)
    }

    fn to(target: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = sync_channel(QUEUE_LINES);
        let counts = Arc::<Counts>::default();
        let log = Self { lines, counts: Arc::clone(&counts) };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&queue, &counts, target))?;
        Ok(log)
    }
}

fn write(queue: &Receiver<Vec<u8>>, counts: &Counts, mut target: impl Write) {
    // A closed standard error takes no line, and nobody would read it.
    for line in queue {
        let _ = target.write_all(&line);
        let lost = counts.lost.swap(0, Ordering::AcqRel);
        if lost > 0 {
            let _ = writeln!(target, "{lost} lines of the log were lost: nobody read them in time");
        }
        counts.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Waits for the lines that are queued, for half a second at most.
pub fn flush() {
    let Some(counts) = COUNTS.get() else { return };
    let began = Instant::now();
    while counts.waiting.load(Ordering::Acquire) > 0 && began.elapsed() < END_PATIENCE {
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.counts.waiting.fetch_add(1, Ordering::AcqRel);
        if self.lines.try_send(line.to_vec()).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
            self.counts.lost.fetch_add(1, Ordering::AcqRel);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing until it is let go.
    struct Stuck(Receiver<()>, SyncSender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_log_that_is_not_read_and_what_is_lost_is_counted() {
        let (release, released) = sync_channel(0);
        let (written, lines) = sync_channel(QUEUE_LINES * 2);
        let mut log = Log::to(Stuck(released, written)).unwrap();
        for number in 0..QUEUE_LINES + 100 {
            log.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        drop(release);
        assert_eq!(lines.recv().unwrap(), b"0\n");
        let told = String::from_utf8(lines.recv().unwrap()).unwrap();
        let lost: usize = told.split(' ').next().unwrap().parse().unwrap();
        assert!(lost >= 99, "{told}");
    }
}

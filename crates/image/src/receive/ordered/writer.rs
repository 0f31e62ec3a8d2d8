//! Writes pages to their slots on a thread of its own, so that a slow disk does not stall the stream.
//!
//! Pages are collected in batches; in a batch, neighbouring slots are one write. A page that comes again is simply
//! written again, later.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::page_file::{AlignedBuffer, PageFile};
use crate::format::page_map::{PAGE_BYTES, PAGE_BYTES_U64};
use crate::store::SpoolError;

const BATCH_PAGES: usize = 256;
/// How far the disk may be behind the stream: 8 MiB. A fuzzer makes them anew a thousand times a second.
const BATCHES: usize = if cfg!(feature = "fuzzing") { 2 } else { 8 };
/// A disk for which the stream has waited longer than this, and than a share of its own time, needs the page cache.
const PATIENCE: Duration = Duration::from_millis(50);
const PATIENCE_SHARE: u32 = 4;
/// How often a wait for the disk looks whether it shall stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// A write of fewer pages is one for the page cache: what a disk takes for it is not worth its bytes.
const PAGES_PER_WRITE: u32 = 16;

/// Pages on their way to the spool.
struct Batch {
    buffer: AlignedBuffer,
    /// Bytes of the buffer that are used.
    filled: usize,
    runs: Vec<Run>,
}

/// Pages that lie in neighbouring slots.
struct Run {
    first_slot: u32,
    pages: u32,
}

impl Batch {
    fn new() -> Self {
        let buffer = AlignedBuffer::new(BATCH_PAGES * PAGE_BYTES);
        Self { buffer, filled: 0, runs: Vec::with_capacity(BATCH_PAGES) }
    }

    fn is_full(&self) -> bool {
        self.filled >= BATCH_PAGES * PAGE_BYTES
    }

    fn push(&mut self, slot: u32, page: &[u8]) {
        let room = self.buffer.as_mut_slice().get_mut(self.filled..).unwrap_or_default();
        for (to, from) in room.chunks_mut(PAGE_BYTES).zip([page]) {
            to.copy_from_slice(from);
        }
        self.filled += PAGE_BYTES;
        match self.runs.last_mut() {
            Some(run) if run.first_slot.checked_add(run.pages) == Some(slot) => run.pages += 1,
            _ => self.runs.push(Run { first_slot: slot, pages: 1 }),
        }
    }

    fn write_to(&mut self, file: &PageFile) -> io::Result<()> {
        let mut rest = self.buffer.as_slice();
        for run in self.runs.drain(..) {
            let length = usize::try_from(run.pages).map_err(io::Error::other)?.saturating_mul(PAGE_BYTES);
            let (bytes, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            if run.pages < PAGES_PER_WRITE {
                file.write_cached(bytes, slot_offset(run.first_slot))?;
            } else {
                file.write(bytes, slot_offset(run.first_slot))?;
            }
            rest = after;
        }
        self.filled = 0;
        Ok(())
    }
}

/// Where a slot begins in the spool file.
pub(super) fn slot_offset(slot: u32) -> u64 {
    u64::from(slot).saturating_mul(PAGE_BYTES_U64)
}

/// The stream's end of the thread.
pub(crate) struct Writer<'a> {
    file: &'a PageFile,
    must_stop: &'a dyn Fn() -> bool,
    current: Batch,
    /// How many there are.
    batches: usize,
    empty: Receiver<Batch>,
    filled: SyncSender<Batch>,
    failed: Receiver<io::Error>,
    began: Instant,
    /// How long it had to wait for the disk so far.
    waited: Duration,
}

impl Writer<'_> {
    /// Takes a page that belongs to that slot.
    ///
    /// # Errors
    /// An earlier write failed, the thread ended without a reason, or `must_stop` said so while it waited.
    pub(super) fn push(&mut self, slot: u32, page: &[u8]) -> Result<(), SpoolError> {
        self.current.push(slot, page);
        if self.current.is_full() { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), SpoolError> {
        let sent = self.empty_batch()?.and_then(|empty| {
            let full = std::mem::replace(&mut self.current, empty);
            self.filled.send(full).ok()
        });
        sent.ok_or_else(|| self.failed.try_recv().map_or(SpoolError::Panicked, SpoolError::at("written")))
    }

    /// One that came back, or a new one; if there are enough of them, waits for the disk. `None` once the thread has
    /// ended.
    fn empty_batch(&mut self) -> Result<Option<Batch>, SpoolError> {
        match self.empty.try_recv() {
            Ok(batch) => Ok(Some(batch)),
            Err(TryRecvError::Empty) if self.batches < BATCHES => {
                self.batches += 1;
                Ok(Some(Batch::new()))
            }
            Err(TryRecvError::Disconnected) => Ok(None),
            Err(TryRecvError::Empty) => {
                let waits_since = Instant::now();
                let batch = self.wait_for_batch();
                self.waited = self.waited.saturating_add(waits_since.elapsed());
                if is_too_slow(self.waited, self.began.elapsed()) {
                    self.file.use_cache();
                }
                batch
            }
        }
    }

    /// A disk may hang for longer than anybody wants to wait, least of all a guest that stands still.
    fn wait_for_batch(&self) -> Result<Option<Batch>, SpoolError> {
        loop {
            match self.empty.recv_timeout(LOOK_INTERVAL) {
                Ok(batch) => return Ok(Some(batch)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if (self.must_stop)() => return Err(SpoolError::Stopped),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Waits until everything is written.
    fn finish(mut self) -> Result<(), SpoolError> {
        self.hand_over()?;
        drop((self.filled, self.empty));
        self.failed.recv().map_or(Ok(()), |error| Err(SpoolError::at("written")(error)))
    }
}

/// Whether a disk that was waited for, in so long a time of the stream, needs the page cache.
fn is_too_slow(waited: Duration, elapsed: Duration) -> bool {
    waited > PATIENCE.max(elapsed / PATIENCE_SHARE)
}

/// Runs `produce` with a writer to this file; if it succeeds, everything is written when this returns. `produce` gets
/// an error where it would have to wait for the disk and `must_stop` says so; this returns only after the disk has
/// taken what was under way.
pub(crate) fn write_pages<T, E: From<SpoolError>>(
    file: &PageFile,
    must_stop: &dyn Fn() -> bool,
    produce: impl FnOnce(&mut Writer<'_>) -> Result<T, E>,
) -> Result<T, E> {
    std::thread::scope(|scope| {
        let (free, empty) = sync_channel(BATCHES);
        let (filled, to_write) = sync_channel::<Batch>(BATCHES);
        let (failure, failed) = sync_channel(1);
        let thread = Builder::new()
            .name("spool-write".to_owned())
            .spawn_scoped(scope, move || {
                for mut batch in to_write {
                    if let Err(error) = batch.write_to(file) {
                        // Before the other channels close: who notices them closed asks here for the reason.
                        let _ = failure.send(error);
                        return;
                    }
                    // Nobody needs it any more once the stream ended.
                    let _ = free.send(batch);
                }
            })
            .map_err(SpoolError::at("written"))?;
        let (began, waited) = (Instant::now(), Duration::ZERO);
        let current = Batch::new();
        let mut writer =
            Writer { file, must_stop, current, batches: 1, empty, filled, failed, began, waited };
        let produced = produce(&mut writer);
        let written = writer.finish();
        thread.join().map_err(|_| SpoolError::Panicked)?;
        let produced = produced?;
        written?;
        Ok(produced)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;

    fn full() -> PageFile {
        PageFile::new(File::options().write(true).open("/dev/full").unwrap())
    }

    #[test]
    fn pages_lie_in_their_slots_and_the_last_one_counts() {
        let inner = tempfile::tempfile().unwrap();
        let file = PageFile::new(inner.try_clone().unwrap());
        let page = |byte: u8| vec![byte; PAGE_BYTES];
        write_pages(&file, &|| false, |writer| {
            for slot in 0..1000 {
                writer.push(slot, &page(1))?;
            }
            for slot in [3, 500, 4, 3, 999] {
                writer.push(slot, &page(u8::try_from(slot % 251).unwrap()))?;
            }
            writer.push(3, &page(77))
        })
        .unwrap();
        assert_eq!(inner.metadata().unwrap().len(), 1000 * PAGE_BYTES_U64);
        let mut read = vec![0; 1000 * PAGE_BYTES];
        inner.read_exact_at(&mut read, 0).unwrap();
        for (slot, bytes) in read.chunks(PAGE_BYTES).enumerate() {
            let expected = match slot {
                3 => 77,
                4 | 500 | 999 => u8::try_from(slot % 251).unwrap(),
                _ => 1,
            };
            assert!(bytes.iter().all(|byte| *byte == expected), "slot {slot}");
        }
    }

    #[test]
    fn a_disk_may_be_waited_for_a_little_and_for_a_share_of_a_long_time() {
        let ms = Duration::from_millis;
        assert!(!is_too_slow(ms(50), ms(60)));
        assert!(is_too_slow(ms(51), ms(60)));
        assert!(!is_too_slow(ms(500), ms(2000)));
        assert!(is_too_slow(ms(501), ms(2000)));
    }

    #[test]
    fn a_full_disk_ends_the_stream_and_is_named() {
        let full = full();
        let mut pushed = 0_u32;
        let outcome = write_pages::<(), SpoolError>(&full, &|| false, |writer| {
            loop {
                writer.push(pushed, &[1; PAGE_BYTES])?;
                pushed += 1;
            }
        });
        match outcome {
            Err(SpoolError::Failed { step, source }) => {
                assert_eq!((step, source.kind()), ("written", io::ErrorKind::StorageFull));
            }
            other => panic!("{other:?}"),
        }
        assert!(usize::try_from(pushed).unwrap() <= (BATCHES + 2) * BATCH_PAGES, "{pushed}");
    }

    #[test]
    fn a_disk_that_is_full_at_the_end_is_named_too() {
        let full = full();
        let outcome = write_pages(&full, &|| false, |writer| writer.push(0, &[1; PAGE_BYTES]));
        assert!(matches!(outcome, Err(SpoolError::Failed { .. })), "{outcome:?}");
    }
}

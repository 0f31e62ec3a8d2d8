//! Series of every guest in a file of their own: 1 s for 15 minutes, 10 s for 6 hours, 1 minute for 7 days.
//!
//! The file is bounded in bytes; when it is full, what is oldest on the level that has most of more than its share goes. A
//! thread of its own writes. Nothing here touches the catalog, and nobody who collects waits for the file.
//!
//! Samples are kept for ten seconds in memory, then written as a block ([`block`]). Longer steps are computed as time goes
//! on and written when a block of them is full; those that a crash takes are made anew from the level before. A crash
//! costs the last ten seconds at most.
//!
//! The catalog is on the same volume, and comes first: while little is free there, nothing is written.

mod block;
mod cell;
mod file;
mod guest;
mod level;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use memdeck_model::telemetry::Metric;
use memdeck_model::{ByteCount, Message, with_causes};
use rusqlite::Connection;

pub(crate) use self::block::Entity;
pub(crate) use self::cell::Cell;
use self::file::File;
use self::guest::{Due, GuestSeries};
pub(crate) use self::level::LEVELS;
use crate::Snapshot;

/// Collections that may wait to be written. Beyond, they are dropped: collecting does not wait.
const MOST_WAITING: usize = 8;

/// What stays free on the volume. The catalog's reserve for ends and deletions would be taken by series otherwise, as soon
/// as it is given up.
const LEFT_FREE: ByteCount = ByteCount::from_mib(64);
/// With less room than this the file is not opened. SQLite maps an index of its log into memory; where that has holes which a full
/// volume cannot fill, as on one with blocks of 1 KiB, the kernel ends the whole process with SIGBUS.
const OPENED_WITH: ByteCount = ByteCount(256 << 10);

/// Collections without a guest after which what is known of it is written and forgotten.
const ABSENT_ROUNDS: u64 = 120;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be created.
    #[error("cannot create or move {}", .path.display())]
    Create {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be opened.
    #[error("cannot open the store of telemetry {}", .path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// The file is damaged or not ours.
    #[error("{} is not a store of telemetry: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Others need what is left of the volume.
    #[error("less than {left_free} are free on the volume, and the catalog may need them")]
    NoRoom {
        /// What stays free.
        left_free: ByteCount,
    },
    /// Values cannot be written.
    #[error("cannot write the store of telemetry")]
    Write(#[source] rusqlite::Error),
    /// A series cannot be read.
    #[error("cannot read the store of telemetry")]
    Read(#[from] rusqlite::Error),
    /// The thread that writes cannot be started.
    #[error("no thread for the store of telemetry")]
    Thread(#[source] std::io::Error),
}

/// The store. Closed when dropped: what waits is written.
pub struct Store {
    shared: Arc<Shared>,
    work: Option<Sender<Work>>,
    writer: Option<JoinHandle<()>>,
}

enum Work {
    Append(Arc<Snapshot>),
    Settle(Sender<()>),
}

struct Shared {
    guests: Mutex<HashMap<String, GuestSeries>>,
    reader: Mutex<Connection>,
    size: AtomicU64,
    given_up: AtomicU64,
    /// The start of the oldest block of each level, `i64::MAX` if there is none.
    oldest: [AtomicI64; 3],
    last_error: Mutex<Option<Message>>,
}

impl Store {
    /// Name of the file in the state directory.
    pub const FILE_NAME: &'static str = "telemetry.db";

    /// The size that a store has unless a setting says otherwise.
    pub const DEFAULT_LIMIT: ByteCount = ByteCount::from_mib(512);

    /// Opens or creates the store at `path`, with its log at most `limit` bytes, but never less than 24 MiB.
    ///
    /// # Errors
    /// The file cannot be created or opened, or the volume is full. One that is damaged is kept aside, which is no error.
    pub fn open(path: &Path, limit: ByteCount) -> Result<Self, StoreError> {
        Self::open_leaving(LEFT_FREE, path, limit)
    }

    fn open_leaving(left_free: ByteCount, path: &Path, limit: ByteCount) -> Result<Self, StoreError> {
        look_for_room(path.parent().unwrap_or(path), OPENED_WITH)?;
        let file = File::open(path, limit.0)?;
        let shared = Arc::new(Shared {
            guests: Mutex::default(),
            reader: Mutex::new(file::open_reader(path)?),
            size: AtomicU64::new(file.size()?),
            given_up: AtomicU64::new(0),
            oldest: file.oldest()?.map(|oldest| AtomicI64::new(oldest.unwrap_or(i64::MAX))),
            last_error: Mutex::default(),
        });
        let (work, waiting) = bounded(MOST_WAITING);
        let mut writer =
            Writer { file, path: path.to_owned(), left_free, shared: Arc::clone(&shared), round: 0 };
        let thread = std::thread::Builder::new().name("telemetry-store".into());
        let thread = thread.spawn(move || writer.run(&waiting)).map_err(StoreError::Thread)?;
        Ok(Self { shared, work: Some(work), writer: Some(thread) })
    }

    /// Keeps the values of every guest that answered. Never waits: where the file is too slow they are given up, and
    /// counted.
    pub fn append(&self, snapshot: &Arc<Snapshot>) {
        let Some(work) = &self.work else { return };
        if let Err(TrySendError::Full(_)) = work.try_send(Work::Append(Arc::clone(snapshot))) {
            self.shared.given_up.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything appended so far has been taken in. For tests and measurements.
    pub fn settle(&self) {
        let (done, is_done) = bounded(0);
        if let Some(work) = &self.work
            && work.send(Work::Settle(done)).is_ok()
        {
            // It ends without an answer where the writer does.
            let _ = is_done.recv();
        }
    }

    /// Bytes in use.
    #[must_use]
    pub fn size(&self) -> ByteCount {
        ByteCount(self.shared.size.load(Ordering::Relaxed))
    }

    /// Collections that were not kept because the file was too slow.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.shared.given_up.load(Ordering::Relaxed)
    }

    /// What went wrong last, until something is written again.
    #[must_use]
    pub fn last_error(&self) -> Option<Message> {
        self.shared.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The start of what `level` holds of all guests, in milliseconds since 1970; `None` if it is empty.
    pub(crate) fn oldest(&self, level: usize) -> Option<i64> {
        let oldest = self.shared.oldest.get(level)?.load(Ordering::Relaxed);
        (oldest != i64::MAX).then_some(oldest)
    }

    /// The cells of one metric of a guest in the half-open range, in milliseconds since 1970, oldest first.
    pub(crate) fn cells(
        &self,
        level: usize,
        uuid: &str,
        (entity, metric): (&Entity, Metric),
        (from, to): (i64, i64),
    ) -> Result<Vec<(i64, Cell)>, StoreError> {
        let Some(kept) = LEVELS.get(level) else { return Ok(Vec::new()) };
        // Before the file: what is written meanwhile is seen twice rather than not at all.
        let tail =
            self.shared.guests().get(uuid).map(|guest| guest.tail(level, entity, metric)).unwrap_or_default();
        let blocks = {
            let reader = self.shared.reader.lock().unwrap_or_else(PoisonError::into_inner);
            match file::guest(&reader, uuid)? {
                Some(guest) => file::blocks(&reader, *kept, guest, from - 2 * kept.span_ms(), to)?,
                None => Vec::new(),
            }
        };
        let mut cells = Vec::new();
        for block in blocks {
            if let Ok(of_block) = block::decode(&block, entity, metric) {
                cells.extend(of_block);
            } else {
                tracing::warn!(uuid, "a block of telemetry is damaged");
            }
        }
        if let Some((first, _)) = tail.first() {
            let known: std::collections::HashSet<i64> = tail.iter().map(|(at, _)| *at).collect();
            let first = *first;
            cells.retain(|(at, _)| *at < first || !known.contains(at));
        }
        cells.extend(tail);
        cells.retain(|(at, _)| (from..to).contains(at));
        cells.sort_by_key(|(at, _)| *at);
        Ok(cells)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.work.take());
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the thread of the store of telemetry panicked");
        }
    }
}

impl Shared {
    fn guests(&self) -> MutexGuard<'_, HashMap<String, GuestSeries>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A volume that does not tell what is free is written to.
fn look_for_room(path: &Path, left_free: ByteCount) -> Result<(), StoreError> {
    let volume = rustix::fs::statvfs(path).ok();
    let free = volume.map(|volume| volume.f_bavail.saturating_mul(volume.f_frsize));
    if free.is_some_and(|free| free < left_free.0) {
        return Err(StoreError::NoRoom { left_free });
    }
    Ok(())
}

struct Writer {
    file: File,
    path: PathBuf,
    left_free: ByteCount,
    shared: Arc<Shared>,
    round: u64,
}

impl Writer {
    fn run(&mut self, work: &Receiver<Work>) {
        let mut newest = 0;
        while let Ok(work) = work.recv() {
            match work {
                Work::Append(snapshot) => {
                    newest = now_ms(&snapshot);
                    self.append(&snapshot);
                }
                // The caller may be gone.
                Work::Settle(done) => drop(done.send(())),
            }
        }
        let mut blocks = Vec::new();
        for guest in self.shared.guests().values_mut() {
            guest.blocks(Due::FirstLevel, &mut blocks);
        }
        self.write(&blocks, newest);
    }

    fn append(&mut self, snapshot: &Snapshot) {
        self.round += 1;
        self.meet_new_guests(snapshot);
        let mut blocks = Vec::new();
        let mut guests = self.shared.guests();
        for now in snapshot.guests().iter().filter(|guest| !guest.is_stale) {
            if let Some(guest) = guests.get_mut(&now.sample.uuid) {
                guest.push(now);
                guest.seen = self.round;
            }
        }
        let mut gone = Vec::new();
        for (uuid, guest) in guests.iter_mut() {
            if self.round - guest.seen > ABSENT_ROUNDS || guest.is_crowded() {
                guest.close();
                guest.blocks(Due::All, &mut blocks);
                gone.push(uuid.clone());
            } else {
                guest.blocks(Due::Full, &mut blocks);
            }
        }
        drop(guests);
        self.write(&blocks, now_ms(snapshot));
        let mut guests = self.shared.guests();
        for uuid in gone {
            guests.remove(&uuid);
        }
    }

    fn write(&mut self, blocks: &[guest::NewBlock], now_ms: i64) {
        let result =
            self.look_for_room().and_then(|()| self.file.write(blocks, now_ms).map_err(StoreError::Write));
        let is_on_disk = result.is_ok();
        let message = result.err().map(|error| Message::new(with_causes(&error)));
        for guest in self.shared.guests().values_mut() {
            guest.written(is_on_disk);
        }
        let mut last = self.shared.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        match &message {
            // Once, not with each collection.
            Some(error) if last.as_ref() != Some(error) => tracing::warn!(%error, "telemetry is not kept"),
            None if last.is_some() => tracing::info!("telemetry is kept again"),
            _ => {}
        }
        *last = message;
        drop(last);
        if let Ok(size) = self.file.size() {
            self.shared.size.store(size, Ordering::Relaxed);
        }
        if let Ok(oldest) = self.file.oldest() {
            for (known, oldest) in self.shared.oldest.iter().zip(oldest) {
                known.store(oldest.unwrap_or(i64::MAX), Ordering::Relaxed);
            }
        }
    }

    fn look_for_room(&self) -> Result<(), StoreError> {
        look_for_room(&self.path, self.left_free)
    }

    fn meet_new_guests(&mut self, snapshot: &Snapshot) {
        let new: Vec<String> = {
            let guests = self.shared.guests();
            let fresh = snapshot.guests().iter().filter(|guest| !guest.is_stale);
            fresh.map(|it| &it.sample.uuid).filter(|uuid| !guests.contains_key(*uuid)).cloned().collect()
        };
        // A guest that is not known yet is written into the file, too.
        if !new.is_empty() && self.look_for_room().is_err() {
            return;
        }
        for uuid in new {
            match self.recovered(&uuid) {
                Ok(guest) => drop(self.shared.guests().insert(uuid, guest)),
                Err(error) => tracing::warn!(%error, uuid, "telemetry of the VM is not kept"),
            }
        }
    }

    /// The end of a guest's series as it was when the last process ended.
    fn recovered(&self, uuid: &str) -> Result<GuestSeries, rusqlite::Error> {
        let id = self.file.guest(uuid)?;
        let mut guest = GuestSeries::new(id);
        // The coarsest first: it continues what is on disk, not what the finer levels are about to add to it.
        for (number, level) in LEVELS.iter().enumerate().rev() {
            let last = self.file.last_block(*level, id)?;
            let last_start = last.as_ref().map(|(start, _)| *start);
            if let Some(start) = last_start {
                guest.last_block(number, start);
            }
            let Some(finer) = number.checked_sub(1).and_then(|finer| LEVELS.get(finer)) else { continue };
            let rows = last.and_then(|(_, data)| block::decode_all(&data).ok()).map(|(_, rows)| rows);
            let from = rows.and_then(|rows| rows.iter().map(|row| row.at + level.step_ms).max());
            // Without any block all that the finer level holds is newer.
            let from = from.unwrap_or(0);
            for block in self.file.blocks(*finer, id, from - 2 * finer.span_ms(), i64::MAX / 2)? {
                if let Ok((entities, rows)) = block::decode_all(&block) {
                    guest.recover(number, &entities, &rows, from);
                }
            }
        }
        Ok(guest)
    }
}

fn now_ms(snapshot: &Snapshot) -> i64 {
    snapshot.at().map_or(0, |at| at.unix_micros().div_euclid(1000))
}

#[cfg(test)]
mod tests;

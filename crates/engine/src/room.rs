//! Room on the volume of the images, promised to the dumps that run.
//!
//! The free space of a volume says nothing of what dumps under way are still going to write. So each is promised what it
//! may need at most before its guest is touched, and keeps the promise to its end: all promises together, and a reserve,
//! fit into what is free. What a dump has written already is free no more and is promised all the same, so a new dump may
//! wait for the end of another one although there would be room; no dump runs out of room that another one took.

use std::sync::Arc;
use std::time::Duration;

use memdeck_image::{ImageStore, StoreError};
use memdeck_model::ByteCount;
use parking_lot::{Condvar, Mutex};

/// Kept free beside all that is promised.
const RESERVE: ByteCount = ByteCount::from_mib(64);

/// How often a dump that waits for room looks at the volume, and whether it shall stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// The volume that images go to.
pub trait Volume: Send + Sync {
    /// The bytes that may still be written to it.
    ///
    /// # Errors
    /// The volume does not tell.
    fn free_bytes(&self) -> Result<ByteCount, StoreError>;
}

impl Volume for ImageStore {
    fn free_bytes(&self) -> Result<ByteCount, StoreError> {
        self.free_bytes()
    }
}

/// What is promised of a volume.
pub struct Room {
    volume: Arc<dyn Volume>,
    /// Bytes.
    promised: Mutex<u64>,
    freed: Condvar,
}

/// Why a dump gets no room.
#[derive(Debug)]
pub enum NoRoom {
    /// The volume could not hold it if it were alone.
    Full { needed: ByteCount, free: ByteCount },
    /// The volume does not tell its free space.
    Unknown(StoreError),
    /// It was told to stop while it waited.
    Stopped,
}

/// Room for one dump, until dropped.
#[derive(Debug)]
pub struct Promise<'a> {
    room: &'a Room,
    bytes: u64,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("promised", &self.promised).finish_non_exhaustive()
    }
}

impl Room {
    pub fn of(volume: Arc<dyn Volume>) -> Self {
        Self { volume, promised: Mutex::default(), freed: Condvar::new() }
    }

    /// Promises room for a dump that writes at most `bytes`. Where other dumps may still need it, waits for their end;
    /// `waits` is told so, and whether the dump shall stop is asked of `must_stop`.
    pub fn promise(
        &self,
        bytes: ByteCount,
        must_stop: &dyn Fn() -> bool,
        waits: &dyn Fn(),
    ) -> Result<Promise<'_>, NoRoom> {
        let needed = ByteCount(bytes.0.saturating_add(RESERVE.0));
        let mut promised = self.promised.lock();
        let mut told = false;
        loop {
            // With the lock held, so that what a dump that ends has written is missing in the one or promised in the other.
            let free = self.volume.free_bytes().map_err(NoRoom::Unknown)?;
            if needed.0.saturating_add(*promised) <= free.0 {
                *promised = promised.saturating_add(bytes.0);
                return Ok(Promise { room: self, bytes: bytes.0 });
            }
            // Dumps that end give back no more than they were promised.
            if needed.0 > free.0.saturating_add(*promised) {
                return Err(NoRoom::Full { needed, free });
            }
            if must_stop() {
                return Err(NoRoom::Stopped);
            }
            if !std::mem::replace(&mut told, true) {
                parking_lot::MutexGuard::unlocked(&mut promised, waits);
            }
            self.freed.wait_for(&mut promised, LOOK_INTERVAL);
        }
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        let mut promised = self.room.promised.lock();
        *promised = promised.saturating_sub(self.bytes);
        self.room.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Fixed(Mutex<u64>);

    impl Volume for Fixed {
        fn free_bytes(&self) -> Result<ByteCount, StoreError> {
            Ok(ByteCount::from_mib(*self.0.lock()))
        }
    }

    /// A volume with so many MiB beside the reserve.
    fn room(free_mib: u64) -> (Room, Arc<Fixed>) {
        let volume = Arc::new(Fixed(Mutex::new(free_mib + 64)));
        (Room::of(Arc::clone(&volume) as Arc<dyn Volume>), volume)
    }

    /// What a dump is answered that does not wait.
    fn at_once(room: &Room, mib: u64) -> Result<Promise<'_>, NoRoom> {
        room.promise(ByteCount::from_mib(mib), &|| true, &|| {})
    }

    #[test]
    fn all_promises_together_and_the_reserve_fit_into_what_is_free() {
        let (room, _) = room(10);
        let _first = at_once(&room, 6).unwrap();
        assert!(matches!(at_once(&room, 5), Err(NoRoom::Stopped)), "it would have waited");
        let second = at_once(&room, 4).unwrap();
        assert!(matches!(at_once(&room, 1), Err(NoRoom::Stopped)));
        drop(second);
        at_once(&room, 1).unwrap();
    }

    #[test]
    fn what_could_never_fit_is_refused_at_once() {
        let (room, volume) = room(10);
        assert!(matches!(at_once(&room, 11), Err(NoRoom::Full { needed, free })
            if needed == ByteCount::from_mib(75) && free == ByteCount::from_mib(74)));
        // Of the 10 MiB, 4 are written: whatever becomes of that dump, 11 MiB will not be free.
        let _running = at_once(&room, 8).unwrap();
        *volume.0.lock() = 6 + 64;
        assert!(matches!(at_once(&room, 15), Err(NoRoom::Full { .. })));
        assert!(matches!(at_once(&room, 9), Err(NoRoom::Stopped)), "it would have waited");
    }

    #[test]
    fn a_dump_that_waits_goes_on_when_another_one_has_ended() {
        let (room, _) = room(10);
        let first = Cell::new(Some(at_once(&room, 6).unwrap()));
        // Told that it waits, the test lets the other one end.
        let second = room.promise(ByteCount::from_mib(6), &|| false, &|| drop(first.take())).unwrap();
        assert!(first.take().is_none(), "it has waited");
        drop(second);
    }
}

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
    /// Its free space is unknown.
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
    promises: Mutex<Promises>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Promises {
    /// Of all dumps together.
    bytes: u64,
    /// Counts promises that were made or given back.
    changes: u64,
}

impl Promises {
    fn change_to(&mut self, bytes: u64) {
        self.bytes = bytes;
        self.changes += 1;
    }
}

/// Why a dump gets no room.
#[derive(Debug)]
pub enum NoRoom {
    /// The volume could not hold it if it were alone.
    Full { needed: ByteCount, free: ByteCount },
    /// The free space of the volume is unknown.
    Unknown(StoreError),
    /// It was stopped while it waited.
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
        f.debug_struct("Room").field("promises", &self.promises).finish_non_exhaustive()
    }
}

impl Room {
    pub fn of(volume: Arc<dyn Volume>) -> Self {
        Self { volume, promises: Mutex::default(), freed: Condvar::new() }
    }

    /// Promises room for a dump that writes at most `bytes`. If other dumps may still need it, waits for their end;
    /// `waits` is called then, and `must_stop` says whether to give up.
    pub fn promise(
        &self,
        bytes: ByteCount,
        must_stop: &dyn Fn() -> bool,
        waits: &dyn Fn(),
    ) -> Result<Promise<'_>, NoRoom> {
        let needed = ByteCount(bytes.0.saturating_add(RESERVE.0));
        let mut is_reported = false;
        loop {
            let changes = self.promises.lock().changes;
            // Without the lock: a volume may hang, and dumps that end must be able to give their promise back.
            let free = self.volume.free_bytes().map_err(NoRoom::Unknown)?;
            let mut promises = self.promises.lock();
            // What a dump that ended meanwhile has written may be missing in the one and not promised in the other.
            if promises.changes != changes {
                continue;
            }
            if needed.0.saturating_add(promises.bytes) <= free.0 {
                let total = promises.bytes.saturating_add(bytes.0);
                promises.change_to(total);
                return Ok(Promise { room: self, bytes: bytes.0 });
            }
            // Dumps that end give back no more than they were promised.
            if needed.0 > free.0.saturating_add(promises.bytes) {
                return Err(NoRoom::Full { needed, free });
            }
            if must_stop() {
                return Err(NoRoom::Stopped);
            }
            if !std::mem::replace(&mut is_reported, true) {
                parking_lot::MutexGuard::unlocked(&mut promises, waits);
            }
            if promises.changes == changes {
                self.freed.wait_for(&mut promises, LOOK_INTERVAL);
            }
        }
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        let mut promises = self.room.promises.lock();
        let left = promises.bytes.saturating_sub(self.bytes);
        promises.change_to(left);
        self.room.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::mpsc::{Receiver, Sender, channel};

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

    /// A volume that answers when the test lets it.
    struct Hanging {
        asked: Mutex<Sender<()>>,
        answers: Mutex<Receiver<()>>,
    }

    impl Volume for Hanging {
        fn free_bytes(&self) -> Result<ByteCount, StoreError> {
            self.asked.lock().send(()).unwrap();
            // Once the test answers no single question any more, it answers all.
            let _closed = self.answers.lock().recv();
            Ok(ByteCount::from_mib(10 + 64))
        }
    }

    #[test]
    fn a_dump_that_ends_gives_its_room_back_while_the_volume_hangs_for_another_one() {
        let ((answer, answers), (asked, questions)) = (channel(), channel());
        let room = Room::of(Arc::new(Hanging { asked: asked.into(), answers: answers.into() }));
        answer.send(()).unwrap();
        let first = at_once(&room, 6).unwrap();
        questions.recv().unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| at_once(&room, 6).map(drop));
            questions.recv().unwrap();
            drop(first);
            drop(answer);
            assert!(second.join().unwrap().is_ok());
        });
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

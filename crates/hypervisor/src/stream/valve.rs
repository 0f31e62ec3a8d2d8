//! What ends a dump early, and why it was ended.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::HOLD_LIMIT;
use crate::DumpSigns;

/// How often an abort looks whether the pipe is still.
const SETTLE_INTERVAL: Duration = Duration::from_millis(5);
/// How long QEMU is left alone after its guest was seen to stop. The dangerous moment is over by then, and most last passes
/// are.
const LAST_PASS_PATIENCE: Duration = Duration::from_millis(100);

/// When an abort is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nothing moves, and the guest was not seen to stop.
    Still,
    /// The guest was stopped some time ago.
    Stopped,
}

/// Why the pump ended a dump before the end of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It was asked to, or the hypervisor calls the dump failed.
    GivenUp,
    /// The guest has stood still for too long.
    PauseLimit,
    /// The guest stood still, and for too long nothing came or was taken.
    NoProgress,
}

/// Ends one dump from any thread. Clones are of the same dump. Nothing here waits.
#[derive(Clone, Debug, Default)]
pub struct Valve(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    given_up: AtomicBool,
    cut: AtomicU8,
    ended: AtomicBool,
    lockstep: AtomicBool,
    /// Nanoseconds; 0 is no limit.
    pause_limit: AtomicU64,
    no_progress_limit: AtomicU64,
    hold: AtomicU8,
    pump: OnceLock<Thread>,
}

const GIVEN_UP: u8 = 1;
const PAUSE_LIMIT: u8 = 2;
const NO_PROGRESS: u8 = 3;

/// The pipe is read.
const FLOWING: u8 = 0;
/// Nothing is read until the hypervisor has heard of an abort.
const HELD: u8 = 1;
/// And nothing moves any more.
const STILL: u8 = 2;
/// The abort was answered, or came too late: the rest may come.
const RELEASED: u8 = 3;

impl Valve {
    /// Ends the dump: at once if its guest stands still for all of it; a live one is held until it was aborted, and then
    /// read to its end and forgotten.
    pub fn give_up(&self) {
        self.0.given_up.store(true, Ordering::Release);
        self.wake();
    }

    /// From now on the guest may stand still for `pause` at most, and for `no_progress` while nothing moves.
    pub fn limit(&self, pause: Duration, no_progress: Duration) {
        let nanos = |limit: Duration| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.0.no_progress_limit.store(nanos(no_progress), Ordering::Release);
        self.0.pause_limit.store(nanos(pause), Ordering::Release);
    }

    /// Reads nothing ahead of whoever reads the stream but one small piece: for tests that hold a dump at a certain byte.
    pub fn lockstep(&self) {
        self.0.lockstep.store(true, Ordering::Release);
    }

    /// Lets `abort` end a live dump without harm to its guest.
    ///
    /// QEMU 7.2 ends a guest whose migration is cancelled in the milliseconds in which the guest is being stopped for the
    /// last pass: it lets the guest run on without the disks that it has put aside, and the guest's next write is an
    /// assertion that fails (`BDRV_O_INACTIVE` in `bdrv_co_write_req_prepare`). So the pipe is held first. QEMU then
    /// either waits in the middle of a pass, where a cancellation is safe, or has stopped the guest: then it is too late,
    /// and the guest runs soonest if the short rest is read.
    ///
    /// A last pass that does not end within [`LAST_PASS_PATIENCE`] is aborted all the same.
    ///
    /// # Errors
    /// Those of `abort`. The pipe stays held for another attempt, [`HOLD_LIMIT`] at most.
    pub(crate) fn abort<E>(
        &self,
        signs: &DumpSigns,
        abort: impl FnOnce(Moment) -> Result<(), E>,
    ) -> Result<(), E> {
        self.hold();
        let is_over = || self.has_ended() || signs.has_failed() || signs.has_returned();
        let began = Instant::now();
        let is_moving = || self.is_held() && !self.is_still() && !signs.guest_is_stopped();
        while is_moving() && !is_over() && began.elapsed() < HOLD_LIMIT {
            std::thread::sleep(SETTLE_INTERVAL);
        }
        let mut moment = Moment::Still;
        if signs.guest_is_stopped() {
            self.release();
            let began = Instant::now();
            while signs.guest_is_stopped() && !is_over() && began.elapsed() < LAST_PASS_PATIENCE {
                std::thread::sleep(SETTLE_INTERVAL);
            }
            moment = Moment::Stopped;
        }
        if !is_over() {
            abort(moment)?;
        }
        self.release();
        Ok(())
    }

    pub(super) fn hold(&self) {
        let _ = self.0.hold.compare_exchange(FLOWING, HELD, Ordering::AcqRel, Ordering::Acquire);
        self.wake();
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.0.hold.load(Ordering::Acquire), HELD | STILL)
    }

    /// The pump has seen that nothing moves.
    pub(super) fn set_still(&self) {
        let _ = self.0.hold.compare_exchange(HELD, STILL, Ordering::AcqRel, Ordering::Acquire);
    }

    fn is_still(&self) -> bool {
        self.0.hold.load(Ordering::Acquire) == STILL
    }

    /// Lets the rest of the stream come, and holds it never again.
    pub(crate) fn release(&self) {
        self.0.hold.store(RELEASED, Ordering::Release);
        self.wake();
    }

    pub(super) fn is_lockstep(&self) -> bool {
        self.0.lockstep.load(Ordering::Acquire)
    }

    /// Why the dump was ended early; `None` while it was not.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        match self.0.cut.load(Ordering::Acquire) {
            GIVEN_UP => Some(Cut::GivenUp),
            PAUSE_LIMIT => Some(Cut::PauseLimit),
            NO_PROGRESS => Some(Cut::NoProgress),
            _ => None,
        }
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.0.given_up.load(Ordering::Acquire)
    }

    pub(super) fn pause_limit(&self) -> Option<Duration> {
        limit(&self.0.pause_limit)
    }

    pub(super) fn no_progress_limit(&self) -> Option<Duration> {
        limit(&self.0.no_progress_limit)
    }

    pub(super) fn set_cut(&self, cut: Cut) {
        let number = match cut {
            Cut::GivenUp => GIVEN_UP,
            Cut::PauseLimit => PAUSE_LIMIT,
            Cut::NoProgress => NO_PROGRESS,
        };
        self.0.cut.store(number, Ordering::Release);
    }

    pub(super) fn set_ended(&self) {
        self.0.ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    /// This thread is the pump.
    pub(super) fn belongs_here(&self) {
        let _ = self.0.pump.set(std::thread::current());
    }

    /// Lets a pump that waits for a free chunk look again.
    pub(super) fn wake(&self) {
        if let Some(pump) = self.0.pump.get() {
            pump.unpark();
        }
    }
}

fn limit(nanos: &AtomicU64) -> Option<Duration> {
    let nanos = nanos.load(Ordering::Acquire);
    (nanos > 0).then(|| Duration::from_nanos(nanos))
}

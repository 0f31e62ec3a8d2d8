//! Named points where a test can hold a dump, to kill, cancel or starve it there. Without the feature `failpoints` there
//! are none.
//!
//! `capture::half-read=return` holds until the dump is given up, `...=return(FILE)` at the latest until that file
//! exists. A point never asks libvirt anything: the thread that reads must not wait for it.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use memdeck_hypervisor::DumpSigns;
use memdeck_model::ByteCount;

/// How often a dump that is held looks whether it may go on.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Read beyond the half of a frozen dump, so that the half has arrived where it is stored when the reader is held.
const BEYOND_HALF: u64 = 4 << 20;
/// Read of a live dump after its guest was stopped: then QEMU has written all that it will, and libvirt has not returned,
/// because the pipes between are full of it.
const AFTER_STOP: u64 = 1 << 20;

/// Half of the memory of a live dump has come.
pub fn half_live(done: ByteCount, expected: ByteCount, give_up: &dyn Fn() -> bool) {
    let half = expected.0 > 0 && done.0.saturating_mul(2) >= expected.0;
    fail::fail_point!("capture::half-live", half, |release| wait(release.as_deref(), give_up));
    let _ = (half, give_up);
}

/// Half of the bytes of a frozen dump were read.
fn half_read(done: u64, expected: ByteCount, give_up: &dyn Fn() -> bool) {
    let half = done >= (expected.0 / 2).saturating_add(BEYOND_HALF);
    fail::fail_point!("capture::half-read", half, |release| wait(release.as_deref(), give_up));
    let _ = (half, give_up);
}

/// The end of a live dump lies in pipes, and its guest waits for libvirt.
fn live_end(since_stop: u64, give_up: &dyn Fn() -> bool) {
    let end = since_stop >= AFTER_STOP;
    fail::fail_point!("capture::live-end", end, |release| wait(release.as_deref(), give_up));
    let _ = (end, give_up);
}

#[cfg_attr(not(feature = "failpoints"), expect(dead_code, reason = "there are no named points"))]
fn wait(release: Option<&str>, give_up: &dyn Fn() -> bool) {
    while !give_up() && !release.is_some_and(|file| Path::new(file).exists()) {
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// The stream of a frozen dump, held at its half.
pub struct HeldAtHalf<R, G> {
    inner: R,
    expected: ByteCount,
    give_up: G,
    read: u64,
}

impl<R, G> HeldAtHalf<R, G> {
    pub fn new(inner: R, expected: ByteCount, give_up: G) -> Self {
        Self { inner, expected, give_up, read: 0 }
    }
}

impl<R: Read, G: Fn() -> bool> Read for HeldAtHalf<R, G> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        half_read(self.read, self.expected, &self.give_up);
        let count = self.inner.read(buffer)?;
        self.read = self.read.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

/// The stream of a live dump, held at its end.
pub struct HeldAtEnd<R, G> {
    inner: R,
    signs: DumpSigns,
    give_up: G,
    since_stop: u64,
}

impl<R, G> HeldAtEnd<R, G> {
    pub fn new(inner: R, signs: DumpSigns, give_up: G) -> Self {
        Self { inner, signs, give_up, since_stop: 0 }
    }
}

impl<R: Read, G: Fn() -> bool> Read for HeldAtEnd<R, G> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        live_end(self.since_stop, &self.give_up);
        let count = self.inner.read(buffer)?;
        if self.signs.guest_is_stopped() {
            self.since_stop = self.since_stop.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(count)
    }
}

//! Named points where a test can hold a dump, to kill, cancel or starve it there. Without the feature `failpoints` there
//! are none.
//!
//! `capture::half-read=return` holds until the dump is given up, `...=return(FILE)` at the latest until that file
//! exists. `capture::live-end=return(FILE)` lets the last pass of a live dump crawl, and holds it when that file exists: the
//! moment at which QEMU has written all of it is short. A point never asks libvirt anything: the thread that reads must not
//! wait for it.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use memdeck_hypervisor::DumpSigns;
use memdeck_model::ByteCount;

/// How often a dump that is held looks whether it may go on.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Read beyond the half of the guest's memory, so that half of the image, which is somewhat more, has been told when the
/// reader is held.
const BEYOND_HALF: u64 = 4 << 20;
/// A live dump that crawls reads so much at a time, and so often: the 2 MB that lie in pipes when QEMU has written all are
/// read within an eighth of a second.
const CRAWL_BYTES: usize = 64 << 10;
const CRAWL_INTERVAL: Duration = Duration::from_millis(4);

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

/// Whether the last pass of a live dump is to crawl. What the pump reads ahead would be more than that pass has.
pub fn crawls_at_end() -> bool {
    fail::fail_point!("capture::live-end", |_| true);
    false
}

/// How much of the last pass of a live dump may be read now.
fn live_end(is_last_pass: bool, wanted: usize, give_up: &dyn Fn() -> bool) -> usize {
    fail::fail_point!("capture::live-end", is_last_pass, |hold| crawl(hold.as_deref(), wanted, give_up));
    let _ = (is_last_pass, give_up);
    wanted
}

#[cfg_attr(not(feature = "failpoints"), expect(dead_code, reason = "there are no named points"))]
fn wait(release: Option<&str>, give_up: &dyn Fn() -> bool) {
    while !give_up() && !release.is_some_and(|file| Path::new(file).exists()) {
        std::thread::sleep(LOOK_INTERVAL);
    }
}

#[cfg_attr(not(feature = "failpoints"), expect(dead_code, reason = "there are no named points"))]
fn crawl(hold: Option<&str>, wanted: usize, give_up: &dyn Fn() -> bool) -> usize {
    std::thread::sleep(CRAWL_INTERVAL);
    while !give_up() && hold.is_some_and(|file| Path::new(file).exists()) {
        std::thread::sleep(LOOK_INTERVAL);
    }
    wanted.min(CRAWL_BYTES)
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

/// The stream of a live dump, slow in its last pass.
pub struct SlowAtEnd<R, G> {
    pub inner: R,
    pub signs: DumpSigns,
    pub give_up: G,
}

impl<R: Read, G: Fn() -> bool> Read for SlowAtEnd<R, G> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = live_end(self.signs.guest_is_stopped(), buffer.len(), &self.give_up);
        self.inner.read(buffer.get_mut(..length).unwrap_or_default())
    }
}

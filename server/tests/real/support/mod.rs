//! Processes of memdeck and what they leave on disk.

mod home;
mod log;
mod service;

use std::time::Duration;

pub use home::Home;
pub use service::Service;

/// How long anything of a small guest may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A pause budget with which one pass over a guest of the lab is enough on any machine, because all of the guest fits into
/// it: more passes over an emulated guest are not believed where QEMU is old, and where it changes its memory faster than a
/// busy machine reads it there are more. For tests that are about something else than the pause.
pub const GENEROUS_PAUSE_MS: u64 = 10_000;

/// Whether the program under test has its named points.
pub fn holds_at_points() -> bool {
    cfg!(feature = "failpoints")
}

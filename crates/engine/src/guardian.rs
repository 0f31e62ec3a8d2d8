//! The port to the guardian, which looks after guests when this process dies.

use memdeck_catalog::Intent;

/// Learns of every guest before it is touched, and when it is as it was again. If this process dies in between, the
/// guardian sees to it that a guest that ran runs.
pub trait Guardian: Send + Sync {
    /// The guest is about to be touched. When this returns, the guardian knows.
    fn watch(&self, intent: &Intent);

    /// The guest is as it was.
    fn release(&self, intent: &Intent);

    /// This process is alive: called several times a second while a dump runs. Must not wait for anything.
    fn beat(&self) {}
}

/// Nobody: after the death of this process guests wait for its next start. For tests, and where no process can be
/// started.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoGuardian;

impl Guardian for NoGuardian {
    fn watch(&self, _: &Intent) {}

    fn release(&self, _: &Intent) {}
}

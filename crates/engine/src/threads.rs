//! The engine's own threads, counted: its end waits for them, but not for ever.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::EngineError;

/// How many threads of the engine have not ended.
#[derive(Debug, Default)]
pub struct Threads {
    running: Mutex<usize>,
    ended: Condvar,
}

impl Threads {
    /// Starts a thread.
    pub fn start(
        self: &Arc<Self>,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), EngineError> {
        *self.running.lock() += 1;
        let counted = Counted(Arc::clone(self));
        let named = std::thread::Builder::new().name(name.to_owned());
        let started = named.spawn(move || {
            let _counted = counted;
            work();
        });
        started.map_err(EngineError::Thread)?;
        Ok(())
    }

    /// Waits until all have ended, at most for the time `limit`.
    pub fn wait(&self, limit: Duration) {
        self.ended.wait_while_for(&mut self.running.lock(), |running| *running > 0, limit);
    }
}

/// A thread of the engine, counted until it ends, even by a panic.
struct Counted(Arc<Threads>);

impl Drop for Counted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a thread of the engine panicked");
        }
        *self.0.running.lock() -= 1;
        self.0.ended.notify_all();
    }
}

//! The engine's own threads, counted: its end waits for them, but not for ever.

use std::sync::Arc;

use super::{EngineError, Shared};

/// Starts a thread that works on what all share, until the engine closes.
pub(crate) fn start_thread(
    name: &str,
    shared: &Arc<Shared>,
    work: impl FnOnce(&Arc<Shared>) + Send + 'static,
) -> Result<(), EngineError> {
    shared.state.lock().threads += 1;
    let counted = Counted(Arc::clone(shared));
    let named = std::thread::Builder::new().name(name.to_owned());
    named.spawn(move || work(&counted.0)).map_err(EngineError::Thread)?;
    Ok(())
}

/// A thread of the engine, counted until it ends, even by a panic.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a thread of the engine panicked");
        }
        self.0.state.lock().threads -= 1;
        self.0.changed.notify_all();
    }
}

//! Work that blocks.

/// Runs work that blocks (SQLite, libvirt, files) off the async runtime's threads.
///
/// # Panics
/// The work panicked: the panic goes on in the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels blocking work, and then nobody awaits it.
            Err(error) => panic!("blocking work was cancelled: {error}"),
        },
    }
}

//! Work that blocks.

use crate::asked::present;

/// Runs work that blocks (SQLite, libvirt, files) off the async runtime's threads.
///
/// # Panics
/// The work panicked: the panic goes on in the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // What it logs belongs to the same request, and so does what it notes in the audit.
    let span = tracing::Span::current();
    let asked = present();
    let work = move || match asked {
        None => work(),
        Some(asked) => {
            let (value, noted) = memdeck_catalog::asked_from(asked.address, work);
            if noted.is_some() {
                *asked.noted.lock() = noted;
            }
            value
        }
    };
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels blocking work, and then nobody awaits it.
            Err(error) => panic!("blocking work was cancelled: {error}"),
        },
    }
}

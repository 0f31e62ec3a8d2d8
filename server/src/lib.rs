//! memdeck: take, watch, verify and keep memory dumps of virtual machines.
//!
//! This crate is the outermost layer: configuration, subcommands, HTTP, and the wiring of adapters. What operators
//! can ask for is in [`desk`]; both faces of HTTP, the REST calls and the page's server functions, go through it.

// Where nobody reads, they panic: subcommands print through `commands::output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod catalog_care;
pub mod cli;
pub mod commands;
pub mod config;
pub mod desk;
pub mod foreign_rows;
mod guardian;
pub mod http;
pub mod images;
pub mod log;
mod node;
pub mod outbox;
mod ownership;
pub mod readiness;
pub mod remote;
mod token;

/// Runs work that blocks (SQLite, libvirt, files) off the async runtime's threads.
///
/// # Panics
/// The work panicked: the panic goes on in the caller.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels blocking work, and then nobody awaits it.
            Err(error) => panic!("blocking work was cancelled: {error}"),
        },
    }
}

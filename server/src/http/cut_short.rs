//! An answer that breaks off must not look like a whole one.
//!
//! To a client of HTTP/1.0, which is what nginx speaks to a service unless it is told otherwise, the end of the connection
//! is the end of a body that has no length: an AVML image or a list of records that was cut short would be taken for all
//! of it. Such a connection is reset instead of closed. Every client and proxy tells a reset from an end.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// Whether the answer that a connection sends was cut short; shared by the answer and the connection.
#[derive(Clone, Debug, Default)]
pub struct CutShort(Arc<AtomicBool>);

impl CutShort {
    /// The answer breaks off here.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Before `connection` is closed: lets the other end see a reset if the answer broke off.
    pub fn end(&self, connection: &impl AsFd) {
        if self.0.load(Ordering::Relaxed)
            && let Err(error) = set_socket_linger(connection, Some(Duration::ZERO))
        {
            tracing::warn!(%error, "an answer that was cut short could not be told as such");
        }
    }
}

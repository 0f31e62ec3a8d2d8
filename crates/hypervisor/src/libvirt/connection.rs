//! One connection to libvirt.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use virt::connect::Connect;

use super::failure::Failure;
use super::ffi;
use crate::Cause;

/// Seconds between two keepalive messages, and how many may stay without an answer before the connection is closed.
/// A daemon that hangs is noticed after half a minute, also in the middle of a call.
const KEEPALIVE: (i32, u32) = (5, 5);

/// An open connection; closed when dropped.
pub(super) struct Connection {
    connect: Connect,
    closed: Arc<AtomicBool>,
}

impl Connection {
    pub(super) fn open(uri: &str) -> Result<Self, Cause> {
        ffi::start_event_loop();
        if uri.contains('\0') {
            return Err("the URI contains a null character".into());
        }
        let connect = Connect::open(Some(uri)).map_err(Failure::from)?;
        let closed = Arc::new(AtomicBool::new(false));
        ffi::watch_closing(&connect, &closed);
        let (interval, count) = KEEPALIVE;
        if let Err(error) = connect.set_keep_alive(interval, count) {
            tracing::debug!(%error, "this libvirt driver has no keepalive");
        }
        Ok(Self { connect, closed })
    }

    /// Whether calls may still be answered. Asks no one.
    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire) && self.connect.is_alive().unwrap_or(false)
    }

    /// As if the daemon had gone away.
    #[cfg(test)]
    pub(super) fn lose(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl Deref for Connection {
    type Target = Connect;

    fn deref(&self) -> &Connect {
        &self.connect
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The close callback holds a reference, with which the connection would stay open.
        ffi::forget_closing(&self.connect);
        if let Err(error) = self.connect.close() {
            tracing::debug!(%error, "closing a libvirt connection");
        }
    }
}

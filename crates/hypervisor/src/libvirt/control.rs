//! The control connection: opened when first needed, opened again when it was lost, every call bounded in time.
//!
//! A call into libvirt cannot be interrupted, so each runs on a thread of its own. When its time is over the caller
//! gets an error; the thread ends when libvirt returns, at the latest when the keepalive closes the connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use super::uri::Uri;
use crate::HypervisorError;

/// Calls that may wait at the same time. While libvirtd hangs no more threads than these hang with it.
const MAX_WAITING_CALLS: usize = 16;

pub(super) struct Control {
    uri: Uri,
    timeout: Duration,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connection: Mutex<Option<Arc<Connection>>>,
    waiting: AtomicUsize,
}

impl Control {
    pub(super) fn new(uri: Uri, timeout: Duration) -> Self {
        Self { uri, timeout, shared: Arc::default() }
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Runs `work` with the connection. It runs a second time where the first found the connection lost, so it only
    /// asks, or does what may be done twice.
    pub(super) fn call<T, W>(&self, operation: &str, work: W) -> Result<T, HypervisorError>
    where
        T: Send + 'static,
        W: Fn(&Connection) -> Result<T, HypervisorError> + Send + 'static,
    {
        match self.begin(operation, work)?.recv_timeout(self.timeout) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                self.shared.forget_connection();
                Err(HypervisorError::Timeout {
                    operation: operation.to_owned(),
                    uri: self.uri.shown.clone(),
                    seconds: self.timeout.as_secs_f64(),
                })
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(self.failed(operation, "the call ended without an answer".into()))
            }
        }
    }

    /// As [`call`](Self::call), but leaves it to the caller how long to wait for the answer.
    pub(super) fn begin<T, W>(
        &self,
        operation: &str,
        work: W,
    ) -> Result<Receiver<Result<T, HypervisorError>>, HypervisorError>
    where
        T: Send + 'static,
        W: Fn(&Connection) -> Result<T, HypervisorError> + Send + 'static,
    {
        let place = Place::take(&self.shared).map_err(|waiting| self.unresponsive(waiting))?;
        let (uri, shared) = (self.uri.clone(), Arc::clone(&self.shared));
        let (answer, answers) = sync_channel(1);
        std::thread::Builder::new()
            .name("libvirt-call".into())
            .spawn(move || {
                let _place = place;
                // Nobody waits for an answer that comes too late.
                let _ = answer.send(shared.with_connection(&uri, &work));
            })
            .map_err(|error| self.failed(operation, error.into()))?;
        Ok(answers)
    }

    fn failed(&self, operation: &str, source: crate::Cause) -> HypervisorError {
        HypervisorError::Call { operation: operation.to_owned(), uri: self.uri.shown.clone(), source }
    }

    fn unresponsive(&self, waiting: usize) -> HypervisorError {
        HypervisorError::Unresponsive { uri: self.uri.shown.clone(), waiting }
    }
}

impl Drop for Control {
    /// Closing a connection asks the daemon. If that hangs nobody may hang with it, least of all the end of the
    /// process.
    fn drop(&mut self) {
        let Ok(mut slot) = self.shared.connection.try_lock() else { return };
        if let Some(connection) = slot.take() {
            let closing = std::thread::Builder::new().name("libvirt-close".into());
            if let Err(error) = closing.spawn(move || drop(connection)) {
                tracing::debug!(%error, "no thread to close a libvirt connection");
            }
        }
    }
}

impl Shared {
    fn with_connection<T>(
        &self,
        uri: &Uri,
        work: impl Fn(&Connection) -> Result<T, HypervisorError>,
    ) -> Result<T, HypervisorError> {
        let connection = self.connection(uri)?;
        match work(&connection) {
            Err(error) if !connection.is_open() => {
                tracing::debug!(%error, "asking again on a new connection");
                work(&*self.connection(uri)?)
            }
            result => result,
        }
    }

    fn connection(&self, uri: &Uri) -> Result<Arc<Connection>, HypervisorError> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Arc::clone(connection));
        }
        *slot = None;
        let opened = Connection::open(&uri.text)
            .map_err(|source| HypervisorError::Connect { uri: uri.shown.clone(), source })?;
        Ok(Arc::clone(slot.insert(Arc::new(opened))))
    }

    /// Lets the next call open a new connection: one on which a call hangs may hang the next as well.
    fn forget_connection(&self) {
        // Where the lock is taken a connection is being opened, and there is nothing to forget.
        if let Ok(mut slot) = self.connection.try_lock() {
            *slot = None;
        }
    }
}

/// One of the [`MAX_WAITING_CALLS`]; given back when dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Result<Self, usize> {
        let free = |waiting| (waiting < MAX_WAITING_CALLS).then_some(waiting + 1);
        shared.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, free)?;
        Ok(Self(Arc::clone(shared)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    fn control(timeout: Duration) -> Control {
        Control::new(Uri::new("test:///default"), timeout)
    }

    /// Lets the hanging calls go and waits until none is in libvirt any more: a process that ends meanwhile takes
    /// libvirt's memory from under them.
    fn end_hanging_calls(control: &Control, release: Sender<()>) {
        drop(release);
        while control.shared.waiting.load(Ordering::Acquire) > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_call_that_libvirt_does_not_answer_ends_with_a_sentence() {
        let control = control(Duration::ZERO);
        let (release, released) = channel::<()>();
        let released = Mutex::new(released);
        let error =
            control.call("list the VMs", move |_| Ok(released.lock().unwrap().recv().is_ok())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "test:///default did not answer within 0 s (asked to list the VMs): check libvirtd on that host"
        );
        end_hanging_calls(&control, release);
    }

    #[test]
    fn hanging_calls_do_not_pile_up() {
        let control = control(Duration::ZERO);
        let (release, released) = channel::<()>();
        let released = Arc::new(Mutex::new(released));
        for _ in 0..MAX_WAITING_CALLS {
            let released = Arc::clone(&released);
            let hangs = control.call("wait", move |_| Ok(released.lock().unwrap().recv().is_ok()));
            assert!(matches!(hangs, Err(HypervisorError::Timeout { .. })));
        }
        let refused = control.call("wait", |_| Ok(())).unwrap_err();
        assert!(
            matches!(refused, HypervisorError::Unresponsive { waiting: MAX_WAITING_CALLS, .. }),
            "{refused}"
        );
        end_hanging_calls(&control, release);
    }

    #[test]
    fn a_lost_connection_is_opened_again() {
        let control = control(Duration::from_secs(30));
        control.call("connect", |_| Ok(())).unwrap();
        let lose = control.shared.connection.lock().unwrap().clone().unwrap();
        lose.lose();
        assert!(!lose.is_open());
        assert!(control.call("ask", |connection| Ok(connection.is_open())).unwrap());
    }

    #[test]
    fn a_question_that_met_a_lost_connection_is_asked_again() {
        let control = control(Duration::from_secs(30));
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let answer = control.call("ask", move |connection| {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                connection.lose();
                return Err(HypervisorError::NotFound { vm: "any".into(), uri: "test".into() });
            }
            Ok("answer")
        });
        assert_eq!(answer.unwrap(), "answer");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

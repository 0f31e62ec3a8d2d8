//! How a running dump is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memdeck_hypervisor::Valve;
use memdeck_model::Actor;
use parking_lot::Mutex;

/// Why a dump was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked for it.
    Cancelled { by: Actor },
    /// It took longer than the time limit.
    TimeLimit,
    /// The engine is shutting down.
    Shutdown,
}

/// The switch that stops a running dump. The first reason stays.
///
/// It ends the stream of the guest's memory itself: the thread that works on that may hang on a volume.
#[derive(Clone, Debug, Default)]
pub struct StopSwitch(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    is_stopped: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    reason: Option<StopReason>,
    /// Of the stream under way, until the guest's memory has been read.
    valve: Option<Valve>,
}

impl StopSwitch {
    pub fn stop(&self, reason: StopReason) {
        let mut inner = self.0.inner.lock();
        inner.reason.get_or_insert(reason);
        self.0.is_stopped.store(true, Ordering::Release);
        if let Some(valve) = &inner.valve {
            valve.give_up();
        }
    }

    /// From now on a stop ends this stream.
    pub fn attach(&self, valve: Valve) {
        let mut inner = self.0.inner.lock();
        if inner.reason.is_some() {
            valve.give_up();
        }
        inner.valve = Some(valve);
    }

    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Acquire)
    }

    pub fn reason(&self) -> Option<StopReason> {
        self.0.inner.lock().reason.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_to_stop_stays() {
        let switch = StopSwitch::default();
        assert!(!switch.is_stopped());
        switch.stop(StopReason::Shutdown);
        switch.stop(StopReason::TimeLimit);
        assert_eq!((switch.reason(), switch.is_stopped()), (Some(StopReason::Shutdown), true));
    }
}

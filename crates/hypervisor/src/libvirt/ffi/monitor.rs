//! QEMU's own events, as libvirt passes them on: they have the time at which QEMU sent them, which libvirt's have not.
//! Listening changes nothing in the guest; only commands to its monitor would.

use std::ffi::{CStr, c_char, c_int, c_longlong, c_uint, c_void};
use std::sync::Arc;
use std::time::Duration;

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt_sys as sys;

use super::free_lifecycle;
use crate::libvirt::lifecycle::Lifecycle;

/// Which events are asked for: a regular expression, which libvirt matches ignoring case.
const STOPS_AND_RUNS: &CStr = c"^(STOP|RESUME)$";

/// A subscription to one guest's events; ends when dropped, before its connection is closed.
pub(in crate::libvirt) struct MonitorWatch<'connection> {
    connect: &'connection Connect,
    id: c_int,
}

/// Reports to `lifecycle` when QEMU stops `domain` and lets it run. Other hypervisors than QEMU have no such events.
pub(in crate::libvirt) fn watch_monitor<'connection>(
    connect: &'connection Connect,
    domain: &Domain,
    lifecycle: &Arc<Lifecycle>,
) -> Result<MonitorWatch<'connection>, Error> {
    let opaque = Arc::into_raw(Arc::clone(lifecycle)).cast_mut().cast::<c_void>();
    let flags = sys::VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX;
    // SAFETY: `on_monitor_event` and `free_lifecycle` take `opaque` for what it is; libvirt calls the latter when the
    // watch ends. The expression ends with a null character, and libvirt copies it.
    let id = unsafe {
        sys::virConnectDomainQemuMonitorEventRegister(
            connect.as_ptr(),
            domain.as_ptr(),
            STOPS_AND_RUNS.as_ptr(),
            Some(on_monitor_event),
            opaque,
            Some(free_lifecycle),
            flags,
        )
    };
    if id < 0 {
        let error = Error::last_error();
        // SAFETY: libvirt refused, so the reference is still ours.
        unsafe { free_lifecycle(opaque) };
        return Err(error);
    }
    Ok(MonitorWatch { connect, id })
}

impl Drop for MonitorWatch<'_> {
    fn drop(&mut self) {
        // SAFETY: the connection is open, and the id is the one it gave.
        unsafe { sys::virConnectDomainQemuMonitorEventDeregister(self.connect.as_ptr(), self.id) };
    }
}

unsafe extern "C" fn on_monitor_event(
    _: sys::virConnectPtr,
    _: sys::virDomainPtr,
    event: *const c_char,
    seconds: c_longlong,
    micros: c_uint,
    _: *const c_char,
    opaque: *mut c_void,
) {
    let Some(at) = since_1970(seconds, micros) else { return };
    if event.is_null() {
        return;
    }
    // SAFETY: `opaque` is what was registered, alive until `free_lifecycle` is called; the name is a string of libvirt's
    // that lives as long as this call.
    let (lifecycle, event) = unsafe { (&*opaque.cast::<Lifecycle>(), CStr::from_ptr(event)) };
    match event.to_bytes() {
        b"STOP" => lifecycle.qemu_stopped(at),
        b"RESUME" => lifecycle.qemu_runs(at),
        _ => {}
    }
}

/// `None` if QEMU had no time, for which libvirt writes -1.
fn since_1970(seconds: c_longlong, micros: c_uint) -> Option<Duration> {
    let seconds = u64::try_from(seconds).ok()?;
    Duration::from_secs(seconds).checked_add(Duration::from_micros(micros.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_qemu_does_not_know_is_none() {
        assert_eq!(since_1970(1_763_110_703, 550_273), Some(Duration::from_micros(1_763_110_703_550_273)));
        assert_eq!(since_1970(-1, 0), None);
        assert_eq!(
            since_1970(i64::MAX, u32::MAX),
            Some(Duration::new(9_223_372_036_854_780_101, 967_295_000))
        );
    }
}

//! The C calls that the `virt` crate does not wrap: event loop, lifecycle events, QEMU's events, close callback, jobs,
//! who is at the other end of a socket, the kernel's clock,
//! and a thread's own descriptors. The only unsafe code of this crate.

pub(super) mod clock;
pub(super) mod files;
pub(super) mod job;
pub(super) mod monitor;
pub(super) mod stats;

use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::domain::Domain;
use virt_sys as sys;

use super::lifecycle::Lifecycle;
use crate::GuestEnd;

/// Starts libvirt's event loop, which delivers events and answers keepalives, and stops libvirt from printing errors
/// to stderr. Connections opened earlier would not take part, so this comes before the first of them.
pub(super) fn start_event_loop() {
    static START: Once = Once::new();
    START.call_once(|| {
        virt::error::clear_error_callback();
        // SAFETY: called once, before any connection is opened and before the loop runs.
        if unsafe { sys::virEventRegisterDefaultImpl() } < 0 {
            tracing::error!(error = %virt::error::Error::last_error(), "libvirt's event loop is not available");
            return;
        }
        let spawned = std::thread::Builder::new().name("libvirt-events".into()).spawn(|| {
            loop {
                // SAFETY: the loop was registered above, and only this thread runs it.
                if unsafe { sys::virEventRunDefaultImpl() } < 0 {
                    tracing::error!(error = %virt::error::Error::last_error(), "libvirt's event loop failed");
                    // It fails when poll(2) does; without this pause it would keep a core busy.
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "libvirt's event loop has no thread");
        }
    });
}

/// Sets `closed` when `connect` is lost. libvirt keeps the connection until [`forget_closing`] is called.
pub(super) fn watch_closing(connect: &Connect, closed: &Arc<AtomicBool>) {
    let opaque = Arc::into_raw(Arc::clone(closed)).cast_mut().cast::<c_void>();
    // SAFETY: `on_close` and `free_flag` take `opaque` for what it is, a reference to an `AtomicBool` that libvirt
    // owns from here on. If the driver has no close callbacks it neither calls nor frees it: a byte is lost.
    let result = unsafe {
        sys::virConnectRegisterCloseCallback(connect.as_ptr(), Some(on_close), opaque, Some(free_flag))
    };
    if result < 0 {
        // SAFETY: libvirt refused, so the reference is still ours.
        unsafe { free_flag(opaque) };
    }
}

/// Undoes [`watch_closing`].
pub(super) fn forget_closing(connect: &Connect) {
    // SAFETY: the connection is open. Not having been registered is an error that changes nothing.
    unsafe { sys::virConnectUnregisterCloseCallback(connect.as_ptr(), Some(on_close)) };
}

unsafe extern "C" fn on_close(_: sys::virConnectPtr, reason: c_int, opaque: *mut c_void) {
    // SAFETY: `opaque` is the flag that was registered, alive until `free_flag` is called.
    let closed = unsafe { &*opaque.cast::<AtomicBool>() };
    closed.store(true, Ordering::Release);
    tracing::warn!(reason, "the connection to libvirt was lost");
}

unsafe extern "C" fn free_flag(opaque: *mut c_void) {
    // SAFETY: `opaque` came from `Arc::into_raw`, and libvirt calls this once.
    drop(unsafe { Arc::from_raw(opaque.cast::<AtomicBool>()) });
}

/// A subscription to one guest's lifecycle events; ends when dropped, before its connection is closed.
pub(super) struct LifecycleWatch<'connection> {
    connect: &'connection Connect,
    id: c_int,
}

/// Reports to `lifecycle` when `domain` stops, runs and ends.
pub(super) fn watch_lifecycle<'connection>(
    connect: &'connection Connect,
    domain: &Domain,
    lifecycle: &Arc<Lifecycle>,
) -> Result<LifecycleWatch<'connection>, virt::error::Error> {
    type OnLifecycle =
        unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
    type OnAny = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);

    let opaque = Arc::into_raw(Arc::clone(lifecycle)).cast_mut().cast::<c_void>();
    // SAFETY: libvirt takes callbacks of every kind under one type, and calls them with the arguments of the kind that
    // the event id names. `free_lifecycle` takes `opaque` for what it is; libvirt calls it when the watch ends.
    let id = unsafe {
        let callback = std::mem::transmute::<OnLifecycle, OnAny>(on_lifecycle);
        sys::virConnectDomainEventRegisterAny(
            connect.as_ptr(),
            domain.as_ptr(),
            c_int::try_from(sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE).unwrap_or_default(),
            Some(callback),
            opaque,
            Some(free_lifecycle),
        )
    };
    if id < 0 {
        let error = virt::error::Error::last_error();
        // SAFETY: libvirt refused, so the reference is still ours.
        unsafe { free_lifecycle(opaque) };
        return Err(error);
    }
    Ok(LifecycleWatch { connect, id })
}

impl Drop for LifecycleWatch<'_> {
    fn drop(&mut self) {
        // SAFETY: the connection is open, and the id is the one it gave.
        unsafe { sys::virConnectDomainEventDeregisterAny(self.connect.as_ptr(), self.id) };
    }
}

unsafe extern "C" fn on_lifecycle(
    _: sys::virConnectPtr,
    _: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    let now = Instant::now();
    // SAFETY: `opaque` is what was registered, alive until `free_lifecycle` is called.
    let lifecycle = unsafe { &*opaque.cast::<Lifecycle>() };
    match sys::virDomainEventType::try_from(event) {
        Ok(sys::VIR_DOMAIN_EVENT_SUSPENDED) => lifecycle.stopped(now),
        Ok(sys::VIR_DOMAIN_EVENT_RESUMED) => lifecycle.runs(now),
        Ok(sys::VIR_DOMAIN_EVENT_STOPPED) => lifecycle.ended(how_it_ended(detail)),
        _ => {}
    }
    0
}

fn how_it_ended(detail: c_int) -> GuestEnd {
    match sys::virDomainEventStoppedDetailType::try_from(detail) {
        Ok(sys::VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN) => GuestEnd::ShutDown,
        Ok(sys::VIR_DOMAIN_EVENT_STOPPED_DESTROYED) => GuestEnd::Destroyed,
        Ok(sys::VIR_DOMAIN_EVENT_STOPPED_CRASHED) => GuestEnd::Crashed,
        Ok(sys::VIR_DOMAIN_EVENT_STOPPED_MIGRATED) => GuestEnd::MigratedAway,
        _ => GuestEnd::Unknown,
    }
}

unsafe extern "C" fn free_lifecycle(opaque: *mut c_void) {
    // SAFETY: `opaque` came from `Arc::into_raw`, and libvirt calls this once.
    drop(unsafe { Arc::from_raw(opaque.cast::<Lifecycle>()) });
}

/// The process id, in our namespace, of who listens at the other end; 0 if it has none in our namespace.
///
/// rustix has this call, but its type for process ids cannot hold that 0.
pub(super) fn peer_pid(socket: &UnixStream) -> std::io::Result<i32> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = libc::socklen_t::try_from(size_of::<libc::ucred>()).map_err(std::io::Error::other)?;
    // SAFETY: the socket is open, and the kernel writes at most `size` bytes, a whole `ucred`, into `peer`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            ptr::from_mut(&mut peer).cast(),
            ptr::from_mut(&mut size),
        )
    };
    if result == 0 { Ok(peer.pid) } else { Err(std::io::Error::last_os_error()) }
}

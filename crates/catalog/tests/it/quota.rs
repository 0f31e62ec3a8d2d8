//! A volume of whose room this user may take no more (EDQUOT): it is as full as one without room.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_model::JobState;
use rusqlite::ffi;

use crate::support::*;

thread_local! {
    /// How many writes of this thread the quota refuses.
    static REFUSED: Cell<u32> = const { Cell::new(0) };
}

/// Whether the quota refuses this write.
fn is_refused() -> bool {
    let left = REFUSED.get();
    REFUSED.set(left.saturating_sub(1));
    if left > 0 {
        // SAFETY: errno of this thread is there for as long as the thread.
        unsafe { *libc::__errno_location() = libc::EDQUOT };
    }
    left > 0
}

unsafe extern "C" fn write(file: c_int, bytes: *const c_void, count: libc::size_t) -> libc::ssize_t {
    // SAFETY: as SQLite calls it.
    if is_refused() { -1 } else { unsafe { libc::write(file, bytes, count) } }
}

unsafe extern "C" fn pwrite(
    file: c_int,
    bytes: *const c_void,
    count: libc::size_t,
    offset: libc::off_t,
) -> libc::ssize_t {
    // SAFETY: as SQLite calls it.
    if is_refused() { -1 } else { unsafe { libc::pwrite(file, bytes, count, offset) } }
}

/// Root may exceed every quota, so none can be set that this process meets: SQLite is told to write by way of us, with
/// whichever call it was built for.
fn write_by_quota() {
    type Call = unsafe extern "C" fn();
    let write: unsafe extern "C" fn(c_int, *const c_void, libc::size_t) -> libc::ssize_t = write;
    let pwrite: unsafe extern "C" fn(c_int, *const c_void, libc::size_t, libc::off_t) -> libc::ssize_t =
        pwrite;
    for (name, call) in
        [(c"write", write as *const ()), (c"pwrite", pwrite as *const ()), (c"pwrite64", pwrite as *const ())]
    {
        // SAFETY: the list of file systems is never empty, and each call is called as what it is.
        let replaced = unsafe {
            let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
            let call = std::mem::transmute::<*const (), Call>(call);
            (*vfs).xSetSystemCall.unwrap()(vfs, name.as_ptr(), Some(call))
        };
        assert_eq!(replaced, ffi::SQLITE_OK);
    }
}

fn for_ever() {
    REFUSED.set(u32::MAX);
}

#[test]
fn a_quota_that_is_used_up_is_a_full_volume_and_an_end_is_recorded_in_the_reserve() {
    write_by_quota();
    let test = TestCatalog::new();
    test.catalog.renew_reserve().unwrap();
    test.ask("d1", "web-01");

    for_ever();
    let refused = test.catalog.enqueue(new_job("d2", "db-01")).unwrap_err();
    assert!(matches!(refused, CatalogError::NoRoom), "{refused:?}");
    assert_eq!(Catalog::back_up(test.dir.path(), second(2)).unwrap(), None, "no backup for want of room");
    assert_eq!(std::fs::read_dir(test.dir.path().join("backups")).unwrap().count(), 0);

    // Each step of the reserve makes room.
    REFUSED.set(1);
    test.catalog.start_next(2, second(2)).unwrap_err();
    test.catalog.start_next(2, second(2)).unwrap();
    REFUSED.set(1);
    test.catalog.complete(&id("d1"), second(3), "Dump completed", &record("d1", "web-01", 2)).unwrap();
    assert_eq!(test.catalog.job(&id("d1")).unwrap().unwrap().state, JobState::Completed);
    let reserve = test.dir.path().join("reserve").metadata().unwrap().len();
    assert_eq!(reserve, 7 << 20, "it was shortened by one step");
}

#[test]
fn an_io_error_that_is_no_lack_of_room_stays_one() {
    let error = CatalogError::Open { path: "x".into(), source: io::Error::from_raw_os_error(libc::EIO) };
    assert!(!error.is_full());
    let error = CatalogError::Open { path: "x".into(), source: io::Error::from_raw_os_error(libc::EDQUOT) };
    assert!(error.is_full());
}

#[test]
fn a_catalog_that_cannot_be_begun_for_a_quota_waits_for_room() {
    write_by_quota();
    let dir = tempfile::tempdir().unwrap();
    for_ever();
    let refused = Catalog::open(dir.path()).unwrap_err();
    assert!(refused.is_full(), "{refused:?}");
    REFUSED.set(0);
    Catalog::open(dir.path()).unwrap();
}

//! The calls about a guest's job: its statistics, its end on request, and how long it may stop the guest.
//!
//! The `virt` crate wraps the statistics as well, but makes a `Vec` of memory that libvirt has allocated, which is
//! undefined if there is none: the usual answer for a guest without a job.

use std::ffi::{CStr, c_int, c_uint, c_ulonglong};
use std::ptr;
use std::time::Duration;

use memdeck_model::ByteCount;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};
use virt_sys as sys;

/// Which job is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::libvirt) enum Job {
    /// The one under way.
    Present,
    /// The last one that succeeded. It stays on record for others.
    Completed,
}

/// What libvirt knows of a job, as far as its driver reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::libvirt) struct JobStats {
    /// What it does, in the words of `virsh domjobinfo`.
    pub(in crate::libvirt) operation: Option<&'static str>,
    pub(in crate::libvirt) elapsed: Option<Duration>,
    /// Of a job under way the expected one, of a completed job the real one.
    pub(in crate::libvirt) downtime: Option<Duration>,
    pub(in crate::libvirt) iteration: Option<u64>,
    /// `None` also if libvirt says 0, its word for a rate that was not measured yet.
    pub(in crate::libvirt) dirty_rate_per_s: Option<ByteCount>,
    pub(in crate::libvirt) memory_rate_per_s: Option<ByteCount>,
    pub(in crate::libvirt) data_processed: Option<ByteCount>,
    pub(in crate::libvirt) data_remaining: Option<ByteCount>,
}

/// The statistics of a guest's job; `None` if there is no such job.
pub(in crate::libvirt) fn job_stats(domain: &Domain, job: Job) -> Result<Option<JobStats>, Error> {
    let flags = match job {
        Job::Present => 0,
        Job::Completed => sys::VIR_DOMAIN_JOB_STATS_COMPLETED | sys::VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED,
    };
    let mut kind: c_int = 0;
    let mut params = TypedParams { list: ptr::null_mut(), count: 0 };
    // SAFETY: the domain is alive, and libvirt fills in a list that `TypedParams` frees.
    let result = unsafe {
        sys::virDomainGetJobStats(
            domain.as_ptr(),
            &raw mut kind,
            &raw mut params.list,
            &raw mut params.count,
            flags,
        )
    };
    if result < 0 {
        let error = Error::last_error();
        // A driver without jobs has none under way.
        return if error.code() == ErrorNumber::NoSupport { Ok(None) } else { Err(error) };
    }
    if c_uint::try_from(kind) == Ok(sys::VIR_DOMAIN_JOB_NONE) {
        return Ok(None);
    }
    let millis = |name| params.u64(name).map(Duration::from_millis);
    let bytes = |name| params.u64(name).map(ByteCount);
    let page_bytes = params.u64(sys::VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE);
    let dirty_pages = params.u64(sys::VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE).filter(|pages| *pages > 0);
    Ok(Some(JobStats {
        operation: params
            .i32(sys::VIR_DOMAIN_JOB_OPERATION)
            .and_then(|number| c_uint::try_from(number).ok())
            .and_then(operation),
        elapsed: millis(sys::VIR_DOMAIN_JOB_TIME_ELAPSED),
        downtime: millis(sys::VIR_DOMAIN_JOB_DOWNTIME),
        iteration: params.u64(sys::VIR_DOMAIN_JOB_MEMORY_ITERATION),
        dirty_rate_per_s: dirty_pages
            .zip(page_bytes)
            .map(|(pages, size)| ByteCount(pages.saturating_mul(size))),
        memory_rate_per_s: bytes(sys::VIR_DOMAIN_JOB_MEMORY_BPS).filter(|rate| rate.0 > 0),
        data_processed: bytes(sys::VIR_DOMAIN_JOB_DATA_PROCESSED),
        data_remaining: bytes(sys::VIR_DOMAIN_JOB_DATA_REMAINING),
    }))
}

/// The operation of a dump.
pub(in crate::libvirt) const DUMP: &str = "dump";

fn operation(number: c_uint) -> Option<&'static str> {
    match number {
        sys::VIR_DOMAIN_JOB_OPERATION_START => Some("start"),
        sys::VIR_DOMAIN_JOB_OPERATION_SAVE => Some("save"),
        sys::VIR_DOMAIN_JOB_OPERATION_RESTORE => Some("restore"),
        sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN => Some("incoming migration"),
        sys::VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT => Some("outgoing migration"),
        sys::VIR_DOMAIN_JOB_OPERATION_SNAPSHOT => Some("snapshot"),
        sys::VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT => Some("snapshot revert"),
        sys::VIR_DOMAIN_JOB_OPERATION_DUMP => Some(DUMP),
        sys::VIR_DOMAIN_JOB_OPERATION_BACKUP => Some("backup"),
        _ => None,
    }
}

/// A list that libvirt has allocated; freed when dropped.
struct TypedParams {
    list: sys::virTypedParameterPtr,
    count: c_int,
}

impl TypedParams {
    fn u64(&self, name: &CStr) -> Option<u64> {
        let mut value: c_ulonglong = 0;
        // SAFETY: the list has `count` entries, and the name ends with a null character.
        let found =
            unsafe { sys::virTypedParamsGetULLong(self.list, self.count, name.as_ptr(), &raw mut value) };
        (found == 1).then_some(value)
    }

    fn i32(&self, name: &CStr) -> Option<c_int> {
        let mut value: c_int = 0;
        // SAFETY: as above.
        let found =
            unsafe { sys::virTypedParamsGetInt(self.list, self.count, name.as_ptr(), &raw mut value) };
        (found == 1).then_some(value)
    }
}

impl Drop for TypedParams {
    fn drop(&mut self) {
        // SAFETY: libvirt allocated the list, or it is null, which libvirt ignores.
        unsafe { sys::virTypedParamsFree(self.list, self.count) };
    }
}

/// Asks libvirt to give up the guest's job. The job's own call then fails.
pub(in crate::libvirt) fn abort_job(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the domain is alive.
    done(unsafe { sys::virDomainAbortJob(domain.as_ptr()) })
}

/// How long the guest may be stopped at the end of a migration, in milliseconds. The guest keeps the value.
pub(in crate::libvirt) fn max_downtime_ms(domain: &Domain) -> Result<u64, Error> {
    let mut downtime_ms: c_ulonglong = 0;
    // SAFETY: the domain is alive, and libvirt writes one number.
    done(unsafe { sys::virDomainMigrateGetMaxDowntime(domain.as_ptr(), &raw mut downtime_ms, 0) })?;
    Ok(downtime_ms)
}

pub(in crate::libvirt) fn set_max_downtime_ms(domain: &Domain, downtime_ms: u64) -> Result<(), Error> {
    // SAFETY: the domain is alive.
    done(unsafe { sys::virDomainMigrateSetMaxDowntime(domain.as_ptr(), downtime_ms, 0) })
}

fn done(result: c_int) -> Result<(), Error> {
    if result < 0 { Err(Error::last_error()) } else { Ok(()) }
}

//! Domains as guests.

use memdeck_model::{ByteCount, Guest, GuestName, GuestState, HostClock, VmRef};
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt_sys as sys;

use super::failure::is_no_domain;
use super::ffi::job::{self, Job, JobStats};
use crate::Host;

/// All guests by name. One that vanishes while they are asked one by one is left out.
pub(super) fn list(connect: &Connect) -> Result<Vec<Guest>, Error> {
    let mut guests = Vec::new();
    for domain in connect.list_all_domains(0)? {
        match describe(&domain) {
            Ok(guest) => guests.push(guest),
            Err(error) if is_no_domain(&error) => {}
            Err(error) => return Err(error),
        }
    }
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(guests)
}

pub(super) fn describe(domain: &Domain) -> Result<Guest, Error> {
    let info = domain.get_info()?;
    Ok(Guest {
        host: None,
        id: domain.get_id(),
        name: GuestName(domain.get_name()?),
        uuid: domain.get_uuid_string()?,
        state: state(info.state),
        vcpus: info.nr_virt_cpu,
        memory_max: ByteCount::from_kib(info.max_mem),
        memory: ByteCount::from_kib(info.memory),
        cpu_time_ns: info.cpu_time,
    })
}

/// A guest, and the job that had it before or after it was described.
pub(super) fn at_rest(domain: &Domain) -> Result<(Guest, Option<JobStats>), Error> {
    if !domain.is_active()? {
        return Ok((describe(domain)?, None));
    }
    let before = job::job_stats(domain, Job::Present)?;
    let guest = describe(domain)?;
    let job = if before.is_none() { job::job_stats(domain, Job::Present)? } else { before };
    Ok((guest, job))
}

/// Whether a guest stands still for the end of its live dump. One that an operator paused does not.
pub(super) fn is_stopped_for_its_last_pass(domain: &Domain) -> Result<bool, Error> {
    let (state, reason) = domain.get_state()?;
    Ok(state == sys::VIR_DOMAIN_PAUSED && u32::try_from(reason) != Ok(sys::VIR_DOMAIN_PAUSED_USER))
}

/// The domain that `vm` names, if there is one. The order is that of [`VmRef::find_in`].
pub(super) fn find(connect: &Connect, vm: &VmRef) -> Result<Option<Domain>, Error> {
    if let Some(uuid) = vm.as_uuid()
        && let Some(domain) = find_uuid(connect, &uuid)?
    {
        return Ok(Some(domain));
    }
    // libvirt's ids are C integers; a larger number can only be a name.
    let id = vm.as_id().filter(|id| i32::try_from(*id).is_ok());
    if let Some(id) = id
        && let Some(domain) = found(Domain::lookup_by_id(connect, id))?
    {
        return Ok(Some(domain));
    }
    // A `VmRef` holds no null character, which `lookup_by_name` could not take.
    found(Domain::lookup_by_name(connect, vm.as_str()))
}

pub(super) fn find_uuid(connect: &Connect, uuid: &str) -> Result<Option<Domain>, Error> {
    match uuid::Uuid::try_parse(uuid) {
        Ok(uuid) => found(Domain::lookup_by_uuid(connect, uuid)),
        Err(_) => Ok(None),
    }
}

fn found(lookup: Result<Domain, Error>) -> Result<Option<Domain>, Error> {
    match lookup {
        Ok(domain) => Ok(Some(domain)),
        Err(error) if is_no_domain(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The host as libvirt describes it, with the kind of its hypervisor but not its version.
pub(super) fn host(connect: &Connect) -> Result<Host, Error> {
    Ok(Host {
        name: connect.get_hostname()?,
        hypervisor: connect.get_type()?,
        libvirt: version(connect.get_lib_version()?),
        kernel: None,
        clock: HostClock::default(),
    })
}

/// The hypervisor's version; 0 is libvirt's word for unknown. May take many seconds.
pub(super) fn hypervisor_version(connect: &Connect) -> Option<String> {
    connect.get_hyp_version().ok().filter(|number| *number > 0).map(version)
}

/// libvirt writes versions as `major * 1000000 + minor * 1000 + release`.
fn version(number: u32) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1_000 % 1_000, number % 1_000)
}

pub(super) fn state(state: sys::virDomainState) -> GuestState {
    match state {
        sys::VIR_DOMAIN_NOSTATE => GuestState::NoState,
        sys::VIR_DOMAIN_RUNNING => GuestState::Running,
        sys::VIR_DOMAIN_BLOCKED => GuestState::Blocked,
        sys::VIR_DOMAIN_PAUSED => GuestState::Paused,
        sys::VIR_DOMAIN_SHUTDOWN => GuestState::Shutdown,
        sys::VIR_DOMAIN_SHUTOFF => GuestState::Shutoff,
        sys::VIR_DOMAIN_CRASHED => GuestState::Crashed,
        sys::VIR_DOMAIN_PMSUSPENDED => GuestState::Suspended,
        _ => GuestState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_their_projects_write_them() {
        assert_eq!([version(7_002_022), version(9_000_000)], ["7.2.22", "9.0.0"]);
    }
}

//! For drivers without the call for all guests: each guest is asked by itself, and each of its devices.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use memdeck_model::telemetry::{
    BalloonStats, DeviceCounters, DeviceKind, DeviceStats, DiskCounters, NicCounters, VmTotals,
};
use memdeck_model::{Guest, GuestState};
use virt::domain::{Domain, MemoryStat};
use virt::error::Error;
use virt_sys as sys;

use super::super::control::Control;
use super::super::{failed, guests};
use crate::{Collection, GuestSample, HypervisorError};

/// How long a guest that did not answer is not asked again.
const REST: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct PerGuest {
    known: Mutex<HashMap<String, Known>>,
}

/// What is remembered of a guest.
#[derive(Default)]
struct Known {
    devices: Option<CachedDevices>,
    /// It did not answer then.
    hung: Option<Instant>,
}

#[derive(Clone)]
struct CachedDevices {
    read: Instant,
    /// A guest that was started anew may have other devices.
    id: Option<u32>,
    list: Vec<(DeviceKind, String)>,
}

impl PerGuest {
    pub(super) fn collect(&self, control: &Control, ttl: Duration) -> Result<Collection, HypervisorError> {
        let uri = control.uri().shown.clone();
        let operation = "list the VMs";
        let guests = control.call(operation, move |connection| {
            guests::list(connection).map_err(|error| failed(operation, &uri, error))
        })?;
        let mut collection = Collection::default();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|uuid, _| guests.iter().any(|guest| guest.uuid == *uuid));
        for guest in guests {
            let known = known.entry(guest.uuid.clone()).or_default();
            if known.hung.is_some_and(|at| at.elapsed() < REST) {
                collection.unanswered.push(guest.uuid);
                continue;
            }
            let fresh = known.devices.take().filter(|it| it.id == guest.id && it.read.elapsed() < ttl);
            match ask(control, &guest, fresh) {
                Ok((sample, devices)) => {
                    *known = Known { devices, hung: None };
                    collection.guests.push(sample);
                }
                Err(HypervisorError::NotFound { .. }) => {}
                Err(error) => {
                    if matches!(error, HypervisorError::Timeout { .. } | HypervisorError::Unresponsive { .. })
                    {
                        known.hung = Some(Instant::now());
                    }
                    tracing::debug!(%error, vm = %guest.name, "no statistics");
                    collection.unanswered.push(guest.uuid);
                }
            }
        }
        Ok(collection)
    }
}

fn ask(
    control: &Control,
    guest: &Guest,
    devices: Option<CachedDevices>,
) -> Result<(GuestSample, Option<CachedDevices>), HypervisorError> {
    let (guest, uri) = (guest.clone(), control.uri().shown.clone());
    let operation = format!("give the statistics of VM '{}'", guest.name);
    let what = operation.clone();
    control.call(&operation, move |connection| {
        let failed = |error| failed(&what, &uri, error);
        let not_found = || HypervisorError::NotFound { vm: guest.name.0.clone(), uri: uri.clone() };
        let domain = guests::find_uuid(connection, &guest.uuid).map_err(failed)?.ok_or_else(not_found)?;
        let devices = match &devices {
            Some(known) => Some(known.clone()),
            None if guest.id.is_some() => Some(read_devices(&domain, guest.id).map_err(failed)?),
            None => None,
        };
        let sample = sample(&domain, devices.as_ref()).map_err(failed)?;
        Ok((sample, devices))
    })
}

fn sample(domain: &Domain, devices: Option<&CachedDevices>) -> Result<GuestSample, Error> {
    let started = Instant::now();
    let guest = guests::describe(domain)?;
    let mut totals = VmTotals {
        state: Some(u64::from(guest.state == GuestState::Running)),
        cpus: Some(guest.vcpus.into()),
        memactual: Some(guest.memory.0 / 1024),
        ..VmTotals::default()
    };
    let mut devices_seen = Vec::new();
    if guest.id.is_some() {
        totals.cputime = Some(guest.cpu_time_ns);
        // What a driver does not have is missing.
        for stat in domain.memory_stats(0).unwrap_or_default() {
            take_memory(&mut totals, &stat);
        }
        for (kind, name) in devices.iter().flat_map(|devices| &devices.list) {
            let counters = match kind {
                DeviceKind::Nic => domain.interface_stats(name).map(|stats| DeviceCounters::Nic(nic(&stats))),
                DeviceKind::Disk => {
                    domain.get_block_stats(name).map(|stats| DeviceCounters::Disk(disk(&stats)))
                }
            };
            if let Ok(counters) = counters {
                devices_seen.push(DeviceStats { device: name.clone(), counters });
            }
        }
    }
    let is_silent = totals.memavailable.or(totals.memusable).or(totals.memswap_in).is_none();
    let has_none = |kind| devices.is_some_and(|known| known.list.iter().all(|(other, _)| *other != kind));
    let mut sample = GuestSample {
        uuid: guest.uuid,
        name: guest.name,
        id: guest.id,
        state: guest.state,
        started_at: None,
        memory_max_kib: Some(guest.memory_max.0 / 1024),
        taken: started + started.elapsed() / 2,
        partial: false,
        balloon: if is_silent { BalloonStats::Off } else { BalloonStats::Reported },
        totals,
        devices: devices_seen,
    };
    sample.sum_devices(has_none(DeviceKind::Nic), has_none(DeviceKind::Disk));
    Ok(sample)
}

fn take_memory(totals: &mut VmTotals, stat: &MemoryStat) {
    let value = Some(stat.val);
    match stat.tag {
        sys::VIR_DOMAIN_MEMORY_STAT_SWAP_IN => totals.memswap_in = value,
        sys::VIR_DOMAIN_MEMORY_STAT_SWAP_OUT => totals.memswap_out = value,
        sys::VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT => totals.memmajor_fault = value,
        sys::VIR_DOMAIN_MEMORY_STAT_MINOR_FAULT => totals.memminor_fault = value,
        sys::VIR_DOMAIN_MEMORY_STAT_AVAILABLE => totals.memavailable = value,
        sys::VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON => totals.memactual = value,
        sys::VIR_DOMAIN_MEMORY_STAT_RSS => totals.memrss = value,
        sys::VIR_DOMAIN_MEMORY_STAT_USABLE => totals.memusable = value,
        sys::VIR_DOMAIN_MEMORY_STAT_DISK_CACHES => totals.memdisk_cache = value,
        _ => {}
    }
}

/// libvirt's word for a number that it does not know is -1.
fn known(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

fn nic(stats: &virt::domain::InterfaceStats) -> NicCounters {
    NicCounters {
        rxbytes: known(stats.rx_bytes),
        rxpackets: known(stats.rx_packets),
        rxerrors: known(stats.rx_errs),
        rxdrops: known(stats.rx_drop),
        txbytes: known(stats.tx_bytes),
        txpackets: known(stats.tx_packets),
        txerrors: known(stats.tx_errs),
        txdrops: known(stats.tx_drop),
    }
}

fn disk(stats: &virt::domain::BlockStats) -> DiskCounters {
    DiskCounters {
        rd_req: known(stats.rd_req),
        rd_bytes: known(stats.rd_bytes),
        wr_reqs: known(stats.wr_req),
        wr_bytes: known(stats.wr_bytes),
        errors: known(stats.errs),
    }
}

fn read_devices(domain: &Domain, id: Option<u32>) -> Result<CachedDevices, Error> {
    let definition = domain.get_xml_desc(0)?;
    Ok(CachedDevices { read: Instant::now(), id, list: devices_in(&definition) })
}

/// The network interfaces and disks of a definition, by the names under which libvirt counts them. One without a name is
/// not counted.
fn devices_in(definition: &str) -> Vec<(DeviceKind, String)> {
    let Ok(document) = roxmltree::Document::parse(definition) else { return Vec::new() };
    let of = |element: &'static str, kind: DeviceKind| {
        let devices = document.descendants().filter(move |node| node.has_tag_name(element));
        let devices =
            devices.filter(|node| node.parent().is_some_and(|parent| parent.has_tag_name("devices")));
        devices.filter_map(move |device| {
            let target = device.children().find(|child| child.has_tag_name("target"))?;
            Some((kind, target.attribute("dev")?.to_owned()))
        })
    };
    of("interface", DeviceKind::Nic).chain(of("disk", DeviceKind::Disk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_from_the_definition() {
        let definition = "<domain><devices><disk><target dev='vda'/></disk><interface><mac/></interface>\
             <interface><target dev='vnet7'/></interface></devices>\
             <metadata><disk><target dev='other'/></disk></metadata></domain>";
        let expected = [(DeviceKind::Nic, "vnet7".to_owned()), (DeviceKind::Disk, "vda".to_owned())];
        assert_eq!(devices_in(definition), expected);
        assert_eq!(devices_in("no definition"), []);
    }

    #[test]
    fn a_number_that_libvirt_does_not_know_is_missing() {
        let stats = virt::domain::BlockStats { rd_req: 4, rd_bytes: -1, wr_req: 0, wr_bytes: -1, errs: -1 };
        let expected = DiskCounters { rd_req: Some(4), wr_reqs: Some(0), ..DiskCounters::default() };
        assert_eq!(disk(&stats), expected);
    }
}

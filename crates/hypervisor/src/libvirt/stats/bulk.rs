//! The values of one guest out of the answer for all.

use std::time::Instant;

use memdeck_model::telemetry::{
    BalloonStats, DeviceCounters, DeviceStats, DiskCounters, Metric, NicCounters, VmTotals,
};
use memdeck_model::{GuestName, GuestState};

use super::super::ffi::stats::{StatsRecord, Value};
use super::super::guests;
use crate::GuestSample;

/// The guest of a record; `None` if it vanished and has no name any more.
pub(super) fn sample(record: &StatsRecord<'_>, taken: Instant) -> Option<GuestSample> {
    let mut values = Values::default();
    for (name, value) in record.values() {
        values.take(name, value);
    }
    Some(values.into_sample(record.uuid()?, GuestName(record.name()?), record.id(), taken))
}

/// What was read of a guest so far.
#[derive(Default)]
struct Values {
    state: Option<GuestState>,
    memory_max_kib: Option<u64>,
    totals: VmTotals,
    nics: Devices<NicCounters>,
    disks: Devices<DiskCounters>,
    /// A value that only the guest's process or its host knows while no job has it.
    has_rss: bool,
}

/// Devices as libvirt numbers them.
struct Devices<T> {
    count: Option<u64>,
    found: Vec<(Option<String>, T)>,
}

impl<T> Default for Devices<T> {
    fn default() -> Self {
        Self { count: None, found: Vec::new() }
    }
}

impl<T: Default> Devices<T> {
    /// The devices that libvirt would number higher are an error of its own.
    const MOST: usize = 4096;

    /// The device that a name without its group (`0.rx.bytes`) is about, and what of it.
    fn at<'name>(&mut self, rest: &'name str) -> Option<(&mut (Option<String>, T), &'name str)> {
        let (number, what) = rest.split_once('.')?;
        let number: usize = number.parse().ok().filter(|number| *number < Self::MOST)?;
        if self.found.len() <= number {
            self.found.resize_with(number + 1, Default::default);
        }
        Some((self.found.get_mut(number)?, what))
    }
}

impl Values {
    fn take(&mut self, name: &str, value: Value<'_>) {
        let Some((group, rest)) = name.split_once('.') else { return };
        match (group, value) {
            ("net", _) => self.take_nic(rest, value),
            ("block", _) => self.take_disk(rest, value),
            (_, Value::Number(number)) => self.take_total(name, number),
            _ => {}
        }
    }

    fn take_total(&mut self, name: &str, number: u64) {
        let metric = match name {
            "state.state" => {
                self.state = Some(u32::try_from(number).map_or(GuestState::Unknown, guests::state));
                return;
            }
            "balloon.maximum" => {
                self.memory_max_kib = Some(number);
                return;
            }
            "balloon.rss" => {
                self.has_rss = true;
                Metric::MemRss
            }
            "cpu.time" => Metric::CpuTime,
            "cpu.user" => Metric::CpuUser,
            "cpu.system" => Metric::CpuSystem,
            "vcpu.current" => Metric::Cpus,
            "balloon.current" => Metric::MemActual,
            "balloon.available" => Metric::MemAvailable,
            "balloon.usable" => Metric::MemUsable,
            "balloon.swap_in" => Metric::MemSwapIn,
            "balloon.swap_out" => Metric::MemSwapOut,
            "balloon.major_fault" => Metric::MemMajorFault,
            "balloon.minor_fault" => Metric::MemMinorFault,
            "balloon.disk_caches" => Metric::MemDiskCache,
            _ => return,
        };
        self.totals.set(metric, Some(number));
    }

    fn take_nic(&mut self, rest: &str, value: Value<'_>) {
        if let ("count", Value::Number(count)) = (rest, value) {
            self.nics.count = Some(count);
            return;
        }
        let Some(((name, nic), what)) = self.nics.at(rest) else { return };
        let metric = match (what, value) {
            ("name", Value::Text(text)) => {
                *name = Some(text.to_owned());
                return;
            }
            ("rx.bytes", _) => Metric::NicRxBytes,
            ("rx.pkts", _) => Metric::NicRxPackets,
            ("rx.errs", _) => Metric::NicRxErrors,
            ("rx.drop", _) => Metric::NicRxDrops,
            ("tx.bytes", _) => Metric::NicTxBytes,
            ("tx.pkts", _) => Metric::NicTxPackets,
            ("tx.errs", _) => Metric::NicTxErrors,
            ("tx.drop", _) => Metric::NicTxDrops,
            _ => return,
        };
        if let Value::Number(number) = value {
            nic.set(metric, Some(number));
        }
    }

    fn take_disk(&mut self, rest: &str, value: Value<'_>) {
        if let ("count", Value::Number(count)) = (rest, value) {
            self.disks.count = Some(count);
            return;
        }
        let Some(((name, disk), what)) = self.disks.at(rest) else { return };
        let metric = match (what, value) {
            ("name", Value::Text(text)) => {
                *name = Some(text.to_owned());
                return;
            }
            ("rd.reqs", _) => Metric::BlockReadReqs,
            ("rd.bytes", _) => Metric::BlockReadBytes,
            ("wr.reqs", _) => Metric::BlockWriteReqs,
            ("wr.bytes", _) => Metric::BlockWriteBytes,
            ("errors", _) => Metric::BlockErrors,
            _ => return,
        };
        if let Value::Number(number) = value {
            disk.set(metric, Some(number));
        }
    }

    fn into_sample(self, uuid: String, name: GuestName, id: Option<u32>, taken: Instant) -> GuestSample {
        let state = self.state.unwrap_or(GuestState::Unknown);
        let mut totals = self.totals;
        totals.state = Some(u64::from(state == GuestState::Running));
        // The process of a guest is asked for its resident memory only without another job.
        let partial = id.is_some() && !self.has_rss;
        let is_silent = totals.memavailable.or(totals.memusable).or(totals.memswap_in).is_none();
        let (nics_known, disks_known) = (self.nics.count == Some(0), self.disks.count == Some(0));
        let nics = named(self.nics).map(|(device, nic)| (device, DeviceCounters::Nic(nic)));
        let disks = named(self.disks).map(|(device, disk)| (device, DeviceCounters::Disk(disk)));
        let mut sample = GuestSample {
            uuid,
            name,
            id,
            state,
            started_at: None,
            memory_max_kib: self.memory_max_kib,
            taken,
            partial,
            balloon: if is_silent { BalloonStats::Off } else { BalloonStats::Reported },
            totals,
            devices: nics.chain(disks).map(|(device, counters)| DeviceStats { device, counters }).collect(),
        };
        sample.sum_devices(nics_known, disks_known);
        sample
    }
}

fn named<T>(devices: Devices<T>) -> impl Iterator<Item = (String, T)> {
    devices.found.into_iter().filter_map(|(name, device)| Some((name?, device)))
}

#[cfg(test)]
mod tests {
    use virt_sys as sys;

    use super::*;

    fn read(values: &[(&str, Value<'_>)], id: Option<u32>) -> GuestSample {
        let mut read = Values::default();
        for (name, value) in values {
            read.take(name, *value);
        }
        read.into_sample("uuid".into(), GuestName("web-01".into()), id, Instant::now())
    }

    const RUNNING: (&str, Value<'_>) = ("state.state", Value::Number(sys::VIR_DOMAIN_RUNNING as u64));

    #[test]
    fn totals_are_the_sums_over_the_devices_that_have_a_value() {
        let sample = read(
            &[
                RUNNING,
                ("balloon.rss", Value::Number(7)),
                ("net.count", Value::Number(2)),
                ("net.0.name", Value::Text("vnet0")),
                ("net.0.rx.bytes", Value::Number(10)),
                ("net.1.name", Value::Text("vnet1")),
                ("net.1.rx.bytes", Value::Number(5)),
                ("net.1.rx.drop", Value::Number(1)),
                ("block.count", Value::Number(0)),
            ],
            Some(1),
        );
        assert_eq!(sample.totals.net_rxbytes, Some(15));
        assert_eq!(sample.totals.net_rxdrops, Some(1));
        assert_eq!(sample.totals.net_txbytes, None, "no interface tells it");
        assert_eq!(sample.totals.disk_rd_bytes, Some(0), "the guest has no disk");
        assert_eq!(sample.totals.state, Some(1));
        assert!(!sample.partial);
        let names: Vec<_> = sample.devices.iter().map(|device| device.device.as_str()).collect();
        assert_eq!(names, ["vnet0", "vnet1"]);
    }

    #[test]
    fn a_guest_that_a_job_has_is_partly_known() {
        let sample = read(
            &[RUNNING, ("block.count", Value::Number(1)), ("block.0.name", Value::Text("vda"))],
            Some(1),
        );
        assert!(sample.partial);
        assert_eq!(sample.totals.disk_rd_bytes, None, "unknown, not 0");
        assert_eq!(sample.devices.len(), 1);
    }

    #[test]
    fn a_stopped_guest_is_known_as_it_is() {
        let shutoff = ("state.state", Value::Number(sys::VIR_DOMAIN_SHUTOFF.into()));
        let sample = read(&[shutoff, ("balloon.maximum", Value::Number(65536))], None);
        assert_eq!((sample.state, sample.partial), (GuestState::Shutoff, false));
        assert_eq!((sample.totals.state, sample.memory_max_kib), (Some(0), Some(65536)));
        assert_eq!(sample.totals.net_rxbytes, None);
    }

    #[test]
    fn numbers_that_no_libvirt_gives_make_no_list() {
        let sample = read(&[RUNNING, ("net.4000000000.rx.bytes", Value::Number(1))], Some(1));
        assert!(sample.devices.is_empty());
    }
}

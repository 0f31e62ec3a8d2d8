//! What is known of all guests at one moment. Never changes: readers keep it for as long as they like.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use memdeck_hypervisor::{Collection, GuestSample};
use memdeck_model::telemetry::{
    LiveDevice, LiveSample, Metric, VmTelemetry, VmTotals, change_degrees, needle_degrees,
};
use memdeck_model::{Millis, Timestamp, Vm};

use crate::rates::float;
use crate::{Change, GuestRates, Rates};

/// All guests of one hypervisor, ordered by name.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    at: Option<Timestamp>,
    guests: Vec<Arc<GuestNow>>,
}

/// The newest values of a guest.
#[derive(Clone, Debug)]
pub struct GuestNow {
    pub sample: GuestSample,
    /// How they changed.
    pub rates: GuestRates,
    /// When they were taken, by the wall clock.
    pub at: Timestamp,
    /// The guest did not answer since.
    pub is_stale: bool,
}

impl Snapshot {
    /// When the newest collection was answered; `None` before the first.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// The guests, ordered by name.
    #[must_use]
    pub fn guests(&self) -> &[Arc<GuestNow>] {
        &self.guests
    }

    /// The guest with this UUID.
    #[must_use]
    pub fn guest(&self, uuid: &str) -> Option<&Arc<GuestNow>> {
        self.guests.iter().find(|guest| guest.sample.uuid == uuid)
    }

    /// The guest that a request names: by UUID, then by id, then by name, each exactly.
    #[must_use]
    pub fn find(&self, vm: &str) -> Option<&Arc<GuestNow>> {
        let is_id = |guest: &&Arc<GuestNow>| guest.sample.id.is_some_and(|id| id.to_string() == vm);
        let guests = || self.guests.iter();
        let by_uuid = guests().find(|guest| guest.sample.uuid.eq_ignore_ascii_case(vm));
        by_uuid.or_else(|| guests().find(is_id)).or_else(|| guests().find(|guest| guest.sample.name.0 == vm))
    }

    /// The snapshot after a collection that was answered at `at`. Guests that did not answer keep their last values and
    /// are stale; those that are gone are gone.
    #[must_use]
    pub fn after(&self, collection: Collection, rates: &mut Rates, at: Timestamp) -> Self {
        let unanswered = collection.unanswered.iter().filter_map(|uuid| self.guest(uuid));
        let mut guests: Vec<_> = unanswered.map(stale).collect();
        guests.extend(collection.guests.into_iter().map(|sample| {
            let rates = rates.take(&sample);
            Arc::new(GuestNow { sample, rates, at, is_stale: false })
        }));
        guests.sort_by(|a, b| {
            a.sample.name.cmp(&b.sample.name).then_with(|| a.sample.uuid.cmp(&b.sample.uuid))
        });
        Self { at: Some(at), guests }
    }

    /// The snapshot when nobody answers.
    #[must_use]
    pub fn unanswered(&self) -> Self {
        Self { at: self.at, guests: self.guests.iter().map(stale).collect() }
    }
}

fn stale(guest: &Arc<GuestNow>) -> Arc<GuestNow> {
    if guest.is_stale {
        Arc::clone(guest)
    } else {
        Arc::new(GuestNow { is_stale: true, ..GuestNow::clone(guest) })
    }
}

impl GuestNow {
    /// How old the values are, by the monotonic clock.
    #[must_use]
    pub fn age(&self) -> Millis {
        Instant::now().saturating_duration_since(self.sample.taken).into()
    }

    /// What a page gets.
    #[must_use]
    pub fn live(&self) -> LiveSample {
        let rates = rates(VmTotals::METRICS, self.rates.totals());
        let degrees = rates.iter().map(|(metric, rate)| (*metric, needle_degrees(*rate))).collect();
        let devices = self.sample.devices.iter().enumerate();
        let devices = devices.map(|(place, stats)| LiveDevice {
            rates: self::rates(stats.metrics(), self.rates.device(place)),
            stats: stats.clone(),
        });
        LiveSample {
            host: None,
            uuid: self.sample.uuid.clone(),
            name: self.sample.name.clone(),
            id: self.sample.id.map_or(-1, i64::from),
            state: self.sample.state,
            started_at: self.sample.started_at,
            at: self.at,
            age_ms: self.age(),
            stale: self.is_stale,
            partial: self.sample.partial,
            memory_max: self.sample.memory_max_kib,
            totals: self.sample.totals,
            rates,
            cpu_pct: self.rates.cpu_pct,
            cpu_user_pct: self.rates.cpu_user_pct,
            cpu_system_pct: self.rates.cpu_system_pct,
            memory_pct: self.sample.totals.memory_in_use_pct(),
            degrees,
            devices: devices.collect(),
        }
    }

    /// The guest in the shape of `GET /api/telemetry/vms`.
    #[must_use]
    pub fn vm(&self) -> Vm {
        Vm {
            host: None,
            id: self.sample.id.map_or(-1, i64::from),
            name: self.sample.name.clone(),
            uuid: self.sample.uuid.clone(),
            state: self.sample.state,
            cpu_count: self.sample.totals.cpus.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(0),
            memory_max: self.sample.memory_max_kib.unwrap_or(0),
            memory_used: self.sample.totals.memactual.unwrap_or(0),
            cputime: self.sample.totals.cputime.unwrap_or(0),
        }
    }

    /// The guest in the shape of `GET /api/telemetry/vm-telemetry`.
    #[must_use]
    pub fn vm_telemetry(&self) -> VmTelemetry {
        let totals = &self.sample.totals;
        let memory = totals.memactual.zip(self.sample.memory_max_kib).filter(|(_, max)| *max > 0);
        let memory_pct = memory.map(|(actual, max)| (float(actual) / float(max) * 100.0).min(100.0));
        let degrees = |metric| self.rates.total(metric).map(|change| change_degrees(change.per_second()));
        let mut unknown = Unknown::default();
        for (name, value) in [
            ("cpu_count", totals.cpus),
            ("memory_max", self.sample.memory_max_kib),
            ("memory_used", totals.memactual),
            ("cputime", totals.cputime),
        ] {
            unknown.or_zero(name, value);
        }
        VmTelemetry {
            vm: self.vm(),
            cpu_usage_percent: unknown.or_zero("cpu_usage_percent", self.rates.cpu_pct),
            memory_usage_percent: unknown.or_zero("memory_usage_percent", memory_pct),
            disk_read_bytes: unknown.or_zero("disk_read_bytes", totals.disk_rd_bytes),
            disk_write_bytes: unknown.or_zero("disk_write_bytes", totals.disk_wr_bytes),
            network_rx_bytes: unknown.or_zero("network_rx_bytes", totals.net_rxbytes),
            network_tx_bytes: unknown.or_zero("network_tx_bytes", totals.net_txbytes),
            cpu_rate: unknown.or_zero("cpu_rate", self.rates.cpu_pct_change.map(change_degrees)),
            memory_rate: unknown.or_zero("memory_rate", self.rates.memory_pct_change.map(change_degrees)),
            disk_read_rate: unknown.or_zero("disk_read_rate", degrees(Metric::DiskReadBytes)),
            disk_write_rate: unknown.or_zero("disk_write_rate", degrees(Metric::DiskWriteBytes)),
            network_rx_rate: unknown.or_zero("network_rx_rate", degrees(Metric::NetRxBytes)),
            network_tx_rate: unknown.or_zero("network_tx_rate", degrees(Metric::NetTxBytes)),
            unknown: unknown.0,
            stale: self.is_stale,
            partial: self.sample.partial,
        }
    }
}

/// Names of fields that are 0 because they are not known.
#[derive(Default)]
struct Unknown(Vec<String>);

impl Unknown {
    fn or_zero<T: Default>(&mut self, name: &str, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            T::default()
        })
    }
}

fn rates(metrics: &[Metric], changes: &[Option<Change>]) -> BTreeMap<Metric, f64> {
    let known =
        metrics.iter().zip(changes).filter_map(|(metric, change)| Some((*metric, (*change)?.per_second())));
    known.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use memdeck_hypervisor::GuestStats;
    use memdeck_hypervisor::simulated::SimulatedStats;

    use super::*;

    fn seconds(number: i64) -> Timestamp {
        Timestamp::from_unix_micros(number * 1_000_000).unwrap()
    }

    #[test]
    fn a_guest_that_hangs_keeps_its_last_values_and_one_that_is_gone_is_gone() {
        let stats = SimulatedStats::new(3, 1).with_step(Duration::from_secs(1));
        let mut rates = Rates::new(Duration::from_secs(5));
        let first = Snapshot::default().after(stats.collect().unwrap(), &mut rates, seconds(1));
        stats.set_hanging("vm-1", true);
        stats.remove("vm-2");
        let second = first.after(stats.collect().unwrap(), &mut rates, seconds(2));
        let seen: Vec<_> =
            second.guests().iter().map(|it| (it.sample.name.0.as_str(), it.is_stale, it.at)).collect();
        assert_eq!(seen, [("vm-0", false, seconds(2)), ("vm-1", true, seconds(1))]);
        let nobody = second.unanswered();
        assert!(nobody.guests().iter().all(|guest| guest.is_stale));
        assert_eq!(nobody.at(), Some(seconds(2)));
    }

    #[test]
    fn a_guest_is_found_by_uuid_id_and_name() {
        let stats = SimulatedStats::new(2, 0);
        stats.rename("vm-1", "1");
        let mut rates = Rates::new(Duration::from_secs(5));
        let snapshot = Snapshot::default().after(stats.collect().unwrap(), &mut rates, seconds(1));
        let name = |vm| snapshot.find(vm).map(|guest| guest.sample.name.0.clone());
        assert_eq!(name("1"), Some("vm-0".into()), "an id comes before a name");
        assert_eq!(name("vm-0"), Some("vm-0".into()));
        assert_eq!(name("00000000-0000-4000-9000-000000000001"), Some("1".into()));
        assert_eq!(name("vm"), None);
    }

    #[test]
    fn what_older_clients_compute_with_is_0_and_named_where_it_is_unknown() {
        let stats = SimulatedStats::new(1, 2).with_step(Duration::from_secs(1));
        let mut rates = Rates::new(Duration::from_secs(5));
        let mut snapshot = Snapshot::default();
        for number in 0..3 {
            snapshot = snapshot.after(stats.collect().unwrap(), &mut rates, seconds(number));
        }
        let known = snapshot.find("vm-0").unwrap().vm_telemetry();
        assert_eq!(known.unknown, Vec::<String>::new());
        assert!(known.cpu_usage_percent > 0.0 && known.disk_read_rate > 0.0, "{known:?}");
        stats.set_partial("vm-0", true);
        let snapshot = snapshot.after(stats.collect().unwrap(), &mut rates, seconds(4));
        let partial = snapshot.find("vm-0").unwrap().vm_telemetry();
        assert!(partial.partial && partial.unknown.contains(&"disk_read_bytes".to_owned()));
        assert_eq!(partial.disk_read_bytes, 0);
        let live = snapshot.find("vm-0").unwrap().live();
        assert!(live.partial && live.rates.contains_key(&Metric::CpuTime));
        assert!(!live.rates.contains_key(&Metric::DiskReadBytes));
    }
}

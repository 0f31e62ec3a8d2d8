//! Changes per second from consecutive samples.
//!
//! A counter starts anew, which gives no rate, when it goes back, when the guest was started anew (another id), when the
//! devices that it sums are others, when its UUID is another, and when the last value is too old. Time is that of the
//! monotonic clock, so a step of the wall clock changes no rate.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use memdeck_hypervisor::GuestSample;
use memdeck_model::telemetry::{DeviceKind, DeviceStats, Metric, MetricGroup, VmTotals};

/// Two samples that are closer than this give no rate.
const MIN_DISTANCE: Duration = Duration::from_millis(1);

/// How a counter changed since its last value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// What was counted since then.
    pub increase: u64,
    /// How long ago that was.
    pub over: Duration,
}

impl Change {
    /// In the counter's unit per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        float(self.increase) / self.over.as_secs_f64()
    }
}

/// The changes of one sample. A change that is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuestRates {
    totals: Vec<Option<Change>>,
    devices: Vec<Vec<Option<Change>>>,
    /// CPU time of all vCPUs, 0 to 100.
    pub cpu_pct: Option<f64>,
    /// The part in user mode.
    pub cpu_user_pct: Option<f64>,
    /// The part in the kernel.
    pub cpu_system_pct: Option<f64>,
    /// Change of `cpu_pct` per second.
    pub cpu_pct_change: Option<f64>,
    /// Change per second of the share of its greatest memory that the guest has, in percent.
    pub memory_pct_change: Option<f64>,
}

impl GuestRates {
    /// The change of a counter of the guest.
    #[must_use]
    pub fn total(&self, metric: Metric) -> Option<Change> {
        let place = VmTotals::METRICS.iter().position(|other| *other == metric)?;
        self.totals.get(place).copied().flatten()
    }

    /// The changes of the guest's values, in the order of [`VmTotals::METRICS`].
    #[must_use]
    pub fn totals(&self) -> &[Option<Change>] {
        &self.totals
    }

    /// The changes of a device of the sample, by its place there, in the order of [`DeviceStats::metrics`].
    #[must_use]
    pub fn device(&self, place: usize) -> &[Option<Change>] {
        self.devices.get(place).map_or(&[], Vec::as_slice)
    }
}

/// The last values of all guests.
#[derive(Debug)]
pub struct Rates {
    max_gap: Duration,
    guests: HashMap<String, Guest>,
}

#[derive(Debug)]
struct Guest {
    id: Option<u32>,
    /// Names of the devices that the totals sum.
    nics: Vec<String>,
    disks: Vec<String>,
    totals: Vec<Option<Seen>>,
    devices: HashMap<(DeviceKind, String), Vec<Option<Seen>>>,
    cpu_pct: Option<(f64, Instant)>,
    memory_pct: Option<(f64, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    value: u64,
    at: Instant,
}

impl Rates {
    /// Values that are older than `max_gap` give no rate.
    #[must_use]
    pub fn new(max_gap: Duration) -> Self {
        Self { max_gap, guests: HashMap::new() }
    }

    /// Takes a guest's sample and returns what changed since the last.
    pub fn take(&mut self, sample: &GuestSample) -> GuestRates {
        if self.guests.get(&sample.uuid).is_some_and(|guest| guest.id != sample.id) {
            self.guests.remove(&sample.uuid);
        }
        let max_gap = self.max_gap;
        let guest = self.guests.entry(sample.uuid.clone()).or_insert_with(|| Guest {
            id: sample.id,
            nics: Vec::new(),
            disks: Vec::new(),
            totals: vec![None; VmTotals::METRICS.len()],
            devices: HashMap::new(),
            cpu_pct: None,
            memory_pct: None,
        });
        guest.take(sample, max_gap)
    }

    /// Forgets the guests that `exists` does not know.
    pub fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.guests.retain(|uuid, _| exists(uuid));
    }
}

impl Guest {
    fn take(&mut self, sample: &GuestSample, max_gap: Duration) -> GuestRates {
        self.forget_sums_over_other_devices(sample);
        let values = VmTotals::METRICS.iter().map(|metric| (*metric, sample.totals.get(*metric)));
        let totals = changes(&mut self.totals, values, sample.taken, max_gap);
        self.devices.retain(|(kind, name), _| {
            sample.devices.iter().any(|device| device.kind() == *kind && device.device == *name)
        });
        let devices = sample.devices.iter().map(|device| {
            let key = (device.kind(), device.device.clone());
            let seen = self.devices.entry(key).or_insert_with(|| vec![None; device.metrics().len()]);
            let values = device.metrics().iter().map(|metric| (*metric, device.get(*metric)));
            changes(seen, values, sample.taken, max_gap)
        });
        let mut rates = GuestRates { devices: devices.collect(), totals, ..GuestRates::default() };
        let pct = |metric| percent_of_vcpus(rates.total(metric)?, sample.totals.cpus?);
        (rates.cpu_pct, rates.cpu_user_pct, rates.cpu_system_pct) =
            (pct(Metric::CpuTime), pct(Metric::CpuUser), pct(Metric::CpuSystem));
        rates.cpu_pct_change = slope(&mut self.cpu_pct, rates.cpu_pct, sample.taken, max_gap);
        let memory = sample.totals.memactual.zip(sample.memory_max_kib).filter(|(_, max)| *max > 0);
        let memory_pct = memory.map(|(actual, max)| float(actual) / float(max) * 100.0);
        rates.memory_pct_change = slope(&mut self.memory_pct, memory_pct, sample.taken, max_gap);
        rates
    }

    /// A sum over other devices than before is another counter.
    fn forget_sums_over_other_devices(&mut self, sample: &GuestSample) {
        for (kind, group, known) in [
            (DeviceKind::Nic, MetricGroup::Network, &mut self.nics),
            (DeviceKind::Disk, MetricGroup::Disk, &mut self.disks),
        ] {
            let counted = sample.devices.iter().filter(|device| device.kind() == kind && has_values(device));
            let counted = || counted.clone().map(|device| &device.device);
            // While a job has the guest its devices are there without values: that makes no other sum.
            if sample.partial && counted().next().is_none() || counted().eq(known.iter()) {
                continue;
            }
            *known = counted().cloned().collect();
            for (metric, seen) in VmTotals::METRICS.iter().zip(&mut self.totals) {
                if metric.group() == group {
                    *seen = None;
                }
            }
        }
    }
}

fn has_values(device: &DeviceStats) -> bool {
    device.metrics().iter().any(|metric| device.get(*metric).is_some())
}

/// The change of every counter since it was seen last; remembers the new values. A value that is missing now is compared
/// when it comes back.
fn changes(
    seen: &mut [Option<Seen>],
    values: impl Iterator<Item = (Metric, Option<u64>)>,
    at: Instant,
    max_gap: Duration,
) -> Vec<Option<Change>> {
    let changes = seen.iter_mut().zip(values).map(|(seen, (metric, value))| {
        let value = value.filter(|_| metric.is_counter())?;
        let before = seen.replace(Seen { value, at })?;
        let over = at.checked_duration_since(before.at)?;
        let increase = value.checked_sub(before.value)?;
        (MIN_DISTANCE..=max_gap).contains(&over).then_some(Change { increase, over })
    });
    changes.collect()
}

fn slope(
    before: &mut Option<(f64, Instant)>,
    now: Option<f64>,
    at: Instant,
    max_gap: Duration,
) -> Option<f64> {
    let now = now?;
    let (value, since) = before.replace((now, at))?;
    let over = at.checked_duration_since(since)?;
    (MIN_DISTANCE..=max_gap).contains(&over).then(|| (now - value) / over.as_secs_f64())
}

fn percent_of_vcpus(change: Change, vcpus: u64) -> Option<f64> {
    (vcpus > 0).then(|| (change.per_second() / 1e9 / float(vcpus) * 100.0).clamp(0.0, 100.0))
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use memdeck_model::telemetry::{BalloonStats, DeviceCounters, DiskCounters, NicCounters};
    use memdeck_model::{GuestName, GuestState};
    use proptest::prelude::*;

    use super::*;

    const GAP: Duration = Duration::from_secs(5);

    fn sample(taken: Instant, cputime: u64) -> GuestSample {
        GuestSample {
            uuid: "00000000-0000-4000-8000-000000000001".into(),
            name: GuestName("web-01".into()),
            id: Some(1),
            state: GuestState::Running,
            started_at: None,
            memory_max_kib: Some(1000),
            taken,
            partial: false,
            balloon: BalloonStats::Reported,
            totals: VmTotals { cputime: Some(cputime), cpus: Some(2), ..VmTotals::default() },
            devices: Vec::new(),
        }
    }

    fn nic(name: &str, rxbytes: Option<u64>) -> DeviceStats {
        let nic = NicCounters { rxbytes, ..NicCounters::default() };
        DeviceStats { device: name.into(), counters: DeviceCounters::Nic(nic) }
    }

    fn second(start: Instant, number: u64) -> Instant {
        start + Duration::from_secs(number)
    }

    #[test]
    fn the_first_sample_tells_no_rate_and_the_second_does() {
        let (mut rates, start) = (Rates::new(GAP), Instant::now());
        let first = rates.take(&sample(start, 5_000_000_000));
        assert_eq!((first.total(Metric::CpuTime), first.cpu_pct), (None, None));
        let second = rates.take(&sample(second(start, 2), 6_000_000_000));
        assert_eq!(
            second.total(Metric::CpuTime),
            Some(Change { increase: 1_000_000_000, over: Duration::from_secs(2) })
        );
        assert_eq!(second.cpu_pct, Some(25.0), "half a core of two vCPUs");
    }

    #[test]
    fn a_guest_started_anew_starts_anew_even_where_its_counter_is_higher() {
        let (mut rates, start) = (Rates::new(GAP), Instant::now());
        rates.take(&sample(start, 1));
        let restarted = GuestSample { id: Some(2), ..sample(second(start, 1), 900_000_000) };
        assert_eq!(rates.take(&restarted).total(Metric::CpuTime), None);
        let later = GuestSample { id: Some(2), ..sample(second(start, 2), 1_000_000_000) };
        assert_eq!(rates.take(&later).cpu_pct, Some(5.0));
    }

    #[test]
    fn a_guest_of_the_same_name_with_another_uuid_starts_anew_and_a_renamed_one_goes_on() {
        let (mut rates, start) = (Rates::new(GAP), Instant::now());
        rates.take(&sample(start, 0));
        let other = GuestSample { uuid: "other".into(), ..sample(second(start, 1), 1_000_000_000) };
        assert_eq!(rates.take(&other).cpu_pct, None);
        let renamed =
            GuestSample { name: GuestName("web-02".into()), ..sample(second(start, 1), 1_000_000_000) };
        assert_eq!(rates.take(&renamed).cpu_pct, Some(50.0));
    }

    #[test]
    fn a_sum_over_other_devices_starts_anew() {
        let (mut rates, start) = (Rates::new(GAP), Instant::now());
        let with = |number, nics: &[(&str, u64)]| {
            let mut sample = sample(second(start, number), 0);
            sample.devices = nics.iter().map(|(name, bytes)| nic(name, Some(*bytes))).collect();
            sample.totals.net_rxbytes = Some(nics.iter().map(|(_, bytes)| bytes).sum());
            sample
        };
        rates.take(&with(0, &[("vnet0", 100)]));
        // The new interface brings what it has counted elsewhere.
        let plugged = rates.take(&with(1, &[("vnet0", 110), ("vnet1", 1 << 40)]));
        assert_eq!(plugged.total(Metric::NetRxBytes), None);
        assert_eq!(plugged.device(0).first().copied().flatten().map(|it| it.increase), Some(10));
        assert_eq!(plugged.device(1).first().copied().flatten(), None);
        let after = rates.take(&with(2, &[("vnet0", 120), ("vnet1", (1 << 40) + 5)]));
        assert_eq!(after.total(Metric::NetRxBytes).map(|it| it.increase), Some(15));
    }

    #[test]
    fn a_value_that_was_missing_is_compared_with_the_last_known_one() {
        let (mut rates, start) = (Rates::new(GAP), Instant::now());
        let with = |number, bytes: Option<u64>| {
            let mut sample = sample(second(start, number), 0);
            sample.partial = bytes.is_none();
            sample.totals.net_rxbytes = bytes;
            sample.devices = vec![nic("vnet0", bytes)];
            sample
        };
        rates.take(&with(0, Some(100)));
        assert_eq!(rates.take(&with(1, None)).total(Metric::NetRxBytes), None);
        let expected = Change { increase: 50, over: Duration::from_secs(2) };
        assert_eq!(rates.take(&with(2, Some(150))).total(Metric::NetRxBytes), Some(expected));
        assert_eq!(rates.take(&with(30, Some(160))).total(Metric::NetRxBytes), None, "a gap is a gap");
    }

    #[test]
    fn a_gauge_has_no_rate() {
        let (mut rates, start) = (Rates::new(GAP), Instant::now());
        for number in 0..2 {
            let mut sample = sample(second(start, number), 0);
            sample.totals.memrss = Some(number);
            assert_eq!(rates.take(&sample).total(Metric::MemRss), None);
        }
    }

    proptest! {
        #[test]
        fn no_rate_is_negative_and_no_percentage_beyond_its_scale(
            steps in proptest::collection::vec(
                (0_u64..20_000, any::<Option<u64>>(), 0_u32..3, 0_u64..5, any::<u64>(), 0_usize..3), 1..40,
            )
        ) {
            let mut rates = Rates::new(GAP);
            let mut now = Instant::now();
            for (passed, cputime, id, cpus, bytes, disks) in steps {
                now += Duration::from_millis(passed);
                let mut sample = sample(now, 0);
                sample.id = Some(id);
                sample.totals.cputime = cputime;
                sample.totals.cpus = Some(cpus);
                sample.totals.disk_rd_bytes = Some(bytes);
                sample.devices = (0..disks).map(|number| {
                    let disk = DiskCounters { rd_bytes: Some(bytes), ..DiskCounters::default() };
                    DeviceStats { device: format!("vd{number}"), counters: DeviceCounters::Disk(disk) }
                }).collect();
                let rates = rates.take(&sample);
                for pct in [rates.cpu_pct, rates.cpu_user_pct, rates.cpu_system_pct].into_iter().flatten() {
                    prop_assert!((0.0..=100.0).contains(&pct));
                }
                let devices = (0..disks).flat_map(|place| rates.device(place));
                for change in rates.totals().iter().chain(devices).flatten() {
                    prop_assert!(change.per_second().is_finite() && change.per_second() >= 0.0);
                    prop_assert!(change.over <= GAP);
                }
                prop_assert!(rates.cpu_pct_change.is_none_or(f64::is_finite));
            }
        }
    }
}

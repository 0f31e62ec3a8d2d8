//! The points of a collection: `vm_totals` and `vm_devices`, as existing panels read them.

use memdeck_hypervisor::GuestSample;
use memdeck_influx::{FieldValue, Point};
use memdeck_model::Timestamp;

use crate::Snapshot;

/// The points of every guest of `snapshot` that answered. A missing value is left out. `host` becomes a tag, where several
/// hosts write to one store.
#[must_use]
pub fn points(snapshot: &Snapshot, host: Option<&str>) -> Vec<Point> {
    let fresh = snapshot.guests().iter().filter(|guest| !guest.is_stale);
    fresh.flat_map(|guest| of_guest(&guest.sample, guest.at, host)).collect()
}

fn of_guest(sample: &GuestSample, at: Timestamp, host: Option<&str>) -> Vec<Point> {
    let unix_nanos = i64::try_from(at.unix_nanos()).unwrap_or(i64::MAX);
    let id = sample.id.map_or_else(|| "-1".to_owned(), |id| id.to_string());
    let mut tags = vec![("VMID", id), ("name", sample.name.0.clone()), ("uuid", sample.uuid.clone())];
    tags.extend(host.map(|host| ("host", host.to_owned())));
    let mut points = Vec::with_capacity(1 + sample.devices.len());
    for device in &sample.devices {
        let mut tags = tags.clone();
        tags.push(("devtype", device.kind().as_str().to_owned()));
        tags.push(("device", device.device.clone()));
        let values = device.metrics().iter().map(|metric| (metric.field(), device.get(*metric)));
        points.push(Point { measurement: "vm_devices", tags, fields: fields(values), unix_nanos });
    }
    let values = sample.totals.values().map(|(metric, value)| (metric.field(), value));
    points.push(Point { measurement: "vm_totals", tags, fields: fields(values), unix_nanos });
    points.retain(|point| !point.fields.is_empty());
    points
}

fn fields(values: impl Iterator<Item = (&'static str, Option<u64>)>) -> Vec<(&'static str, FieldValue)> {
    let known = values.filter_map(|(name, value)| Some((name, value?)));
    known.map(|(name, value)| (name, FieldValue::Integer(i64::try_from(value).unwrap_or(i64::MAX)))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use memdeck_hypervisor::GuestStats;
    use memdeck_hypervisor::simulated::SimulatedStats;

    use super::*;
    use crate::Rates;

    fn snapshot(stats: &SimulatedStats) -> Snapshot {
        let at = Timestamp::from_unix_micros(1_700_000_000_123_456).unwrap();
        let collection = stats.collect().unwrap();
        Snapshot::default().after(collection, &mut Rates::new(Duration::from_secs(5)), at)
    }

    fn integer(point: &Point, field: &str) -> Option<i64> {
        point.fields.iter().find_map(|(name, value)| match value {
            FieldValue::Integer(number) if *name == field => Some(*number),
            _ => None,
        })
    }

    #[test]
    fn a_guest_is_one_point_and_each_of_its_devices_another() {
        let stats = SimulatedStats::new(1, 2);
        let points = points(&snapshot(&stats), None);
        let measured: Vec<_> = points.iter().map(|point| point.measurement).collect();
        assert_eq!(measured, ["vm_devices", "vm_devices", "vm_totals"]);
        let totals = points.last().unwrap();
        let tags: Vec<_> = totals.tags.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(tags, [("VMID", "1"), ("name", "vm-0"), ("uuid", "00000000-0000-4000-9000-000000000000")]);
        assert_eq!(totals.unix_nanos, 1_700_000_000_123_456_000);
        assert_eq!((integer(totals, "state"), integer(totals, "cpus")), (Some(1), Some(2)));
        let disk = points.get(1).unwrap();
        assert_eq!(
            disk.tags.get(3..),
            Some([("devtype", "disk".into()), ("device", "vda".into())].as_slice())
        );
        assert_eq!(integer(totals, "disk_rd_bytes"), integer(disk, "rd_bytes"));
        assert!(integer(disk, "rd_bytes").is_some());
    }

    #[test]
    fn a_missing_value_is_left_out_and_a_device_without_any_is_no_point() {
        let stats = SimulatedStats::new(1, 2);
        let whole = points(&snapshot(&stats), None);
        assert_eq!(integer(whole.get(1).unwrap(), "errors"), None, "QEMU counts no errors");
        stats.set_partial("vm-0", true);
        let partial = points(&snapshot(&stats), None);
        let [totals] = partial.as_slice() else { panic!("{partial:?}") };
        assert!(integer(totals, "cputime").is_some());
        assert_eq!((integer(totals, "memrss"), integer(totals, "net_rxbytes")), (None, None));
    }

    #[test]
    fn several_hosts_are_told_apart_by_a_tag() {
        let stats = SimulatedStats::new(1, 0);
        let points = points(&snapshot(&stats), Some("kvm-02"));
        assert!(points.iter().all(|point| point.tags.contains(&("host", "kvm-02".into()))));
    }
}

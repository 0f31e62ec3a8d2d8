//! What is told of volumes, checks, hosts, the collector and the process.

use std::time::Duration;

use memdeck_model::telemetry::{CollectorStatus, Connection};
use memdeck_model::{Readiness, ReadinessCheck};
use memdeck_operations::Hosts;

use super::Volume;
use super::exposition::{Exposition, Kind};
use super::process::ProcessFigures;

/// The room of a volume.
pub struct Room {
    name: &'static str,
    free: u64,
    size: u64,
}

impl Room {
    pub fn of(volume: &Volume) -> Option<Self> {
        let found = rustix::fs::statvfs(&volume.dir).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Self { name: volume.name, free: bytes(found.f_bavail), size: bytes(found.f_blocks) })
    }
}

pub fn about_volumes(out: &mut Exposition, rooms: &[Room]) {
    let mut free = out.family(
        Kind::Gauge,
        "memdeck_volume_free_bytes",
        "Bytes that memdeck may still write on a volume.",
    );
    for room in rooms {
        free.sample(&[("volume", room.name)], room.free);
    }
    let mut size = out.family(Kind::Gauge, "memdeck_volume_size_bytes", "Size of a volume.");
    for room in rooms {
        size.sample(&[("volume", room.name)], room.size);
    }
}

pub fn about_readiness(out: &mut Exposition, readiness: &Readiness) {
    const CHECKS: [(ReadinessCheck, &str); 5] = [
        (ReadinessCheck::DumpDir, "dump_dir"),
        (ReadinessCheck::StateDir, "state_dir"),
        (ReadinessCheck::Catalog, "catalog"),
        (ReadinessCheck::Hypervisor, "hypervisor"),
        (ReadinessCheck::DumpService, "dump_service"),
    ];
    let help = "Whether dumps can be taken, stored and recorded now, as GET /readyz says: 1 or 0.";
    out.single(Kind::Gauge, "memdeck_ready", help, u8::from(readiness.ready));
    let mut checks =
        out.family(Kind::Gauge, "memdeck_check_ok", "Whether a check of GET /readyz succeeds: 1 or 0.");
    for (check, name) in CHECKS {
        let fails = readiness.failed.iter().any(|failed| failed.check == check);
        checks.sample(&[("check", name)], u8::from(!fails));
    }
}

/// A single host is labelled by its address, several by their names.
pub fn about_hosts(out: &mut Exposition, hosts: &Hosts) {
    let mut up = out.family(
        Kind::Gauge,
        "memdeck_host_up",
        "Whether the service that takes the dumps answers: 1 or 0.",
    );
    for member in hosts.members() {
        let health = member.host().health();
        let label = if hosts.are_many() { member.name().as_str() } else { health.service.as_str() };
        up.sample(&[("host", label)], u8::from(health.error.is_none()));
    }
}

pub fn about_collector(out: &mut Exposition, status: &CollectorStatus) {
    let seconds = |millis: Option<memdeck_model::Millis>| {
        millis.map_or(0.0, |millis| Duration::from_millis(millis.0).as_secs_f64())
    };
    let gauges: [(&'static str, &str, f64); 2] = [
        (
            "memdeck_collector_last_duration_seconds",
            "How long the last collection took.",
            seconds(status.last_duration_ms),
        ),
        (
            "memdeck_collector_max_duration_seconds",
            "How long the longest collection took.",
            seconds(status.max_duration_ms),
        ),
    ];
    for (name, help, value) in gauges {
        out.single(Kind::Gauge, name, help, value);
    }
    let is_connected = u64::from(status.connection == Connection::Connected);
    let numbers: [(Kind, &'static str, &str, u64); 12] = [
        (
            Kind::Gauge,
            "memdeck_collector_running",
            "Whether telemetry is collected: 1 or 0.",
            u64::from(status.running),
        ),
        (
            Kind::Gauge,
            "memdeck_collector_connected",
            "Whether the hypervisor answers the collector: 1 or 0.",
            is_connected,
        ),
        (
            Kind::Counter,
            "memdeck_collector_collections_total",
            "Collections that were answered.",
            status.total_collections,
        ),
        (Kind::Counter, "memdeck_collector_errors_total", "Collections that failed.", status.total_errors),
        (
            Kind::Counter,
            "memdeck_collector_missed_total",
            "Intervals without a collection.",
            status.missed_intervals,
        ),
        (Kind::Gauge, "memdeck_collector_guests", "Guests in the last collection.", status.vms_monitored),
        (Kind::Gauge, "memdeck_collector_stale_guests", "Guests that do not answer.", status.stale_vms),
        (
            Kind::Gauge,
            "memdeck_collector_partial_guests",
            "Guests of which a job lets only a part pass.",
            status.partial_vms,
        ),
        (
            Kind::Counter,
            "memdeck_influx_points_written_total",
            "Points of telemetry that InfluxDB took.",
            status.total_metrics_written,
        ),
        (
            Kind::Gauge,
            "memdeck_influx_queue_points",
            "Points of telemetry that wait for InfluxDB.",
            status.influx_queue_size,
        ),
        (
            Kind::Counter,
            "memdeck_influx_points_dropped_total",
            "Points of telemetry that were dropped because too many waited.",
            status.influx_queue_dropped,
        ),
        (
            Kind::Gauge,
            "memdeck_telemetry_store_bytes",
            "Bytes of memdeck's own store of telemetry.",
            status.store_bytes,
        ),
    ];
    for (kind, name, help, value) in numbers {
        out.single(kind, name, help, value);
    }
}

/// Under the names that Prometheus' own libraries use.
pub fn about_process(out: &mut Exposition, process: &ProcessFigures) {
    if let Some(seconds) = process.cpu_seconds {
        out.single(Kind::Counter, "process_cpu_seconds_total", "Time on a processor.", seconds);
    }
    if let Some(at) = process.start_time_seconds {
        out.single(
            Kind::Gauge,
            "process_start_time_seconds",
            "When the program started, in seconds since 1970.",
            at,
        );
    }
    let numbers = [
        ("process_resident_memory_bytes", "Memory that is in RAM.", process.resident_bytes),
        ("process_virtual_memory_bytes", "Addresses that are in use.", process.virtual_bytes),
        ("process_threads", "Threads.", process.threads),
        ("process_open_fds", "Open descriptors.", process.open_descriptors),
        ("process_max_fds", "Descriptors that may be open.", process.max_descriptors),
    ];
    for (name, help, value) in numbers {
        if let Some(value) = value {
            out.single(Kind::Gauge, name, help, value);
        }
    }
}

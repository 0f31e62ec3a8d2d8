//! The port for telemetry: what a hypervisor has counted of its guests.

use std::time::Instant;

use memdeck_model::telemetry::{BalloonStats, DeviceKind, DeviceStats, Metric, VmTotals};
use memdeck_model::{GuestName, GuestState, Timestamp};

use crate::HypervisorError;

/// Statistics of all guests of a hypervisor. Blocks until it is answered or its time limit is over.
///
/// A port of its own: whoever takes dumps never waits for it, and it never waits for a dump.
pub trait GuestStats: Send + Sync {
    /// The hypervisor's address for people, without credentials.
    fn uri(&self) -> &str;

    /// The present values of every guest, running or not.
    ///
    /// # Errors
    /// The hypervisor cannot be reached, refuses, or does not answer within the time limit.
    fn collect(&self) -> Result<Collection, HypervisorError>;
}

/// The answer of one collection.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// The guests that answered, in no order.
    pub guests: Vec<GuestSample>,
    /// UUIDs of guests that exist and did not answer in time.
    pub unanswered: Vec<String>,
}

/// The values of one guest. What the hypervisor does not report is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestSample {
    /// Its UUID, by which its values are kept.
    pub uuid: String,
    pub name: GuestName,
    /// libvirt's id. Another one than before means that the guest was started anew, and its counters with it.
    pub id: Option<u32>,
    /// What it does.
    pub state: GuestState,
    /// When its process began, where the hypervisor's files say so. A guest that reboots keeps its process.
    pub started_at: Option<Timestamp>,
    /// The most memory it may have, in KiB.
    pub memory_max_kib: Option<u64>,
    /// When the values were taken, by the monotonic clock.
    pub taken: Instant,
    /// A job lets no question pass to the guest's process, or the process does not answer: what only it knows is missing.
    /// libvirt lets questions pass beside a dump.
    pub partial: bool,
    /// Whether the guest reports what its memory is used for.
    pub balloon: BalloonStats,
    /// The guest's values. Those of its devices are the sums over [`devices`](Self::devices).
    pub totals: VmTotals,
    /// Its network interfaces, then its disks.
    pub devices: Vec<DeviceStats>,
}

impl GuestSample {
    /// Sets the totals that are sums over the devices. A sum over no device is 0 only if it is known that the guest
    /// has none.
    pub(crate) fn sum_devices(&mut self, nics_known: bool, disks_known: bool) {
        for (kind, known, sums) in
            [(DeviceKind::Nic, nics_known, NIC_SUMS), (DeviceKind::Disk, disks_known, DISK_SUMS)]
        {
            let none = !self.devices.iter().any(|device| device.kind() == kind);
            for (total, of_device) in sums {
                let known_values = self
                    .devices
                    .iter()
                    .filter(|device| device.kind() == kind)
                    .filter_map(|d| d.get(*of_device));
                let sum = known_values.reduce(u64::saturating_add);
                self.totals.set(*total, if none && known { Some(0) } else { sum });
            }
        }
    }
}

/// A total of `vm_totals` and the field of each device that it sums.
const NIC_SUMS: &[(Metric, Metric)] = &[
    (Metric::NetRxBytes, Metric::NicRxBytes),
    (Metric::NetRxPackets, Metric::NicRxPackets),
    (Metric::NetRxErrors, Metric::NicRxErrors),
    (Metric::NetRxDrops, Metric::NicRxDrops),
    (Metric::NetTxBytes, Metric::NicTxBytes),
    (Metric::NetTxPackets, Metric::NicTxPackets),
    (Metric::NetTxErrors, Metric::NicTxErrors),
    (Metric::NetTxDrops, Metric::NicTxDrops),
];

const DISK_SUMS: &[(Metric, Metric)] = &[
    (Metric::DiskReadReqs, Metric::BlockReadReqs),
    (Metric::DiskReadBytes, Metric::BlockReadBytes),
    (Metric::DiskWriteReqs, Metric::BlockWriteReqs),
    (Metric::DiskWriteBytes, Metric::BlockWriteBytes),
    (Metric::DiskErrors, Metric::BlockErrors),
];

//! The fields of `vm_devices`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::totals::fields;
use super::{Metric, MetricScope};

/// The tag `devtype` of `vm_devices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A network interface, named by its device on the host: `vnet3`.
    Nic,
    /// A disk, named by its target in the guest: `vda`.
    Disk,
}

impl DeviceKind {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nic => "nic",
            Self::Disk => "disk",
        }
    }

    /// The metrics that a device of this kind has.
    #[must_use]
    pub fn scope(self) -> MetricScope {
        match self {
            Self::Nic => MetricScope::Nic,
            Self::Disk => MetricScope::Disk,
        }
    }

    /// The metrics that a device of this kind has, in the order of its fields.
    #[must_use]
    pub fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Nic => NicCounters::METRICS,
            Self::Disk => DiskCounters::METRICS,
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fields! {
    /// What is measured of a network interface, from the guest's side.
    NicCounters {
        rxbytes NicRxBytes,
        rxpackets NicRxPackets,
        rxerrors NicRxErrors,
        rxdrops NicRxDrops,
        txbytes NicTxBytes,
        txpackets NicTxPackets,
        txerrors NicTxErrors,
        txdrops NicTxDrops,
    }
}

fields! {
    /// What is measured of a disk.
    DiskCounters {
        rd_req BlockReadReqs,
        rd_bytes BlockReadBytes,
        wr_reqs BlockWriteReqs,
        wr_bytes BlockWriteBytes,
        errors BlockErrors,
    }
}

/// The counters of a device, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "devtype", rename_all = "lowercase")]
pub enum DeviceCounters {
    /// Of a network interface.
    Nic(NicCounters),
    /// Of a disk.
    Disk(DiskCounters),
}

/// One device of a guest and its counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceStats {
    /// Its name, unique among the guest's devices of this kind.
    pub device: String,
    /// What was counted since it exists.
    #[serde(flatten)]
    pub counters: DeviceCounters,
}

impl DeviceStats {
    /// The kind of the device.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        match self.counters {
            DeviceCounters::Nic(_) => DeviceKind::Nic,
            DeviceCounters::Disk(_) => DeviceKind::Disk,
        }
    }

    /// The value of `metric`; `None` if it is missing or a device of this kind has no such metric.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<u64> {
        match &self.counters {
            DeviceCounters::Nic(nic) => nic.get(metric),
            DeviceCounters::Disk(disk) => disk.get(metric),
        }
    }

    /// The metrics that a device of this kind has.
    #[must_use]
    pub fn metrics(&self) -> &'static [Metric] {
        self.kind().metrics()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_as_one_flat_object() {
        let counters = DiskCounters { rd_req: Some(7), ..DiskCounters::default() };
        let disk = DeviceStats { device: "vda".into(), counters: DeviceCounters::Disk(counters) };
        let json = serde_json::json!({
            "device": "vda", "devtype": "disk", "rd_req": 7, "rd_bytes": null, "wr_reqs": null, "wr_bytes": null,
            "errors": null
        });
        assert_eq!(serde_json::to_value(&disk).unwrap(), json);
        assert_eq!(serde_json::from_value::<DeviceStats>(json).unwrap(), disk);
        assert_eq!(disk.metrics(), Metric::of(MetricScope::Disk).collect::<Vec<_>>());
        assert_eq!(NicCounters::METRICS, Metric::of(MetricScope::Nic).collect::<Vec<_>>());
    }
}

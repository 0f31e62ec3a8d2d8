//! Everything that is measured of a guest and of its devices.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whose value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricScope {
    /// The guest's, all devices together: a field of `vm_totals`.
    Guest,
    /// One network interface's: a field of `vm_devices`.
    Nic,
    /// One disk's: a field of `vm_devices`.
    Disk,
}

/// The tab of Resource Monitoring that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricGroup {
    /// CPU and memory.
    CpuAndMemory,
    /// Network.
    Network,
    /// Disk.
    Disk,
}

/// How its values follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Grows until it starts anew; a chart shows its change per second.
    Counter,
    /// Any value at any time.
    Gauge,
}

/// The unit of the value. A counter's rate is in this unit per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricUnit {
    /// 1 where the guest runs, else 0.
    Flag,
    /// A number of things: vCPUs, packets, requests, faults, errors.
    Count,
    /// Nanoseconds.
    Nanoseconds,
    /// 1024 bytes.
    Kib,
    /// Bytes.
    Bytes,
}

impl MetricUnit {
    /// The unit's sign; empty if there is none.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Flag | Self::Count => "",
            Self::Nanoseconds => "ns",
            Self::Kib => "KiB",
            Self::Bytes => "B",
        }
    }
}

/// A text that is the name of no metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such metric: use a field of vm_totals or vm_devices, such as cputime or rd_bytes")]
pub struct ParseMetricError;

macro_rules! metrics {
    ($($variant:ident $field:literal $scope:ident $group:ident $kind:ident $unit:ident $title:literal)+) => {
        /// One measured value of a guest or of a device. On the wire it is the name of its field in `InfluxDB`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Metric {
            $(#[doc = $title] #[serde(rename = $field)] $variant,)+
        }

        impl Metric {
            /// Every metric: those of the guest first, then those of a network interface, then those of a disk.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name of the field in `vm_totals` or `vm_devices`, unique among all metrics.
            #[must_use]
            pub fn field(self) -> &'static str {
                match self { $(Self::$variant => $field,)+ }
            }

            /// Whose value it is.
            #[must_use]
            pub fn scope(self) -> MetricScope {
                match self { $(Self::$variant => MetricScope::$scope,)+ }
            }

            /// Where it is shown.
            #[must_use]
            pub fn group(self) -> MetricGroup {
                match self { $(Self::$variant => MetricGroup::$group,)+ }
            }

            /// Counter or gauge.
            #[must_use]
            pub fn kind(self) -> MetricKind {
                match self { $(Self::$variant => MetricKind::$kind,)+ }
            }

            /// The unit of the value itself.
            #[must_use]
            pub fn unit(self) -> MetricUnit {
                match self { $(Self::$variant => MetricUnit::$unit,)+ }
            }

            /// Its name for people.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

metrics! {
    State           "state"           Guest CpuAndMemory Gauge   Flag        "Running"
    Cpus            "cpus"            Guest CpuAndMemory Gauge   Count       "vCPUs"
    CpuTime         "cputime"         Guest CpuAndMemory Counter Nanoseconds "CPU time"
    CpuUser         "timeusr"         Guest CpuAndMemory Counter Nanoseconds "CPU user time"
    CpuSystem       "timesys"         Guest CpuAndMemory Counter Nanoseconds "CPU system time"
    MemActual       "memactual"       Guest CpuAndMemory Gauge   Kib         "Memory given to the guest"
    MemRss          "memrss"          Guest CpuAndMemory Gauge   Kib         "Memory resident on the host"
    MemAvailable    "memavailable"    Guest CpuAndMemory Gauge   Kib         "Memory the guest sees"
    MemUsable       "memusable"       Guest CpuAndMemory Gauge   Kib         "Memory the guest can use without swapping"
    MemSwapIn       "memswap_in"      Guest CpuAndMemory Counter Kib         "Swapped in"
    MemSwapOut      "memswap_out"     Guest CpuAndMemory Counter Kib         "Swapped out"
    MemMajorFault   "memmajor_fault"  Guest CpuAndMemory Counter Count       "Major page faults"
    MemMinorFault   "memminor_fault"  Guest CpuAndMemory Counter Count       "Minor page faults"
    MemDiskCache    "memdisk_cache"   Guest CpuAndMemory Gauge   Kib         "Disk cache"
    NetRxBytes      "net_rxbytes"     Guest Network      Counter Bytes       "Network received"
    NetRxPackets    "net_rxpackets"   Guest Network      Counter Count       "Packets received"
    NetRxErrors     "net_rxerrors"    Guest Network      Counter Count       "Receive errors"
    NetRxDrops      "net_rxdrops"     Guest Network      Counter Count       "Received packets dropped"
    NetTxBytes      "net_txbytes"     Guest Network      Counter Bytes       "Network sent"
    NetTxPackets    "net_txpackets"   Guest Network      Counter Count       "Packets sent"
    NetTxErrors     "net_txerrors"    Guest Network      Counter Count       "Send errors"
    NetTxDrops      "net_txdrops"     Guest Network      Counter Count       "Sent packets dropped"
    DiskReadReqs    "disk_rd_req"     Guest Disk         Counter Count       "Disk read requests"
    DiskReadBytes   "disk_rd_bytes"   Guest Disk         Counter Bytes       "Disk read"
    DiskWriteReqs   "disk_wr_reqs"    Guest Disk         Counter Count       "Disk write requests"
    DiskWriteBytes  "disk_wr_bytes"   Guest Disk         Counter Bytes       "Disk written"
    DiskErrors      "disk_errors"     Guest Disk         Counter Count       "Disk errors"
    NicRxBytes      "rxbytes"         Nic   Network      Counter Bytes       "Received"
    NicRxPackets    "rxpackets"       Nic   Network      Counter Count       "Packets received"
    NicRxErrors     "rxerrors"        Nic   Network      Counter Count       "Receive errors"
    NicRxDrops      "rxdrops"         Nic   Network      Counter Count       "Received packets dropped"
    NicTxBytes      "txbytes"         Nic   Network      Counter Bytes       "Sent"
    NicTxPackets    "txpackets"       Nic   Network      Counter Count       "Packets sent"
    NicTxErrors     "txerrors"        Nic   Network      Counter Count       "Send errors"
    NicTxDrops      "txdrops"         Nic   Network      Counter Count       "Sent packets dropped"
    BlockReadReqs   "rd_req"          Disk  Disk         Counter Count       "Read requests"
    BlockReadBytes  "rd_bytes"        Disk  Disk         Counter Bytes       "Read"
    BlockWriteReqs  "wr_reqs"         Disk  Disk         Counter Count       "Write requests"
    BlockWriteBytes "wr_bytes"        Disk  Disk         Counter Bytes       "Written"
    BlockErrors     "errors"          Disk  Disk         Counter Count       "Errors"
}

impl Metric {
    /// The metrics of `scope`, in the order of their fields.
    pub fn of(scope: MetricScope) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |metric| metric.scope() == scope)
    }

    /// Whether a chart shows its change per second.
    #[must_use]
    pub fn is_counter(self) -> bool {
        self.kind() == MetricKind::Counter
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field())
    }
}

impl FromStr for Metric {
    type Err = ParseMetricError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|metric| metric.field() == text).ok_or(ParseMetricError)
    }
}

/// Written by hand: the derived description does not see the names that the macro above makes.
#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Metric {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let names = Self::ALL.iter().map(|metric| metric.field());
        let schema = utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .description(Some(
                "A measured value of a guest or of a device, by the name of its field in InfluxDB.",
            ))
            .enum_values(Some(names));
        schema.into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Metric {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_contract() {
        let fields = |scope| Metric::of(scope).map(Metric::field).collect::<Vec<_>>().join(", ");
        assert_eq!(
            fields(MetricScope::Guest),
            "state, cpus, cputime, timeusr, timesys, memactual, memrss, memavailable, memusable, memswap_in, \
             memswap_out, memmajor_fault, memminor_fault, memdisk_cache, net_rxbytes, net_rxpackets, net_rxerrors, \
             net_rxdrops, net_txbytes, net_txpackets, net_txerrors, net_txdrops, disk_rd_req, disk_rd_bytes, \
             disk_wr_reqs, disk_wr_bytes, disk_errors"
        );
        assert_eq!(
            fields(MetricScope::Nic),
            "rxbytes, rxpackets, rxerrors, rxdrops, txbytes, txpackets, txerrors, txdrops"
        );
        assert_eq!(fields(MetricScope::Disk), "rd_req, rd_bytes, wr_reqs, wr_bytes, errors");
    }

    #[test]
    fn a_metric_is_its_field_on_the_wire() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.field());
            assert_eq!(metric.field().parse(), Ok(*metric));
        }
        assert_eq!("uptime".parse::<Metric>(), Err(ParseMetricError));
    }
}

//! The fields of `vm_totals`.

use serde::{Deserialize, Serialize};

use super::Metric;

/// A struct whose fields are metrics, each missing if the hypervisor does not report it.
macro_rules! fields {
    ($(#[$attribute:meta])* $name:ident { $($field:ident $metric:ident,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(default)]
        pub struct $name {
            $(#[doc = concat!("[`Metric::", stringify!($metric), "`](crate::telemetry::Metric)")] pub $field: Option<u64>,)+
        }

        impl $name {
            /// The metrics it has, in the order of its fields.
            pub const METRICS: &[$crate::telemetry::Metric] = &[$($crate::telemetry::Metric::$metric),+];

            /// The value of `metric`; `None` if it is missing and where it is none of [`METRICS`](Self::METRICS).
            #[must_use]
            pub fn get(&self, metric: $crate::telemetry::Metric) -> Option<u64> {
                match metric {
                    $($crate::telemetry::Metric::$metric => self.$field,)+
                    _ => None,
                }
            }

            /// Sets the value of `metric`, if it is one of [`METRICS`](Self::METRICS).
            pub fn set(&mut self, metric: $crate::telemetry::Metric, value: Option<u64>) {
                match metric {
                    $($crate::telemetry::Metric::$metric => self.$field = value,)+
                    _ => {}
                }
            }

            /// Every metric with its value.
            pub fn values(&self) -> impl Iterator<Item = ($crate::telemetry::Metric, Option<u64>)> + '_ {
                Self::METRICS.iter().map(|metric| (*metric, self.get(*metric)))
            }
        }
    };
}
pub(super) use fields;

fields! {
    /// What is measured of a guest, its devices together. Memory is in KiB, CPU time in nanoseconds.
    VmTotals {
        state State,
        cpus Cpus,
        cputime CpuTime,
        timeusr CpuUser,
        timesys CpuSystem,
        memactual MemActual,
        memrss MemRss,
        memavailable MemAvailable,
        memusable MemUsable,
        memswap_in MemSwapIn,
        memswap_out MemSwapOut,
        memmajor_fault MemMajorFault,
        memminor_fault MemMinorFault,
        memdisk_cache MemDiskCache,
        net_rxbytes NetRxBytes,
        net_rxpackets NetRxPackets,
        net_rxerrors NetRxErrors,
        net_rxdrops NetRxDrops,
        net_txbytes NetTxBytes,
        net_txpackets NetTxPackets,
        net_txerrors NetTxErrors,
        net_txdrops NetTxDrops,
        disk_rd_req DiskReadReqs,
        disk_rd_bytes DiskReadBytes,
        disk_wr_reqs DiskWriteReqs,
        disk_wr_bytes DiskWriteBytes,
        disk_errors DiskErrors,
    }
}

impl VmTotals {
    /// The share of the guest's memory that it uses, in percent. What the guest itself reports comes first (what it sees
    /// without what it could use); else what is resident on the host of what it was given. `None` if neither is known.
    #[must_use]
    pub fn memory_in_use_pct(&self) -> Option<f64> {
        let reported = self.memavailable.zip(self.memusable);
        let (used, all) = match reported {
            Some((available, usable)) => (available.saturating_sub(usable), available),
            None => (self.memrss?, self.memactual?),
        };
        #[expect(clippy::cast_precision_loss, reason = "KiB of a guest's memory fit")]
        (all > 0).then(|| (used as f64 / all as f64 * 100.0).min(100.0))
    }

    /// All values as the older REST answer wants them: 0 if unknown.
    #[must_use]
    pub fn with_zeros(&self) -> std::collections::BTreeMap<Metric, u64> {
        self.values().map(|(metric, value)| (metric, value.unwrap_or(0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::MetricScope;

    #[test]
    fn every_field_of_the_measurement_is_there_under_its_name() {
        let mut totals = VmTotals::default();
        for (number, metric) in (1..).zip(VmTotals::METRICS) {
            totals.set(*metric, Some(number));
        }
        assert_eq!(VmTotals::METRICS, Metric::of(MetricScope::Guest).collect::<Vec<_>>());
        let json = serde_json::to_value(totals).unwrap();
        for (number, metric) in (1..).zip(VmTotals::METRICS) {
            assert_eq!(json[metric.field()], number, "{metric}");
        }
    }

    #[test]
    fn what_is_missing_is_null_and_0_only_where_it_is_asked_for() {
        let totals = VmTotals { cpus: Some(2), ..VmTotals::default() };
        assert_eq!(serde_json::to_value(totals).unwrap()["memrss"], serde_json::Value::Null);
        assert_eq!(serde_json::to_value(totals.with_zeros()).unwrap()["memrss"], 0);
        assert_eq!(serde_json::to_value(totals.with_zeros()).unwrap()["cpus"], 2);
    }

    #[test]
    fn memory_in_use_is_what_the_guest_says_and_else_what_is_resident() {
        let totals = VmTotals { memactual: Some(1000), memrss: Some(250), ..VmTotals::default() };
        assert_eq!(totals.memory_in_use_pct(), Some(25.0));
        let reported = VmTotals { memavailable: Some(800), memusable: Some(200), ..totals };
        assert_eq!(reported.memory_in_use_pct(), Some(75.0));
        let more_resident = VmTotals { memrss: Some(1200), ..totals };
        assert_eq!(more_resident.memory_in_use_pct(), Some(100.0));
        assert_eq!(VmTotals::default().memory_in_use_pct(), None);
    }
}

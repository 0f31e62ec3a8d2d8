//! A guest with its telemetry, in the shape of `GET /api/telemetry/vm-telemetry`.

use serde::{Deserialize, Serialize};

use crate::Vm;

/// A guest and how busy it is. Numbers are 0 if they are not known, because older clients compute with them;
/// `unknown` names those.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VmTelemetry {
    #[serde(flatten)]
    pub vm: Vm,
    /// CPU time of all its vCPUs that it uses, 0 to 100.
    pub cpu_usage_percent: f64,
    /// `memory_used` of `memory_max`, 0 to 100.
    pub memory_usage_percent: f64,
    /// Bytes since the guest started.
    pub disk_read_bytes: u64,
    /// Bytes since the guest started.
    pub disk_write_bytes: u64,
    /// Bytes since the guest started.
    pub network_rx_bytes: u64,
    /// Bytes since the guest started.
    pub network_tx_bytes: u64,
    /// Change of `cpu_usage_percent`, in degrees: `atan(Δvalue / Δt) · 180 / π`.
    pub cpu_rate: f64,
    /// Change of `memory_usage_percent`, in degrees.
    pub memory_rate: f64,
    /// Change of `disk_read_bytes`, in degrees.
    pub disk_read_rate: f64,
    /// Change of `disk_write_bytes`, in degrees.
    pub disk_write_rate: f64,
    /// Change of `network_rx_bytes`, in degrees.
    pub network_rx_rate: f64,
    /// Change of `network_tx_bytes`, in degrees.
    pub network_tx_rate: f64,
    /// Fields above that are 0 because they are not known.
    #[serde(default)]
    pub unknown: Vec<String>,
    /// These are its last good values: it does not answer.
    #[serde(default)]
    pub stale: bool,
    /// A job has the guest, so a part is missing.
    #[serde(default)]
    pub partial: bool,
}

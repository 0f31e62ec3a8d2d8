//! What the page Telemetry shows.

use serde::{Deserialize, Serialize};

use super::CollectorStatus;
use crate::{HostId, Message};

/// The collector, what it works with, and where values are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TelemetryReport {
    /// How the collector stands.
    pub status: CollectorStatus,
    /// The settings that it has, by name; secrets as `***`.
    pub settings: Vec<SettingInUse>,
}

/// The collector of one of several hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostCollector {
    pub host: HostId,
    /// How it stands; null if that is not known.
    pub status: Option<CollectorStatus>,
    /// Why that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Message>,
}

/// A setting and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingInUse {
    /// The environment variable.
    pub name: String,
    /// Its value; a secret as `***`.
    pub value: String,
}

/// How one part of telemetry was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// It works.
    Ok,
    /// It works in part.
    Warning,
    /// It does not work.
    Failed,
    /// It is not configured, or cannot be tried because something before it failed.
    Off,
}

/// Which part of telemetry was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CheckedPart {
    Hypervisor,
    /// The store of series of memdeck's own.
    Store,
    /// `InfluxDB`.
    Influx,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Check {
    /// Which part it is about.
    pub part: CheckedPart,
    /// What was tried, for people: "InfluxDB: write a point".
    pub name: String,
    /// How that went.
    pub state: CheckState,
    /// What was found.
    pub finding: Message,
    /// What the operator can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Message>,
}

/// Everything that was tried, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diagnosis {
    pub checks: Vec<Check>,
}

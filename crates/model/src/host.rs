//! The machine that runs the guests.

use serde::{Deserialize, Serialize};

/// What the kernel says about its clock: the manifest's instants are as right as that clock was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostClock {
    /// Whether a time service keeps it synchronised; `None` if the kernel does not report it. A service that does not
    /// report to the kernel counts as none.
    pub synchronised: Option<bool>,
    /// How far it is off, as the time service estimates, in microseconds; of a synchronised clock only.
    pub estimated_error_us: Option<u64>,
    /// The most it can be off, in microseconds; of a synchronised clock only.
    pub maximum_error_us: Option<u64>,
}

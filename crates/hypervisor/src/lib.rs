//! The hypervisor: who its guests are, and a stream of a guest's memory.
//!
//! [`Hypervisor`] is the port. [`Libvirt`] is its adapter for KVM/libvirt hosts, and the only place that links libvirt.
//! [`GuestStats`] is the port for telemetry, with adapter [`LibvirtStats`].
//! With the feature `simulated` there is also a hypervisor without virtual machines, for tests.
//!
//! What this crate does not do: read the stream (`memdeck-image` does), decide which guest is dumped when, or resume a
//! guest that anything but its own dump has stopped. All calls block; callers run them off the async runtime.

mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod guest_stats;
mod libvirt;
mod live;
mod outcome;
mod port;
mod signs;
#[cfg(any(test, feature = "simulated"))]
pub mod simulated;
mod stream;

pub use error::{Cause, GuestEnd, HypervisorError};
pub use guest_stats::{Collection, GuestSample, GuestStats};
pub use libvirt::{Libvirt, LibvirtStats, StatsOptions};
pub use live::{LiveCall, LiveControl, LiveDump, LiveOptions, LiveStats};
pub use outcome::{DumpOutcome, LiveOutcome};
pub use port::{Aftermath, DumpCall, FrozenDump, Host, Hypervisor};
pub use signs::DumpSigns;
pub use stream::{Cut, DumpStream, Valve};

//! What is read of a guest: its system, and the rows of each table.

use serde::{Deserialize, Serialize};

use super::table::Missing;
use super::text::GuestText;
use crate::{Millis, Timestamp};

/// The guest's operating system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestSystem {
    /// Release of the kernel, as `uname -r` prints it.
    pub kernel: Option<GuestText>,
    /// Which build of it, as `uname -v` prints it.
    pub kernel_build: Option<GuestText>,
    /// As `uname -m` prints it.
    pub machine: Option<GuestText>,
    /// As `uname -n` prints it.
    pub host_name: Option<GuestText>,
    /// When the guest booted, by its own clock.
    pub booted_at: Option<Timestamp>,
    /// Why that is not known.
    pub booted_at_missing: Option<Missing>,
}

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProcessKind {
    /// A program.
    User,
    /// A thread of the kernel.
    Kernel,
    /// It has ended: its parent has not asked for its end yet, or its entry was not used again.
    Ended,
}

/// A process of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestProcess {
    pub pid: u32,
    /// That of its parent; `None` if that cannot be read.
    pub parent_pid: Option<u32>,
    /// Its short name, as the kernel keeps it.
    pub name: GuestText,
    /// Its command line, as the process left it.
    pub command_line: Option<GuestText>,
    /// The program that it runs, from the root of its file system.
    pub program: Option<GuestText>,
    /// What it is.
    pub kind: ProcessKind,
    /// Number of its user.
    pub user_id: u32,
    /// Number of its group.
    pub group_id: u32,
    /// How many threads it has beside the first.
    pub further_threads: u32,
    /// When it began, in milliseconds after the guest booted.
    pub started_ms: Option<Millis>,
    /// Whether it is in one of the kernel's two lists only; see [`super::Inside::lists_compared`].
    pub hidden: bool,
}

/// A file that a process has open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenFile {
    pub pid: u32,
    /// Number of the descriptor.
    pub descriptor: u64,
    /// From the root of its file system.
    pub path: GuestText,
}

/// A module that is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestModule {
    pub name: GuestText,
    /// Its version, where it states one.
    pub version: Option<GuestText>,
    /// `live`, `coming`, `going` or `unformed`.
    pub state: Option<GuestText>,
    /// Whether it taints the kernel: it is not of the kernel's source, was forced, or the like.
    pub taints: bool,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestInterface {
    pub name: GuestText,
    /// Its hardware address.
    pub hardware_address: Option<GuestText>,
    /// `address/mask` each.
    pub addresses: Vec<GuestText>,
    /// `up` where the kernel says that it works; missing where it says anything else, or nothing, as of `lo`.
    pub state: Option<GuestText>,
}

/// A connection, or a socket that waits for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestConnection {
    /// `tcp` or `udp`.
    pub protocol: GuestText,
    /// State of TCP.
    pub state: Option<GuestText>,
    /// `address:port`.
    pub local: Option<GuestText>,
    /// `address:port`.
    pub remote: Option<GuestText>,
}

/// A line of the kernel's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KernelLogLine {
    /// Microseconds after boot.
    pub at_us: u64,
    /// 0 is an emergency, 7 is for debugging.
    pub level: u8,
    /// What it says.
    pub text: GuestText,
}

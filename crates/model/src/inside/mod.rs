//! What a guest itself knew: its processes, files, modules, interfaces, connections and log, read out of a dump.
//!
//! All of it comes from memory that the guest could write to. Texts and tables are bounded when they are made
//! ([`GuestText`], [`InsideTable`]).

mod changes;
mod mapped;
mod problem;
mod reading;
mod rows;
mod table;
mod text;
mod tree;

use serde::{Deserialize, Serialize};

pub(crate) use self::changes::rebooted;
pub use self::changes::{ComparedReading, InsideChanges, InsideComparison, MOST_CHANGED_ROWS, RowChanges};
pub use self::mapped::{MOST_OWNERS, MappedMemory, MappedProcess, MemoryOwner, MemoryOwners, PageRuns};
pub use self::problem::{InsideProblem, InsideProblemKind, other_readers};
pub use self::reading::{InsideReading, InsideState};
pub use self::rows::{
    GuestConnection, GuestInterface, GuestModule, GuestProcess, GuestSystem, KernelLogLine, OpenFile,
    ProcessKind,
};
pub use self::table::{InsideTable, Missing, MissingWhy};
pub use self::text::GuestText;
pub use self::tree::{TreeRow, process_tree};
use crate::{DumpId, GuestName, Millis, Timestamp};

/// The version of [`Inside`]; a kept result of another version is made anew.
pub const INSIDE_VERSION: u32 = 1;

/// What a guest itself knew when it was dumped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inside {
    /// [`INSIDE_VERSION`] of the program that made it.
    pub version: u32,
    /// Which dump, where that is known.
    pub dump_id: Option<DumpId>,
    /// Whose memory it is, where that is known.
    pub guest: Option<GuestName>,
    /// When the dump began, where that is known.
    pub taken_at: Option<Timestamp>,
    /// How long it took to read.
    pub took_ms: Millis,
    /// The operating system.
    pub system: GuestSystem,
    /// Whether processes were listed in two ways. If so, one that is in one list only is [`GuestProcess::hidden`].
    pub lists_compared: bool,
    /// Processes, by number.
    pub processes: InsideTable<GuestProcess>,
    /// Files that processes have open.
    pub open_files: InsideTable<OpenFile>,
    /// Loaded modules.
    pub modules: InsideTable<GuestModule>,
    /// Network interfaces.
    pub interfaces: InsideTable<GuestInterface>,
    /// Connections, and sockets that wait for some.
    pub connections: InsideTable<GuestConnection>,
    /// The kernel's log, oldest first.
    pub kernel_log: InsideTable<KernelLogLine>,
    /// Which processes have which pages mapped. Kept beside the image, to say whose a place in memory is; sent to nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub mapped: Option<MappedMemory>,
}

impl Inside {
    /// See [`process_tree`].
    #[must_use]
    pub fn tree(&self) -> Vec<TreeRow<'_>> {
        process_tree(&self.processes.rows)
    }
}

//! What a guest itself knew, out of a stored image: processes, files, modules, interfaces, connections, log.
//!
//! ```text
//! service, command line ──► worker::run ──► a process of its own, with limits ──► answer, bounded JSON
//!                                                │ worker::answer
//!                                                ▼
//!                         memory (stored image, mapped) ──► linux (by mquire) ──► tables
//! ```
//!
//! An image is made by a guest, which may be hostile: nothing here runs in a process that does anything else.

mod kept;
mod linux;
mod memory;
mod owners;
mod processes;
mod worker;

use std::path::Path;
use std::time::Instant;

use memdeck_model::{INSIDE_VERSION, Inside, InsideProblem, InsideProblemKind, Record, with_causes};

use self::linux::Tables;
use self::memory::{GuestMemory, MemoryError};

pub use self::kept::{from_kept, kept_beside, to_kept};
pub use self::worker::{InsideLimits, InsideRequest, READ_INSIDE_SUBCOMMAND, answer, run};

/// Reads all there is. Only for a process of its own.
fn read(image: &Path, record: Option<&Record>, most_unpacked: u64) -> Result<Inside, InsideProblem> {
    let began = Instant::now();
    let (memory, manifest) = GuestMemory::open(image, record, most_unpacked).map_err(|error| {
        let kind = match &error {
            MemoryError::Image(_) => InsideProblemKind::Image,
            MemoryError::NoRoom { .. } | MemoryError::File(_) => InsideProblemKind::NoRoom,
        };
        InsideProblem::new(kind, with_causes(&error))
    })?;
    let tables = linux::read(memory).map_err(|_| {
        InsideProblem::new(
            InsideProblemKind::NoKernel,
            "no Linux kernel that describes its own types (BTF) was found in this memory: the guest runs another \
             system, an older kernel, or one that was built without",
        )
    })?;
    let Tables {
        system,
        lists_compared,
        processes,
        open_files,
        modules,
        interfaces,
        connections,
        kernel_log,
        mapped,
    } = tables;
    Ok(Inside {
        version: INSIDE_VERSION,
        dump_id: manifest.as_ref().map(|manifest| manifest.dump_id.clone()),
        guest: manifest.as_ref().map(|manifest| manifest.guest.name.clone()),
        taken_at: manifest.as_ref().map(|manifest| manifest.started_at),
        took_ms: began.elapsed().into(),
        system,
        lists_compared,
        processes,
        open_files,
        modules,
        interfaces,
        connections,
        kernel_log,
        mapped: Some(mapped),
    })
}

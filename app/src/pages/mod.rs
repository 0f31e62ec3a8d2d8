//! The pages, one folder each.

mod memory_dumps;
mod not_found;
mod title;

pub use memory_dumps::MemoryDumps;
pub use not_found::NotFound;

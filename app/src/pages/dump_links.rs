//! Where a dump is looked at. What an id is made of needs no escaping in an address.

use memdeck_model::DumpId;

use crate::base;
use crate::routes::Page;

/// The page with its record and what can be done with its image.
pub fn details_of(id: &DumpId) -> String {
    base::href(&format!("{}?dump={id}", Page::MemoryDumps.path()))
}

/// What its guest itself knew.
pub fn inside_of(id: &DumpId) -> String {
    base::href(&format!("{}?dump={id}", Page::Inside.path()))
}

/// Where patterns are in its memory.
pub fn hunt_in(id: &DumpId) -> String {
    base::href(&format!("{}?dump={id}", Page::Hunt.path()))
}

/// The file that says who had it and what was done with it.
pub fn custody_of(id: &DumpId) -> String {
    base::href(&format!("/api/memory-dumps/{id}/custody"))
}

/// What changed since the dump before it.
pub fn comparison_of(id: &DumpId) -> String {
    base::href(&format!("{}?b={id}", Page::Compare.path()))
}

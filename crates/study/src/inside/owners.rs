//! The pages that each process has mapped for itself, by its page tables.
//!
//! ```text
//! mm->pgd ──► 256 of 512 entries: the half of addresses that is not the kernel's ──► three more levels ──► pages
//! ```
//!
//! Intel's manual, volume 3, chapter 4.5: four levels of tables of 512 entries of 8 bytes; bit 0 says that an entry is there, bit 7 that
//! it is a large page and no table. Tables are a guest's, which may be hostile: what is read and kept of them is bounded.

use memdeck_model::{MappedMemory, MappedProcess, PageRuns};
use mquire::memory::primitives::PhysicalAddress;
use mquire::memory::readable::Readable;

use super::processes::Listed;

const ENTRIES: usize = 512;
const TABLE_BYTES: usize = 4096;
const IS_PRESENT: u64 = 1;
const IS_LARGE: u64 = 1 << 7;
/// Bits 12 to 51 of an entry are an address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Pages that an entry of each level is, from the root on: those of the first are always tables.
const LEVEL_PAGES: [u64; 4] = [1 << 27, 1 << 18, 1 << 9, 1];
/// Tables that are read in all: those of 2 TiB of memory in small pages.
const MOST_TABLES: u64 = 1 << 20;
/// Pages that are looked at in all: a library is counted for each process.
const MOST_PAGES: u64 = 16 << 20;
/// Bytes that are kept.
const MOST_KEPT: usize = 12 << 20;

/// What is left of the bounds.
struct Left {
    tables: u64,
    pages: u64,
}

/// The pages of these processes.
pub(super) fn mapped(memory: &dyn Readable, processes: Vec<Listed>) -> MappedMemory {
    let memory_end = memory.len().unwrap_or(0);
    let mut mapped = MappedMemory::default();
    let mut left = Left { tables: MOST_TABLES, pages: MOST_PAGES };
    let mut kept = 0_usize;
    for Listed { pid, name, page_table, .. } in processes {
        let Some(table) = page_table else { continue };
        let mut pages = Vec::new();
        let is_whole = walk(memory, memory_end, table, 0, &mut left, &mut pages);
        let runs = PageRuns::of(pages);
        kept = kept.saturating_add(runs.size());
        if !is_whole || kept > MOST_KEPT {
            mapped.is_cut_short = true;
            break;
        }
        mapped.processes.push(MappedProcess { pid, name, pages: runs });
    }
    mapped.processes.sort_by_key(|process| process.pid);
    mapped
}

/// Adds the pages below a table; false where the bounds were met.
fn walk(
    memory: &dyn Readable,
    memory_end: u64,
    table: u64,
    level: usize,
    left: &mut Left,
    pages: &mut Vec<u64>,
) -> bool {
    let Some(entry_pages) = LEVEL_PAGES.get(level).copied() else { return true };
    let Some(tables) = left.tables.checked_sub(1) else { return false };
    left.tables = tables;
    let mut bytes = [0; TABLE_BYTES];
    // A table that is not in the image leads nowhere.
    if memory.read(&mut bytes, PhysicalAddress::new(table)).is_ok_and(|count| count == TABLE_BYTES) {
        // The upper half of the uppermost table is the kernel's.
        let entries = if level == 0 { ENTRIES / 2 } else { ENTRIES };
        let (words, _) = bytes.as_chunks::<8>();
        for word in words.iter().take(entries) {
            let entry = u64::from_le_bytes(*word);
            let address = entry & ADDRESS;
            if entry & IS_PRESENT == 0 || address >= memory_end {
                continue;
            }
            let is_page = entry_pages == 1 || level > 0 && entry & IS_LARGE != 0;
            if !is_page {
                if !walk(memory, memory_end, address, level.saturating_add(1), left, pages) {
                    return false;
                }
                continue;
            }
            // The lower bits of a large page's address say something else.
            let first = address / 4096 / entry_pages * entry_pages;
            let count = entry_pages.min((memory_end / 4096).saturating_sub(first));
            let Some(rest) = left.pages.checked_sub(count) else { return false };
            left.pages = rest;
            pages.extend(first..first.saturating_add(count));
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use memdeck_model::{GuestPhysAddr, GuestText};
    use mquire::memory::error::Error;
    use mquire::memory::primitives::RawVirtualAddress;
    use mquire::memory::virtual_address::VirtualAddress;

    use super::*;

    /// Bytes, and where memory ends.
    struct Memory(Vec<u8>, u64);

    impl Memory {
        fn new(pages: usize, end: u64) -> Self {
            Self(vec![0; pages * 4096], end)
        }

        fn set(&mut self, table: u64, entry: usize, value: u64) {
            let at = usize::try_from(table).unwrap() + entry * 8;
            self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
    }

    impl Readable for Memory {
        fn read(&self, buffer: &mut [u8], address: PhysicalAddress) -> Result<usize, Error> {
            let from = usize::try_from(address.value()).unwrap_or(usize::MAX).min(self.0.len());
            let count = buffer.len().min(self.0.len() - from);
            buffer[..count].copy_from_slice(&self.0[from..from + count]);
            Ok(count)
        }

        fn len(&self) -> Result<u64, Error> {
            Ok(self.1)
        }

        fn regions(&self) -> Result<Vec<Range<PhysicalAddress>>, Error> {
            Ok(vec![PhysicalAddress::new(0)..PhysicalAddress::new(self.0.len() as u64)])
        }
    }

    fn of(memory: &Memory, tables: &[u64]) -> MappedMemory {
        let at = VirtualAddress::new(PhysicalAddress::new(0), RawVirtualAddress::new(0));
        let listed = |(pid, table): (u32, &u64)| Listed {
            at,
            pid,
            name: GuestText::new("init", 16),
            page_table: Some(*table),
        };
        mapped(memory, (1..).zip(tables).map(listed).collect())
    }

    #[test]
    fn pages_are_found_through_four_levels_large_ones_too_and_the_kernels_are_left_out() {
        let end = 1 << 32;
        let mut memory = Memory::new(16, end);
        for (table, entry, value) in [
            (0x1000, 3, 0x2000 | 7),
            // The kernel's half leads to the same.
            (0x1000, 256, 0x6000 | 7),
            (0x2000, 0, 0x3000 | 7),
            (0x3000, 1, 0x4000 | 7),
            // Not there; there, with the bit that forbids to run it; beyond the guest's memory.
            (0x4000, 0, 0x8000),
            (0x4000, 511, 0x9000 | 5 | 1 << 63),
            (0x4000, 12, end | 7),
            // 2 MiB, with a bit of the address that says something else.
            (0x3000, 2, 0x20_0000 | 1 << 12 | IS_LARGE | 7),
            (0x6000, 0, 0x3000 | 7),
        ] {
            memory.set(table, entry, value);
        }
        let mapped = of(&memory, &[0x1000]);
        assert!(!mapped.is_cut_short);
        let pages: Vec<u64> =
            (0..0x1000).filter(|page| mapped.processes[0].pages.has(GuestPhysAddr(page * 4096))).collect();
        let expected: Vec<u64> = [9].into_iter().chain(0x200..0x400).collect();
        assert_eq!(pages, expected);
    }

    #[test]
    fn tables_that_lead_to_themselves_end() {
        let mut memory = Memory::new(4, 1 << 40);
        for entry in 0..ENTRIES {
            memory.set(0x1000, entry, 0x1000 | 7);
        }
        let begun = std::time::Instant::now();
        let mapped = of(&memory, &[0x1000, 0x1000]);
        assert!(mapped.is_cut_short && mapped.processes.is_empty());
        assert!(begun.elapsed().as_secs() < 60);
        assert_eq!(mapped.owners(GuestPhysAddr(0x1000)), None);
        let none = of(&memory, &[ADDRESS, 0x3000]);
        assert!(!none.is_cut_short && none.processes.len() == 2);
        assert!(!none.processes[0].pages.has(GuestPhysAddr(0)));
    }
}

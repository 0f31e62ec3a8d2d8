//! Which processes of a guest have which pages of its memory mapped.
//!
//! A process has tens of thousands of pages, in thousands of runs: they are kept as numbers of few bytes, in hexadecimal digits.

use serde::{Deserialize, Serialize};

use super::text::GuestText;
use crate::GuestPhysAddr;

/// Bytes of a page.
const PAGE_BYTES: u64 = 4096;
/// Processes that are named of one place; a page of a library is mapped by many.
pub const MOST_OWNERS: usize = 8;

/// The pages that processes have mapped for themselves: not those of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedMemory {
    /// By process, in the order of their numbers.
    pub processes: Vec<MappedProcess>,
    /// Whether there was more than is kept: that a place is nobody's says nothing then.
    pub is_cut_short: bool,
}

/// The pages of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedProcess {
    pub pid: u32,
    pub name: GuestText,
    pub pages: PageRuns,
}

/// A process that has a place in memory mapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemoryOwner {
    pub pid: u32,
    /// Its short name, as the kernel keeps it.
    pub name: GuestText,
}

/// Who has a place in memory mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemoryOwners {
    /// By number, at most eight. None: it is the kernel's, a file's that nobody has mapped now, or nobody's.
    pub processes: Vec<MemoryOwner>,
    /// How many more there are.
    pub further: u64,
}

impl MappedMemory {
    /// Who has the byte at this guest-physical address mapped; `None` where that cannot be said.
    #[must_use]
    pub fn owners(&self, address: GuestPhysAddr) -> Option<MemoryOwners> {
        let mut owners = MemoryOwners::default();
        for process in self.processes.iter().filter(|process| process.pages.has(address)) {
            if owners.processes.len() < MOST_OWNERS {
                owners.processes.push(MemoryOwner { pid: process.pid, name: process.name.clone() });
            } else {
                owners.further += 1;
            }
        }
        (!self.is_cut_short || !owners.processes.is_empty()).then_some(owners)
    }
}

/// Runs of pages, in ascending order. Of each, the pages from the end of the one before to its first, and how many it has; both as
/// LEB128 in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRuns {
    #[serde(with = "crate::hex")]
    runs: Vec<u8>,
}

impl PageRuns {
    /// Of the numbers of pages, the first of memory being 0, in any order.
    #[must_use]
    pub fn of(mut pages: Vec<u64>) -> Self {
        pages.sort_unstable();
        pages.dedup();
        let mut runs = Self::default();
        let mut last = 0;
        let mut pages = pages.into_iter().peekable();
        while let Some(first) = pages.next() {
            let mut end = first.saturating_add(1);
            while pages.next_if_eq(&end).is_some() {
                end = end.saturating_add(1);
            }
            runs.push(first.saturating_sub(last));
            runs.push(end.saturating_sub(first));
            last = end;
        }
        runs
    }

    fn push(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                self.runs.push(low & 0x7f);
                return;
            }
            self.runs.push(low | 0x80);
        }
    }

    /// Whether the page with this byte is among them.
    #[must_use]
    pub fn has(&self, address: GuestPhysAddr) -> bool {
        let page = address.0 / PAGE_BYTES;
        let mut bytes = self.runs.iter();
        let mut end = 0_u64;
        while let (Some(gap), Some(count)) = (number(&mut bytes), number(&mut bytes)) {
            let first = end.saturating_add(gap);
            end = first.saturating_add(count);
            if page < end {
                return page >= first;
            }
        }
        false
    }

    /// How many bytes they take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.runs.len()
    }
}

fn number(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_page_is_among_runs_if_it_was_put_there(pages in proptest::collection::vec(0_u64..600, 0..300)) {
            let runs = PageRuns::of(pages.clone());
            for page in 0..610 {
                let address = GuestPhysAddr(page * PAGE_BYTES + page % PAGE_BYTES);
                prop_assert_eq!(runs.has(address), pages.contains(&page));
            }
            let json = serde_json::to_string(&runs).unwrap();
            prop_assert_eq!(serde_json::from_str::<PageRuns>(&json).unwrap(), runs);
        }

        #[test]
        fn nonsense_is_no_page_and_no_endless_loop(runs: Vec<u8>, address: u64) {
            let _ = PageRuns { runs }.has(GuestPhysAddr(address));
        }
    }

    #[test]
    fn a_place_has_those_who_mapped_it_and_nobody_says_so_only_where_all_is_known() {
        let process = |pid, pages: &[u64]| MappedProcess {
            pid,
            name: GuestText::new("web", 16),
            pages: PageRuns::of(pages.to_vec()),
        };
        let far = u64::MAX / PAGE_BYTES;
        let mut mapped = MappedMemory {
            processes: (1..=10).map(|pid| process(pid, &[5, 6, far])).chain([process(99, &[7])]).collect(),
            is_cut_short: false,
        };
        let shared = mapped.owners(GuestPhysAddr(5 * PAGE_BYTES + 17)).unwrap();
        assert_eq!((shared.processes.len(), shared.further), (8, 2));
        assert_eq!(mapped.owners(GuestPhysAddr(7 * PAGE_BYTES)).unwrap().processes[0].pid, 99);
        assert_eq!(mapped.owners(GuestPhysAddr(u64::MAX)).unwrap().further, 2);
        assert_eq!(mapped.owners(GuestPhysAddr(0)), Some(MemoryOwners::default()));
        mapped.is_cut_short = true;
        assert_eq!(mapped.owners(GuestPhysAddr(0)), None);
        assert!(mapped.owners(GuestPhysAddr(7 * PAGE_BYTES)).is_some());
    }
}

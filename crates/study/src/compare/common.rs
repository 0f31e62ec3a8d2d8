//! Which pages two images have in common: those at the same guest-physical addresses.

use memdeck_image::PageRun;

const PAGE_BYTES: u64 = 4096;

/// Pages that lie together in both images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Common {
    /// Guest-physical address of the first.
    pub(super) address: u64,
    pub(super) pages: u64,
    /// Its number in the first image.
    pub(super) in_first: u64,
    /// Its number in the second.
    pub(super) in_second: u64,
}

/// Two runs of one image hold the same memory, from this address on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overlap(pub(super) u64);

/// The pages in common, in ascending order of addresses. Pages that begin at different places of a page are not the same.
pub(super) fn common(first: &[PageRun], second: &[PageRun]) -> Result<Vec<Common>, Overlap> {
    let (first, second) = (ascending(first)?, ascending(second)?);
    let (mut a, mut b) = (first.iter().peekable(), second.iter().peekable());
    let mut found = Vec::new();
    while let (Some(one), Some(other)) = (a.peek(), b.peek()) {
        let (start, end) = (one.address.0.max(other.address.0), end(one).min(self::end(other)));
        let is_aligned = one.address.0.abs_diff(other.address.0) % PAGE_BYTES == 0;
        if start < end && is_aligned {
            let page = |run: &PageRun| {
                run.first_page.saturating_add(start.saturating_sub(run.address.0) / PAGE_BYTES)
            };
            found.push(Common {
                address: start,
                pages: end.saturating_sub(start).div_ceil(PAGE_BYTES),
                in_first: page(one),
                in_second: page(other),
            });
        }
        if self::end(one) <= self::end(other) {
            a.next();
        } else {
            b.next();
        }
    }
    Ok(found)
}

/// Where its last page ends; saturates at the end of memory.
fn end(run: &PageRun) -> u64 {
    run.address.0.saturating_add(run.pages.saturating_mul(PAGE_BYTES))
}

fn ascending(runs: &[PageRun]) -> Result<Vec<PageRun>, Overlap> {
    let mut runs = runs.to_vec();
    runs.sort_by_key(|run| run.address);
    let mut last = 0;
    for run in &runs {
        if run.address.0 < last {
            return Err(Overlap(run.address.0));
        }
        last = end(run);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestPhysAddr;

    use super::*;

    fn runs(places: &[(u64, u64)]) -> Vec<PageRun> {
        let mut first_page = 0;
        let run = |&(address, pages): &(u64, u64)| {
            let bytes = pages * PAGE_BYTES;
            let run = PageRun { address: GuestPhysAddr(address), offset: 0, bytes, first_page, pages };
            first_page += pages;
            run
        };
        places.iter().map(run).collect()
    }

    fn found(first: &[(u64, u64)], second: &[(u64, u64)]) -> Vec<(u64, u64, u64, u64)> {
        let common = common(&runs(first), &runs(second)).unwrap();
        common.iter().map(|part| (part.address, part.pages, part.in_first, part.in_second)).collect()
    }

    #[test]
    fn memory_is_in_common_where_the_addresses_are() {
        let guest = [(0, 160), (0xc_0000, 1000), (1 << 32, 64)];
        let all: Vec<_> = vec![(0, 160, 0, 0), (0xc_0000, 1000, 160, 160), (1 << 32, 64, 1160, 1160)];
        assert_eq!(found(&guest, &guest), all);
        // One range in the first is two in the second, in another order, and it has more memory.
        assert_eq!(
            found(&[(0, 100)], &[(60 * 4096, 200), (0, 50)]),
            [(0, 50, 0, 200), (60 * 4096, 40, 60, 0)]
        );
        assert_eq!(found(&[(0, 10)], &[(10 * 4096, 10)]), []);
        assert_eq!(found(&[(0, 10)], &[(100, 10)]), [], "pages that begin elsewhere");
    }

    #[test]
    fn memory_that_is_there_twice_is_refused() {
        assert_eq!(common(&runs(&[(0, 10), (4096, 10)]), &runs(&[(0, 1)])), Err(Overlap(4096)));
        assert!(common(&runs(&[(u64::MAX - 4095, 1)]), &runs(&[(u64::MAX - 4095, 1)])).is_ok());
    }
}

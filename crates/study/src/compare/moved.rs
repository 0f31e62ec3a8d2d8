//! Which content of the second image was somewhere in the first. The memory that takes is bounded: of a large guest the
//! first image's fingerprints are looked at in several rounds.

use std::io::{Read, Seek};

use memdeck_image::{PageEntry, PageMap};
use memdeck_model::PageClass;

use super::common::Common;
use super::{CompareError, Side, walk};

/// Fingerprints that are in memory at once: 64 MiB of them.
const MOST_FINGERPRINTS: u64 = 4 << 20;
const BITS: u64 = 64;

/// Which pages hold what was elsewhere before.
pub(super) enum Moved {
    /// Every fingerprint of the first image, in ascending order.
    Fingerprints(Vec<u128>),
    /// A bit for each page in common.
    Pages(Vec<u64>),
}

impl Moved {
    /// Finds them. `most` fingerprints are in memory at once.
    pub(super) fn find<R: Read + Seek>(
        first: &mut PageMap<R>,
        second: &mut PageMap<R>,
        common: &[Common],
        most: u64,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Self, CompareError> {
        let rounds = first.pages().div_ceil(most.max(1)).max(1);
        if rounds == 1 {
            return Ok(Self::Fingerprints(fingerprints(first, 0, 1, is_cancelled)?));
        }
        let pages: u64 = common.iter().map(|part| part.pages).sum();
        let mut bits = vec![0_u64; usize::try_from(pages.div_ceil(BITS)).unwrap_or(usize::MAX)];
        for round in 0..rounds {
            let known = fingerprints(first, round, rounds, is_cancelled)?;
            walk(first, second, common, is_cancelled, &mut |number, _, before, after| {
                let is_asked = can_move(&after) && round_of(&after, rounds) == round;
                if is_asked && before.fingerprint != after.fingerprint && has(&known, &after) {
                    let word = usize::try_from(number / BITS).ok().and_then(|word| bits.get_mut(word));
                    if let Some(word) = word {
                        *word |= 1 << (number % BITS);
                    }
                }
                std::ops::ControlFlow::Continue(())
            })?;
        }
        Ok(Self::Pages(bits))
    }

    pub(super) fn most() -> u64 {
        MOST_FINGERPRINTS
    }

    /// Whether a page, whose content changed, holds what was elsewhere before. `number` counts pages in common.
    pub(super) fn has(&self, number: u64, after: &PageEntry) -> bool {
        match self {
            Self::Fingerprints(known) => can_move(after) && has(known, after),
            Self::Pages(bits) => {
                let word = usize::try_from(number / BITS).ok().and_then(|word| bits.get(word));
                word.is_some_and(|word| word >> (number % BITS) & 1 == 1)
            }
        }
    }
}

/// Whether there is something to recognise in a page.
fn can_move(entry: &PageEntry) -> bool {
    !matches!(entry.class, PageClass::Zero | PageClass::Uniform)
}

fn has(known: &[u128], entry: &PageEntry) -> bool {
    known.binary_search(&u128::from_le_bytes(entry.fingerprint)).is_ok()
}

/// In which round a page is looked at. Fingerprints are spread evenly; those that are not make a round larger, and no
/// result another.
fn round_of(entry: &PageEntry, rounds: u64) -> u64 {
    let last = entry.fingerprint.last_chunk().copied().unwrap_or_default();
    u64::from_le_bytes(last) % rounds.max(1)
}

fn fingerprints<R: Read + Seek>(
    map: &mut PageMap<R>,
    round: u64,
    rounds: u64,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Vec<u128>, CompareError> {
    let mut known = Vec::new();
    let entries = map.entries(0).map_err(|source| CompareError::PageMap { side: Side::First, source })?;
    for (number, entry) in (0_u64..).zip(entries) {
        super::check(number, is_cancelled)?;
        let entry = entry.map_err(|source| CompareError::PageMap { side: Side::First, source })?;
        if can_move(&entry) && (rounds == 1 || round_of(&entry, rounds) == round) {
            known.push(u128::from_le_bytes(entry.fingerprint));
        }
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

//! Checks the chain row by row, and says what somebody did to it.
//!
//! A row is *intact* if its hash is that of its bytes, its number included. It is *linked* if it names the hash of the row
//! before it. What is not so is explained by the least that would lead to it:
//!
//! ```text
//! intact, linked ─────────────────────────────────────► as it was written
//! numbers jump ───────────────────────────────────────► rows between were removed
//! intact under another number, the next one too ──────► rows before were inserted or removed, and the rest renumbered
//! intact under another number, this one alone ────────► reordered
//! not intact ─────────────────────────────────────────► changed
//! intact, but the next row names another hash ────────► changed, and its hash made anew
//! ```
//!
//! Whoever can make all hashes anew leaves no trace in the rows. Those who knew the end of the audit earlier, the manifests
//! of images, are [`Witness`]es against them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AuditAction, AuditFinding, AuditHash, AuditHead, AuditReport, AuditRow, ChainStart, Restored, Witness,
};

/// SHA-256 of bytes.
pub type Hasher = fn(&[u8]) -> AuditHash;

/// Findings that are reported.
const MOST_FINDINGS: usize = 1000;
/// Rows that are not intact and are kept, to see whether they are in each other's places.
const MOST_SUSPECTS: usize = 200;
/// How many rows may have been inserted or removed in one place, if the rows behind it were renumbered, for that to be
/// recognised as such.
const FURTHEST: i64 = 64;

/// The row before the one that is looked at.
#[derive(Clone, Copy)]
struct Before {
    seq: u64,
    hash: AuditHash,
    /// Whether something was found wrong with it.
    is_suspect: bool,
    /// How far from its number it was written, if that is not as far as the rows before it.
    displaced: Option<i64>,
}

/// A chain within the audit.
struct Chain {
    start: ChainStart,
    last: u64,
}

/// A check that goes on. Rows are given in the order of their numbers.
pub struct ChainCheck {
    hasher: Hasher,
    witnesses: BTreeMap<(AuditHash, u64), Vec<Witness>>,
    witness_count: u64,
    rows: u64,
    before: Option<Before>,
    /// The hash of the row before that.
    second: AuditHash,
    /// What to add to the number of a row for the one it was written with.
    shift: i64,
    chain: AuditHash,
    chains: Vec<(AuditHash, Chain)>,
    found: BTreeSet<AuditFinding>,
    more: bool,
    suspects: Vec<AuditRow>,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for ChainCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainCheck").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl ChainCheck {
    /// Hashes with `hasher`, and believes `witnesses`.
    #[must_use]
    pub fn new(hasher: Hasher, witnesses: Vec<Witness>) -> Self {
        let mut known: BTreeMap<(AuditHash, u64), Vec<Witness>> = BTreeMap::new();
        let witness_count = u64::try_from(witnesses.len()).unwrap_or(u64::MAX);
        for witness in witnesses {
            known.entry((witness.head.chain, witness.head.seq)).or_default().push(witness);
        }
        Self {
            hasher,
            witnesses: known,
            witness_count,
            rows: 0,
            before: None,
            second: AuditHash::NONE,
            shift: 0,
            chain: AuditHash::NONE,
            chains: Vec::new(),
            found: BTreeSet::new(),
            more: false,
            suspects: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// The next row.
    pub fn row(&mut self, row: &AuditRow) {
        self.rows += 1;
        let before = self.before.take();
        let expected = before.map_or(1, |before| before.seq.saturating_add(1));
        let has_gap = row.seq > expected;
        if has_gap {
            self.find(AuditFinding::Removed { from: expected, to: row.seq - 1 });
        }
        let own = moved(row.seq, self.shift);
        let mut now = Before { seq: row.seq, hash: row.hash, is_suspect: false, displaced: None };
        if self.is_intact_as(row, own) {
            self.check_link(row, before.filter(|_| !has_gap), now.seq);
        } else if let Some(displaced) = self.displacement(row) {
            now.displaced = Some(displaced);
            self.displaced(row, displaced, before);
        } else {
            now.is_suspect = true;
            self.find(AuditFinding::Changed { seq: row.seq });
            if self.suspects.len() < MOST_SUSPECTS {
                self.suspects.push(row.clone());
            }
        }
        self.follow_chain(row);
        self.ask_witnesses(row);
        self.second = before.map_or(AuditHash::NONE, |before| before.hash);
        self.before = Some(now);
    }

    /// A row that cannot be read at all.
    pub fn unreadable(&mut self, seq: u64) {
        self.rows += 1;
        self.find(AuditFinding::Changed { seq });
        let hash = AuditHash::NONE;
        self.second = self.before.map_or(hash, |before| before.hash);
        self.before = Some(Before { seq, hash, is_suspect: true, displaced: None });
    }

    /// A row with a number that memdeck gives to none: 0, or less.
    pub fn before_the_first(&mut self) {
        self.rows += 1;
        self.find(AuditFinding::Inserted { from: 0, to: 0 });
    }

    fn is_intact_as(&mut self, row: &AuditRow, seq: u64) -> bool {
        row.canonical(seq, &mut self.bytes);
        (self.hasher)(&self.bytes) == row.hash
    }

    /// How far from its number the row was written, if it is intact otherwise.
    fn displacement(&mut self, row: &AuditRow) -> Option<i64> {
        // Where so much is wrong, it does not matter any more how it came about.
        if self.found.len() >= MOST_FINDINGS {
            return None;
        }
        let near = (1..=FURTHEST).flat_map(|far| [self.shift - far, self.shift + far]);
        let tries: Vec<i64> = near.filter(|far| row.seq.checked_add_signed(*far).is_some()).collect();
        tries.into_iter().find(|far| self.is_intact_as(row, moved(row.seq, *far)))
    }

    /// An intact row must name the hash of the one before it.
    fn check_link(&mut self, row: &AuditRow, before: Option<Before>, seq: u64) {
        let Some(before) = before else {
            if seq == 1 && row.previous != AuditHash::NONE {
                self.find(AuditFinding::Removed { from: 1, to: 1 });
            }
            return;
        };
        if row.previous == before.hash || before.is_suspect || before.displaced.is_some() {
            return;
        }
        self.found.remove(&AuditFinding::Changed { seq: before.seq });
        if row.previous == self.second {
            self.find(AuditFinding::Inserted { from: before.seq, to: before.seq });
        } else {
            self.find(AuditFinding::Changed { seq: before.seq });
        }
    }

    /// A row that is intact under another number. If the row before it is so by as much, it is no single one that was moved.
    fn displaced(&mut self, row: &AuditRow, displaced: i64, before: Option<Before>) {
        let was = moved(row.seq, displaced);
        let Some(first) = before.filter(|before| before.displaced == Some(displaced)) else {
            self.find(AuditFinding::Reordered { seq: row.seq, was });
            return;
        };
        let by = displaced - self.shift;
        self.found.remove(&AuditFinding::Reordered { seq: first.seq, was: moved(first.seq, displaced) });
        if by < 0 {
            // The rows just before the first that is numbered higher are those that came in between.
            let from = first.seq.saturating_sub(by.unsigned_abs());
            for seq in from..first.seq {
                self.found.remove(&AuditFinding::Changed { seq });
                self.suspects.retain(|suspect| suspect.seq != seq);
            }
            self.find(AuditFinding::Inserted { from, to: first.seq.saturating_sub(1) });
        } else {
            let from = moved(first.seq, self.shift);
            self.find(AuditFinding::Removed { from, to: from + by.unsigned_abs() - 1 });
        }
        self.shift = displaced;
    }

    fn follow_chain(&mut self, row: &AuditRow) {
        if row.action == AuditAction::ChainBegun.as_str() {
            self.chain = row.hash;
            let start = row.read_details().and_then(|details| details.chain).unwrap_or_default();
            self.chains.push((row.hash, Chain { start, last: row.seq }));
        } else if let Some((_, chain)) = self.chains.last_mut() {
            chain.last = row.seq;
        }
    }

    fn ask_witnesses(&mut self, row: &AuditRow) {
        let seq = moved(row.seq, self.shift);
        let Some(known) = self.witnesses.remove(&(self.chain, seq)) else { return };
        for witness in known.into_iter().filter(|witness| witness.head.hash != row.hash) {
            self.find(AuditFinding::Rewritten { seq: row.seq, dump_id: witness.dump_id });
        }
    }

    fn find(&mut self, finding: AuditFinding) {
        if self.found.len() < MOST_FINDINGS {
            self.found.insert(finding);
        } else {
            self.more = true;
        }
    }

    /// There are no more rows. `end` is the newest one as the catalog notes it beside the rows.
    #[must_use]
    pub fn end(mut self, end: Option<&AuditHead>) -> AuditReport {
        self.see_who_changed_places();
        let last = self.before;
        match (end, last) {
            (None, Some(_)) => self.find(AuditFinding::EndRemoved),
            (Some(end), last) => {
                let seq = last.map_or(0, |last| last.seq);
                let noted = end.seq;
                // Renumbered rows were reported already.
                if moved(seq, self.shift) < noted {
                    self.find(AuditFinding::Removed { from: seq + 1, to: noted });
                } else if seq > noted && self.shift == 0 {
                    self.find(AuditFinding::Inserted { from: noted + 1, to: seq });
                } else if last.is_some_and(|last| last.hash != end.hash && !last.is_suspect)
                    && self.found.is_empty()
                {
                    self.find(AuditFinding::Changed { seq });
                }
            }
            (None, None) => {}
        }
        let restored = self.judge_witnesses();
        let chain = self.chain;
        AuditReport {
            intact: self.found.is_empty(),
            rows: self.rows,
            head: last.map(|last| AuditHead { chain, seq: last.seq, hash: last.hash }),
            witnesses: self.witness_count,
            restored,
            findings: self.found.into_iter().collect(),
            more: self.more,
        }
    }

    /// Rows that are not intact may be in each other's places, however far apart, or in those of rows that are gone.
    fn see_who_changed_places(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        let mut places: BTreeSet<u64> = suspects.iter().map(|row| row.seq).collect();
        for finding in &self.found {
            if let AuditFinding::Removed { from, to } = finding {
                places.extend((*from..=*to).take(MOST_SUSPECTS));
            }
        }
        for row in &suspects {
            let was = places.iter().copied().find(|place| self.is_intact_as(row, *place));
            if let Some(was) = was {
                self.found.remove(&AuditFinding::Changed { seq: row.seq });
                self.find(AuditFinding::Reordered { seq: row.seq, was });
            }
        }
    }

    /// What those say whose row was not found: it was lost in a restoration, or somebody removed it.
    fn judge_witnesses(&mut self) -> Vec<Restored> {
        let mut furthest: BTreeMap<AuditHash, (u64, Witness)> = BTreeMap::new();
        for ((chain, seq), witnesses) in std::mem::take(&mut self.witnesses) {
            // In the order of the numbers, so the last one is the furthest.
            furthest.extend(witnesses.into_iter().next().map(|witness| (chain, (seq, witness))));
        }
        let mut restored = Vec::new();
        let chains = std::mem::take(&mut self.chains);
        for (place, (chain, Chain { start, .. })) in chains.iter().enumerate() {
            let before = place.checked_sub(1).and_then(|place| chains.get(place));
            if let Some(at) = start.restored_at {
                let missing = if let Some((before, Chain { last, .. })) = before {
                    furthest.remove(before).map_or(0, |(seq, _)| seq.saturating_sub(*last))
                } else {
                    // Nothing was left: whatever manifests name was before it.
                    let known: BTreeSet<_> = chains.iter().map(|(known, _)| *known).collect();
                    let lost: Vec<_> =
                        furthest.keys().copied().filter(|lost| !known.contains(lost)).collect();
                    lost.into_iter().filter_map(|lost| furthest.remove(&lost)).map(|(seq, _)| seq).sum()
                };
                restored.push(Restored { at, missing });
            }
            if place + 1 == chains.len()
                && let Some((seq, _)) = furthest.remove(chain)
                && let Some(last) = self.before.map(|last| last.seq).filter(|last| *last < seq)
            {
                self.find(AuditFinding::Removed { from: last + 1, to: seq });
            }
        }
        for (chain, (seq, witness)) in furthest {
            self.find(AuditFinding::ChainRemoved { chain, seq, dump_id: witness.dump_id });
        }
        restored
    }
}

fn moved(seq: u64, by: i64) -> u64 {
    seq.saturating_add_signed(by)
}

#[cfg(test)]
mod tests;

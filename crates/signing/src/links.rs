//! Whether the dumps of a host are all there, and in the order in which they were sealed. Pure: somebody else reads manifests.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use memdeck_model::{HostChainPlace, SignatureCheck};
use serde::Serialize;

use crate::chain::HostChain;
use crate::key::KnownKeys;

/// A manifest as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainedDump {
    pub manifest: PathBuf,
    /// SHA-256 of the manifest.
    pub sha256: String,
    /// `None` if it says nothing of a chain.
    pub place: Option<HostChainPlace>,
    pub signature: SignatureCheck,
}

/// Something that is not as it should be. Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChainFinding {
    /// Manifests are not there.
    #[error("{} of chain {chain}: no manifest is there{}", numbers(*first..=*last), hashed(named.as_ref()))]
    Missing {
        chain: String,
        first: u64,
        last: u64,
        /// SHA-256 of the last of them, where that is known.
        named: Option<String>,
    },
    /// A manifest is another than the one that was sealed.
    #[error(
        "number {number} of chain {chain}: {} is not the manifest that was sealed: its SHA-256 is {found}, but {} says {recorded}",
        path.display(), witness(*number, *by_state)
    )]
    Exchanged {
        chain: String,
        number: u64,
        path: PathBuf,
        recorded: String,
        found: String,
        /// Whether the state directory says so, and not the next manifest.
        by_state: bool,
    },
    /// A manifest names one as the dump before it that has another number.
    #[error("number {number} of chain {chain}: {} names number {named} as the dump before it", path.display())]
    OutOfOrder { chain: String, number: u64, path: PathBuf, named: u64 },
    /// A manifest that names no dump before it and is not the first, or the other way round.
    #[error("number {number} of chain {chain}: {} does not say which dump was before it", path.display())]
    Unlinked { chain: String, number: u64, path: PathBuf },
    /// Several manifests have one number.
    #[error("number {number} of chain {chain} is given to {} manifests: {}", paths.len(), listed(paths))]
    Doubled { chain: String, number: u64, paths: Vec<PathBuf> },
    /// A manifest has a higher number than this host has given.
    #[error("number {number} of chain {chain}: {} was not sealed here: the newest of this host is number {newest}", path.display())]
    NotOfThisHost { chain: String, number: u64, path: PathBuf, newest: u64 },
    /// The signature of a manifest does not vouch for it.
    #[error("{}: signature {signature}", path.display())]
    Signature { path: PathBuf, signature: SignatureCheck },
    /// A manifest cannot be read.
    #[error("{}: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
}

/// A chain, as far as its manifests are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedChain {
    pub id: String,
    /// Manifests of it.
    pub dumps: u64,
    /// The lowest number.
    pub first: u64,
    /// The highest number.
    pub last: u64,
    /// SHA-256 of the manifest with the highest number.
    pub newest_sha256: String,
    /// Whether the state directory was asked for its end: else nobody knows whether newer dumps are missing.
    pub end_is_known: bool,
}

/// What a check of chains found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Whether nothing is missing, exchanged or out of order.
    pub whole: bool,
    pub chains: Vec<CheckedChain>,
    /// Manifests without a place in a chain: of older versions, or sealed while the chain could not go on.
    pub unchained: u64,
    /// Manifests with a valid signature.
    pub signed: u64,
    /// All manifests.
    pub dumps: u64,
    pub findings: Vec<ChainFinding>,
}

/// Checks dumps against each other and, where it is known, the end of this host's chain. Their signatures were checked with
/// `keys`.
pub fn check_links(dumps: &[ChainedDump], end: Option<&HostChain>, keys: &KnownKeys) -> ChainReport {
    let mut findings = Vec::new();
    let mut chains: BTreeMap<&str, Numbers<'_>> = BTreeMap::new();
    for dump in dumps {
        if keys.is_doubtful(&dump.signature) {
            let (path, signature) = (dump.manifest.clone(), dump.signature.clone());
            findings.push(ChainFinding::Signature { path, signature });
        }
        if let Some(place) = &dump.place {
            chains.entry(&place.id).or_default().entry(place.number).or_default().push((place, dump));
        }
    }
    if let Some(end) = end.filter(|end| end.number > 0) {
        chains.entry(&end.id).or_default();
    }
    let mut checked = Vec::new();
    for (id, numbers) in &chains {
        let end = end.filter(|end| end.id == *id);
        let by_sha256 = numbers
            .iter()
            .flat_map(|(number, dumps)| dumps.iter().map(move |(_, dump)| (dump.sha256.as_str(), *number)));
        let mut links = Links { chain: id, numbers, by_sha256: by_sha256.collect(), findings: &mut findings };
        links.check(end);
        if let Some((last, newest)) = numbers.last_key_value() {
            checked.push(CheckedChain {
                id: (*id).to_owned(),
                dumps: numbers.values().map(|dumps| count(dumps.len())).sum(),
                first: numbers.first_key_value().map_or(0, |(first, _)| *first),
                last: *last,
                newest_sha256: newest.first().map(|(_, dump)| dump.sha256.clone()).unwrap_or_default(),
                end_is_known: end.is_some(),
            });
        }
    }
    ChainReport {
        whole: findings.is_empty(),
        chains: checked,
        unchained: count(dumps.iter().filter(|dump| dump.place.is_none()).count()),
        signed: count(
            dumps.iter().filter(|dump| matches!(dump.signature, SignatureCheck::Valid { .. })).count(),
        ),
        dumps: count(dumps.len()),
        findings,
    }
}

type Numbers<'a> = BTreeMap<u64, Vec<(&'a HostChainPlace, &'a ChainedDump)>>;

/// The numbers of one chain.
struct Links<'a> {
    chain: &'a str,
    numbers: &'a Numbers<'a>,
    /// The number of each manifest.
    by_sha256: HashMap<&'a str, u64>,
    findings: &'a mut Vec<ChainFinding>,
}

impl Links<'_> {
    fn check(&mut self, end: Option<&HostChain>) {
        let mut before: u64 = 0;
        let numbers = self.numbers;
        for (number, dumps) in numbers {
            if dumps.len() > 1 {
                let paths = dumps.iter().map(|(_, dump)| dump.manifest.clone()).collect();
                self.find(|chain| ChainFinding::Doubled { chain, number: *number, paths });
            }
            if *number > before.saturating_add(1) {
                let named = dumps.first().and_then(|(place, _)| place.previous.clone());
                self.missing(before.saturating_add(1), number - 1, named);
            }
            before = *number;
            for (place, dump) in dumps {
                self.check_link(place, dump);
            }
        }
        if let Some(end) = end {
            self.check_end(end, before);
        }
    }

    /// What a manifest says of the one before it.
    fn check_link(&mut self, place: &HostChainPlace, dump: &ChainedDump) {
        let (number, path) = (place.number, dump.manifest.clone());
        let Some(previous) = place.previous.as_ref().filter(|_| number > 1) else {
            if number != 1 || place.previous.is_some() {
                self.find(|chain| ChainFinding::Unlinked { chain, number, path });
            }
            return;
        };
        let numbered = self.by_sha256.get(previous.as_str()).copied();
        if let Some(named) = numbered.filter(|named| *named != number - 1) {
            self.find(|chain| ChainFinding::OutOfOrder { chain, number, path, named });
        } else if numbered.is_none() {
            self.exchanged(number - 1, previous, false);
        }
    }

    fn check_end(&mut self, end: &HostChain, last: u64) {
        let numbers = self.numbers;
        for (number, dumps) in numbers.range(end.number.saturating_add(1)..) {
            for (_, dump) in dumps {
                let (number, path, newest) = (*number, dump.manifest.clone(), end.number);
                self.find(|chain| ChainFinding::NotOfThisHost { chain, number, path, newest });
            }
        }
        if last < end.number {
            self.missing(last.saturating_add(1), end.number, end.manifest_sha256.clone());
        } else if let Some(recorded) = &end.manifest_sha256
            && self.by_sha256.get(recorded.as_str()) != Some(&end.number)
        {
            self.exchanged(end.number, recorded, true);
        }
    }

    /// The manifests with a number are others than one with that SHA-256.
    fn exchanged(&mut self, number: u64, recorded: &str, by_state: bool) {
        let numbers = self.numbers;
        for (_, dump) in numbers.get(&number).into_iter().flatten() {
            let (path, found) = (dump.manifest.clone(), dump.sha256.clone());
            let recorded = recorded.to_owned();
            self.find(|chain| ChainFinding::Exchanged { chain, number, path, recorded, found, by_state });
        }
    }

    fn missing(&mut self, first: u64, last: u64, named: Option<String>) {
        self.find(|chain| ChainFinding::Missing { chain, first, last, named });
    }

    fn find(&mut self, finding: impl FnOnce(String) -> ChainFinding) {
        self.findings.push(finding(self.chain.to_owned()));
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn numbers(range: RangeInclusive<u64>) -> String {
    let (first, last) = range.into_inner();
    if first == last { format!("number {first}") } else { format!("numbers {first} to {last}") }
}

fn hashed(sha256: Option<&String>) -> String {
    sha256.map_or_else(String::new, |sha256| format!(" (the SHA-256 of the last of them was {sha256})"))
}

fn witness(number: u64, by_state: bool) -> String {
    if by_state { "the state directory".to_owned() } else { format!("number {}", number.saturating_add(1)) }
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

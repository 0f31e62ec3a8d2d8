//! What was archived is read as it was, and whatever was changed since is found and named.

use std::fs;
use std::path::{Path, PathBuf};

use memdeck_model::archive::{Archive, ArchiveChoice};
use memdeck_model::{Actor, ByteCount, DumpId, GuestName, Record, SignatureCheck, Timestamp};
use memdeck_operations::{ArchiveWriter as _, NewArchive};
use memdeck_signing::{KnownKeys, PublicKey, SigningKey};
use proptest::prelude::*;

use super::read::{ArchiveFinding, ReadArchive, read};
use super::write::Writer;
use super::{hex, line};
use sha2::{Digest as _, Sha256};

const NAME: &str = "records-1";

/// An archive in a directory of its own.
struct Archived {
    dir: tempfile::TempDir,
    key: PublicKey,
}

impl Archived {
    fn of(records: &[Record]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::make().unwrap().0;
        let public = *key.public();
        let new = NewArchive {
            name: NAME.to_owned(),
            made_at: at(9),
            made_by: Actor::named("ada"),
            choice: ArchiveChoice { deleted: true, ..ArchiveChoice::default() },
        };
        let mut writer = Box::new(Writer::begin(dir.path(), new, key).unwrap());
        for record in records {
            writer.add(record).unwrap();
        }
        let archive = writer.seal().unwrap();
        assert_eq!(archive.records, records.len() as u64);
        let this = Self { dir, key: public };
        let mut names: Vec<_> = fs::read_dir(this.dir.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["records-1.csv", "records-1.json", "records-1.json.sig", "records-1.jsonl"]);
        this
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.dir.path().join(format!("{NAME}{suffix}"))
    }

    fn jsonl(&self) -> PathBuf {
        self.path(".jsonl")
    }

    fn read(&self) -> ReadArchive {
        read(&self.jsonl(), &KnownKeys::new(vec![self.key])).unwrap()
    }

    /// What is found when the file of records has these lines.
    fn with_lines(&self, lines: &[String]) -> ReadArchive {
        fs::write(self.jsonl(), lines.join("\n") + "\n").unwrap();
        self.read()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_763_110_703_550_273 + seconds * 1_000_000).unwrap()
}

fn record(number: u8) -> Record {
    Record {
        dump_id: Some(DumpId::from_uuid_bits(u128::from(number))),
        sha256: Some("ab".repeat(32)),
        gzip_size_bytes: Some(ByteCount(45)),
        ..Record::unknown(GuestName(format!("web-0{number}")), "7".to_owned(), at(number.into()))
    }
}

/// How many lines end there.
fn ends_in(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').count() as u64 - 1
}

fn lines_of(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// The numbers of the lines that are said to be wrong.
fn wrong(read: &ReadArchive) -> Vec<u64> {
    let line = |finding: &ArchiveFinding| match finding {
        ArchiveFinding::Line { line, .. } => Some(*line),
        _ => None,
    };
    read.findings.iter().filter_map(line).collect()
}

fn some_record() -> impl Strategy<Value = Record> {
    let texts = (any::<String>(), any::<String>(), proptest::option::of(any::<String>()));
    let numbers = (any::<u128>(), proptest::option::of(0_u64..1 << 62), any::<bool>(), 0_u32..4_000_000_000);
    (texts, numbers, 0_i64..1 << 50).prop_map(|((dom, vmid, host), (id, size, ok, micros), began)| Record {
        dump_id: Some(DumpId::from_uuid_bits(id)),
        host,
        gzip_size_bytes: size.map(ByteCount),
        duration_sec: Some(f64::from(micros) / 1e6),
        note: dom.parse().ok(),
        ok,
        deleted_by: Some(Actor::named("ada")),
        ..Record::unknown(GuestName(dom), vmid, Timestamp::from_unix_micros(began).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_was_archived_is_listed_again(records in proptest::collection::vec(some_record(), 1..20)) {
        let archived = Archived::of(&records);
        let read = archived.read();
        prop_assert_eq!(&read.findings, &[]);
        prop_assert_eq!(read.count, records.len() as u64);
        prop_assert_eq!(&read.records, &records);
        prop_assert_eq!(read.signature, SignatureCheck::Valid { key: archived.key.id() });
        // A header, and a row for each: rows may go over several lines.
        let mut csv = csv::Reader::from_path(archived.path(".csv")).unwrap();
        prop_assert_eq!(csv.records().map(Result::unwrap).count(), records.len());
    }
}

#[test]
fn every_prefix_of_the_records_is_found_to_be_cut_off() {
    let archived = Archived::of(&[record(1), record(2), record(3)]);
    let whole = fs::read(archived.jsonl()).unwrap();
    for length in 0..whole.len() {
        fs::write(archived.jsonl(), &whole[..length]).unwrap();
        let read = archived.read();
        assert!(!read.is_intact(), "{length}");
        let lines = ends_in(&whole[..length]);
        let is_in_a_line = length > 0 && whole[length - 1] != b'\n';
        let expected: Vec<u64> = if is_in_a_line { vec![lines + 1] } else { Vec::new() };
        assert_eq!(wrong(&read), expected, "{length}");
        let count = ArchiveFinding::Count { said: 3, found: lines + u64::from(is_in_a_line) };
        assert_eq!(read.findings.contains(&count), lines + u64::from(is_in_a_line) < 3, "{length}");
    }
}

#[test]
fn every_byte_that_is_another_is_found_and_the_line_is_named() {
    let archived = Archived::of(&[record(1), record(2), record(3)]);
    for suffix in [".jsonl", ".csv", ".json", ".json.sig"] {
        let path = archived.path(suffix);
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            fs::write(&path, &flipped).unwrap();
            let read = archived.read();
            assert!(!read.is_intact(), "{suffix} at {place}");
            if suffix == ".jsonl" {
                let line = ends_in(&whole[..place]) + 1;
                assert!(wrong(&read).contains(&line), "at {place}: {:?}", read.findings);
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(archived.read().is_intact());
}

#[test]
fn lines_that_are_changed_removed_doubled_or_exchanged_are_named() {
    let archived = Archived::of(&[record(1), record(2), record(3), record(4)]);
    let lines = lines_of(&archived.jsonl());
    let changed = |line: usize, text: String| {
        let mut lines = lines.clone();
        lines[line - 1] = text;
        lines
    };
    let read = archived.with_lines(&changed(2, lines[1].replace("web-02", "web-09")));
    assert_eq!(wrong(&read), [2]);
    assert_eq!(read.records.len(), 4, "what can be read is listed");
    let read = archived.with_lines(&changed(3, "no record".to_owned()));
    assert!(read.findings.iter().any(|found| found.to_string() == "line 3 is no record"), "{read:?}");
    let removed = [&lines[..1], &lines[2..]].concat();
    let read = archived.with_lines(&removed);
    assert_eq!(wrong(&read), [2]);
    assert!(read.findings.contains(&ArchiveFinding::Count { said: 4, found: 3 }));
    let doubled = [&lines[..2], &lines[1..]].concat();
    assert_eq!(wrong(&archived.with_lines(&doubled)), [3]);
    let mut exchanged = lines.clone();
    exchanged.swap(1, 2);
    assert_eq!(wrong(&archived.with_lines(&exchanged)), [2, 3, 4]);
    assert_eq!(archived.with_lines(&lines).findings, []);
}

#[test]
fn digests_that_were_computed_anew_do_not_help_without_the_key() {
    let archived = Archived::of(&[record(1), record(2)]);
    let mut before = line::LineDigest::beginning();
    let mut text = String::new();
    for record in [record(1), record(9)] {
        let (line, digest) = line::write(&record, &before).unwrap();
        text.push_str(&line);
        before = digest;
    }
    fs::write(archived.jsonl(), &text).unwrap();
    let read = archived.read();
    assert_eq!(read.findings, [ArchiveFinding::File { path: archived.jsonl() }]);
    // And described as it is now.
    let mut archive: Archive = read.archive.unwrap();
    archive.jsonl.sha256 = hex(Sha256::new_with_prefix(&text));
    archive.jsonl.size_bytes = ByteCount(text.len() as u64);
    fs::write(archived.path(".json"), serde_json::to_vec_pretty(&archive).unwrap()).unwrap();
    assert_eq!(archived.read().findings, [ArchiveFinding::Signature(SignatureCheck::Wrong)]);
    fs::remove_file(archived.path(".json.sig")).unwrap();
    assert!(matches!(
        &archived.read().findings[..],
        [ArchiveFinding::Signature(SignatureCheck::Missing { .. })]
    ));
    fs::remove_file(archived.path(".json")).unwrap();
    assert!(matches!(&archived.read().findings[..], [ArchiveFinding::Description { .. }]));
}

#[test]
fn whose_signature_it_is_counts_where_keys_are_known() {
    let archived = Archived::of(&[record(1)]);
    let key = archived.key.id();
    let other = *SigningKey::make().unwrap().0.public();
    let with = |keys: KnownKeys| read(&archived.jsonl(), &keys).unwrap();
    let unknown = SignatureCheck::UnknownKey { key: key.clone() };
    let read = with(KnownKeys::new(Vec::new()));
    assert_eq!((read.signature, read.findings), (unknown.clone(), Vec::new()), "nobody can say");
    for keys in [KnownKeys::new(vec![other]), KnownKeys::demanded(vec![other])] {
        assert_eq!(with(keys).findings, [ArchiveFinding::Signature(unknown.clone())]);
    }
    let read = with(KnownKeys::demanded(vec![other, archived.key]));
    assert_eq!((read.signature, read.findings), (SignatureCheck::Valid { key }, Vec::new()));
}

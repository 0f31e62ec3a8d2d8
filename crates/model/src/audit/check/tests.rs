use super::*;
use crate::audit::{AuditDetails, AuditObject, NewEntry};
use crate::{Actor, DumpId, Timestamp};

/// Not a good hash, but one that this crate can make: each byte changes every word.
fn hash(bytes: &[u8]) -> AuditHash {
    let mut words =
        [0x6a09_e667_f3bc_c908_u64, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1];
    for byte in bytes {
        for (word, odd) in words.iter_mut().zip([3_u64, 5, 7, 9]) {
            *word = (*word ^ u64::from(*byte))
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(5)
                .wrapping_add(odd);
        }
    }
    let mut hash = [0; 32];
    for (part, word) in hash.chunks_exact_mut(8).zip(words) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    AuditHash(hash)
}

fn at(n: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_700_000_000_000_000 + i64::try_from(n).unwrap()).unwrap()
}

fn seal(row: &mut AuditRow) {
    let mut bytes = Vec::new();
    row.canonical(row.seq, &mut bytes);
    row.hash = hash(&bytes);
}

fn begin(rows: &mut Vec<AuditRow>, start: ChainStart) {
    let details = AuditDetails { chain: Some(start), ..AuditDetails::default() };
    let seq = rows.len() as u64 + 1;
    let entry =
        NewEntry::new(at(seq), Actor::Service, AuditAction::ChainBegun, AuditObject::Audit).with(details);
    add(rows, &entry);
}

fn add(rows: &mut Vec<AuditRow>, entry: &NewEntry) {
    let previous = rows.last().map_or(AuditHash::NONE, |row| row.hash);
    let mut row = AuditRow::new(rows.len() as u64 + 1, entry, previous);
    seal(&mut row);
    rows.push(row);
}

fn dump(n: u64) -> DumpId {
    DumpId::from_uuid_bits(u128::from(n))
}

fn more(rows: &mut Vec<AuditRow>, to: u64) {
    for seq in rows.len() as u64 + 1..=to {
        let object = AuditObject::dump(dump(seq));
        add(rows, &NewEntry::new(at(seq), Actor::Page, AuditAction::DumpRequested, object));
    }
}

fn chain(rows: u64) -> Vec<AuditRow> {
    let mut made = Vec::new();
    begin(&mut made, ChainStart::default());
    more(&mut made, rows);
    made
}

fn head(rows: &[AuditRow], seq: usize) -> AuditHead {
    let chain = rows[..seq].iter().rfind(|row| row.action == "chain_begun").unwrap().hash;
    AuditHead { chain, seq: seq as u64, hash: rows[seq - 1].hash }
}

fn check(rows: &[AuditRow], end: &AuditHead, witnesses: Vec<Witness>) -> AuditReport {
    let mut check = ChainCheck::new(hash, witnesses);
    for row in rows {
        check.row(row);
    }
    check.end(Some(end))
}

/// What is found when somebody does something to twenty rows.
fn found(manipulate: impl FnOnce(&mut Vec<AuditRow>)) -> Vec<String> {
    let mut rows = chain(20);
    let end = head(&rows, 20);
    manipulate(&mut rows);
    check(&rows, &end, Vec::new()).findings.iter().map(ToString::to_string).collect()
}

fn renumber(rows: &mut [AuditRow]) {
    rows.iter_mut().zip(1..).for_each(|(row, seq)| row.seq = seq);
}

/// Makes every hash anew from that row on.
fn forge(rows: &mut [AuditRow], from: usize) {
    for at in from..rows.len() {
        rows[at].previous = if at == 0 { AuditHash::NONE } else { rows[at - 1].hash };
        seal(&mut rows[at]);
    }
}

#[test]
fn what_memdeck_wrote_is_intact() {
    for length in [1, 2, 20] {
        let rows = chain(length);
        let end = head(&rows, rows.len());
        let report = check(&rows, &end, vec![Witness { dump_id: dump(1), head: end.clone() }]);
        assert!(report.intact, "{report:?}");
        assert_eq!((report.rows, report.head, report.witnesses), (length, Some(end), 1));
    }
    let nothing = ChainCheck::new(hash, Vec::new()).end(None);
    assert_eq!((nothing.intact, nothing.rows, nothing.head), (true, 0, None));
}

#[test]
fn a_row_that_says_something_else_is_named() {
    assert_eq!(found(|rows| rows[6].actor = Actor::Api.to_json()), ["row 7 was changed"]);
    assert_eq!(found(|rows| rows[0].at += 1), ["row 1 was changed"]);
    assert_eq!(found(|rows| rows[19].address = Some(String::new())), ["row 20 was changed"]);
    assert_eq!(found(|rows| rows[6].hash.0[3] ^= 1), ["row 7 was changed"]);
    assert_eq!(found(|rows| rows[6].previous.0[3] ^= 1), ["row 7 was changed"]);
}

#[test]
fn a_row_whose_hash_was_made_anew_is_named_too() {
    let forged = |at: usize| {
        found(move |rows| {
            rows[at].actor = Actor::Api.to_json();
            seal(&mut rows[at]);
        })
    };
    assert_eq!(forged(6), ["row 7 was changed"]);
    assert_eq!(forged(19), ["row 20 was changed"]);
}

#[test]
fn rows_that_are_gone_are_named() {
    assert_eq!(found(|rows| drop(rows.remove(6))), ["row 7 was removed"]);
    assert_eq!(found(|rows| drop(rows.drain(0..3))), ["rows 1 to 3 were removed"]);
    assert_eq!(found(|rows| rows.truncate(15)), ["rows 16 to 20 were removed"]);
    assert_eq!(found(Vec::clear), ["rows 1 to 20 were removed"]);
    let closed = |range: std::ops::Range<usize>| {
        found(move |rows| {
            rows.drain(range);
            renumber(rows);
        })
    };
    assert_eq!(closed(6..7), ["row 7 was removed"]);
    assert_eq!(closed(6..9), ["rows 7 to 9 were removed"]);
}

#[test]
fn rows_that_came_in_between_are_named() {
    let insert = |is_forged: bool| {
        found(move |rows| {
            let mut row = rows[3].clone();
            row.previous = rows[5].hash;
            row.seq = 7;
            if is_forged {
                seal(&mut row);
            }
            rows.insert(6, row);
            renumber(rows);
        })
    };
    assert_eq!(insert(false), ["row 7 was inserted"]);
    assert_eq!(insert(true), ["row 7 was inserted"]);
    let appended = found(|rows| more(rows, 22));
    assert_eq!(appended, ["rows 21 to 22 were inserted"]);
}

#[test]
fn rows_in_each_others_places_are_named() {
    let swap = |one: usize, other: usize| {
        found(move |rows| {
            rows.swap(one, other);
            renumber(rows);
        })
    };
    for (one, other) in [(3, 12), (3, 4), (0, 19)] {
        let (a, b) = (one as u64 + 1, other as u64 + 1);
        let expected = [
            format!("rows were reordered: row {a} was row {b}"),
            format!("rows were reordered: row {b} was row {a}"),
        ];
        assert_eq!(swap(one, other), expected);
    }
}

#[test]
fn what_was_written_anew_with_all_hashes_is_shown_by_a_manifest() {
    let rows = chain(20);
    let witness = |seq| vec![Witness { dump_id: dump(9), head: head(&rows, seq) }];
    let mut forged = rows.clone();
    forged[6].actor = Actor::Api.to_json();
    forge(&mut forged, 6);
    let end = head(&forged, 20);
    assert!(check(&forged, &end, Vec::new()).intact, "nothing in the rows shows it");
    assert!(check(&forged, &end, witness(6)).intact, "the manifest is older than the manipulation");
    let report = check(&forged, &end, witness(12));
    assert_eq!(report.findings, [AuditFinding::Rewritten { seq: 12, dump_id: dump(9) }]);
    assert!(!report.intact);

    let mut shorter = rows[..10].to_vec();
    let report = check(&shorter, &head(&shorter, 10), witness(12));
    assert_eq!(report.findings, [AuditFinding::Removed { from: 11, to: 12 }]);

    shorter[0].at += 1;
    forge(&mut shorter, 0);
    let report = check(&shorter, &head(&shorter, 10), witness(12));
    assert!(matches!(report.findings[..], [AuditFinding::ChainRemoved { seq: 12, .. }]), "{report:?}");
}

#[test]
fn a_restoration_says_how_many_rows_are_missing_at_least() {
    let lost = chain(20);
    let witnesses = || [5, 17].map(|seq| Witness { dump_id: dump(9), head: head(&lost, seq) }).to_vec();
    // From a backup of row 12.
    let mut restored = lost[..12].to_vec();
    let start =
        ChainStart { after: Some(head(&restored, 12)), restored_at: Some(at(99)), ..ChainStart::default() };
    begin(&mut restored, start);
    more(&mut restored, 15);
    let report = check(&restored, &head(&restored, 15), witnesses());
    assert_eq!(report.restored, [Restored { at: at(99), missing: 5 }]);
    assert!(report.intact, "{report:?}");
    assert!(report.to_string().contains(&format!("restored at {}, 5 rows missing", at(99))), "{report}");

    // Without one.
    let mut new = Vec::new();
    begin(&mut new, ChainStart { restored_at: Some(at(99)), ..ChainStart::default() });
    let report = check(&new, &head(&new, 1), witnesses());
    assert_eq!(
        (report.restored.as_slice(), report.intact),
        (&[Restored { at: at(99), missing: 17 }][..], true)
    );
    // One that was begun anew without a word.
    let mut silent = Vec::new();
    begin(&mut silent, ChainStart { missing: Some(0), ..ChainStart::default() });
    let report = check(&silent, &head(&silent, 1), witnesses());
    assert!(matches!(report.findings[..], [AuditFinding::ChainRemoved { seq: 17, .. }]), "{report:?}");
}

#[test]
fn what_is_found_is_bounded() {
    let mut rows = chain(1100);
    let end = head(&rows, 1100);
    for row in &mut rows {
        row.actor = Actor::Api.to_json();
    }
    let report = check(&rows, &end, Vec::new());
    assert_eq!((report.findings.len(), report.more, report.intact), (MOST_FINDINGS, true, false));
}

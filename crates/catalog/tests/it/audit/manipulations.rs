//! A thousand random manipulations of the rows, with the triggers removed, as somebody would do who can write to the file.
//! Each must be found, and named for what it is.

use memdeck_catalog::Catalog;
use memdeck_model::audit::{AuditFinding, AuditHash, AuditHead, AuditRow, Witness};
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use super::{copied, entry};
use crate::support::{TestCatalog, id};

const ROWS: i64 = 120;
const MANIPULATIONS: u64 = 1000;

/// `SplitMix64`: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `first` to `last`, both included.
    fn among(&mut self, first: i64, last: i64) -> i64 {
        first + i64::try_from(self.next() % (last - first + 1).unsigned_abs()).unwrap()
    }
}

fn row(raw: &Connection, seq: i64) -> AuditRow {
    let columns = "seq, at, actor, address, action, object, result, details, previous, hash";
    let sql = format!("SELECT {columns} FROM audit WHERE seq = ?1");
    raw.query_row(&sql, [seq], |row| {
        Ok(AuditRow {
            seq: row.get::<_, i64>(0)?.unsigned_abs(),
            at: row.get(1)?,
            actor: row.get(2)?,
            address: row.get(3)?,
            action: row.get(4)?,
            object: row.get(5)?,
            result: row.get(6)?,
            details: row.get(7)?,
            previous: AuditHash(row.get(8)?),
            hash: AuditHash(row.get(9)?),
        })
    })
    .unwrap()
}

fn put(raw: &Connection, row: &AuditRow) {
    raw.execute(
        "REPLACE INTO audit (seq, at, actor, address, action, object, result, details, previous, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            i64::try_from(row.seq).unwrap(),
            row.at,
            row.actor,
            row.address,
            row.action,
            row.object,
            row.result,
            row.details,
            row.previous.0,
            row.hash.0,
        ],
    )
    .unwrap();
}

/// Gives a row the hash that it ought to have.
fn forged(mut row: AuditRow) -> AuditRow {
    let mut bytes = Vec::new();
    row.canonical(row.seq, &mut bytes);
    row.hash = AuditHash(Sha256::digest(&bytes).into());
    row
}

/// Adds `by` to the numbers of all rows from `first` on.
fn renumber(raw: &Connection, first: i64, by: i64) {
    raw.execute("UPDATE audit SET seq = -(seq + ?2) WHERE seq >= ?1", [first, by]).unwrap();
    raw.execute("UPDATE audit SET seq = -seq WHERE seq < 0", []).unwrap();
}

fn set_head(raw: &Connection, row: &AuditRow) {
    let seq = i64::try_from(row.seq).unwrap();
    raw.execute("UPDATE audit_head SET seq = ?1, hash = ?2", params![seq, row.hash.0]).unwrap();
}

fn changed(seq: i64) -> Vec<AuditFinding> {
    vec![AuditFinding::Changed { seq: seq.unsigned_abs() }]
}

fn removed(from: i64, to: i64) -> Vec<AuditFinding> {
    vec![AuditFinding::Removed { from: from.unsigned_abs(), to: to.unsigned_abs() }]
}

fn inserted(from: i64, to: i64) -> Vec<AuditFinding> {
    vec![AuditFinding::Inserted { from: from.unsigned_abs(), to: to.unsigned_abs() }]
}

/// Does one of the kinds of manipulations somewhere, and says what is to be found.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of manipulation")]
fn manipulate(raw: &Connection, numbers: &mut Numbers, witness: &AuditHead) -> Vec<AuditFinding> {
    raw.execute_batch("DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted;").unwrap();
    // The first row begins the chain; what follows is told apart from it below.
    let at = numbers.among(2, ROWS - 3);
    match numbers.next() % 16 {
        0 => {
            let columns = ["actor", "action", "object", "result", "details"];
            let column = columns[usize::try_from(numbers.next() % 5).unwrap()];
            raw.execute(&format!("UPDATE audit SET {column} = {column} || ' ' WHERE seq = ?1"), [at])
                .unwrap();
            changed(at)
        }
        1 => {
            let by = numbers.among(1, 1_000_000);
            raw.execute("UPDATE audit SET at = at + ?2 WHERE seq = ?1", [at, by]).unwrap();
            changed(at)
        }
        2 => {
            raw.execute("UPDATE audit SET address = '198.51.100.9' WHERE seq = ?1", [at]).unwrap();
            changed(at)
        }
        3 => {
            let mut row = row(raw, at);
            let byte = usize::try_from(numbers.next() % 32).unwrap();
            if numbers.next().is_multiple_of(2) {
                row.hash.0[byte] ^= 1;
            } else {
                row.previous.0[byte] ^= 0x80;
            }
            put(raw, &row);
            changed(at)
        }
        4 => {
            let row = row(raw, at);
            put(raw, &forged(AuditRow { actor: "{\"kind\":\"page\"}".to_owned(), ..row }));
            changed(at)
        }
        5 => {
            let to = numbers.among(at, ROWS - 1);
            raw.execute("DELETE FROM audit WHERE seq BETWEEN ?1 AND ?2", [at, to]).unwrap();
            removed(at, to)
        }
        6 => {
            raw.execute("DELETE FROM audit WHERE seq >= ?1", [at]).unwrap();
            removed(at, ROWS)
        }
        7 => {
            raw.execute("DELETE FROM audit WHERE seq <= ?1", [at]).unwrap();
            removed(1, at)
        }
        8 => {
            let to = numbers.among(at, (at + 9).min(ROWS - 2));
            raw.execute("DELETE FROM audit WHERE seq BETWEEN ?1 AND ?2", [at, to]).unwrap();
            renumber(raw, to + 1, at - to - 1);
            removed(at, to)
        }
        9 => {
            let mut row = row(raw, numbers.among(2, ROWS));
            renumber(raw, at, 1);
            row.seq = at.unsigned_abs();
            if numbers.next().is_multiple_of(2) {
                row.previous = super::manipulations::row(raw, at - 1).hash;
                row = forged(row);
            }
            put(raw, &row);
            inserted(at, at)
        }
        10 => {
            let last = row(raw, ROWS);
            put(raw, &forged(AuditRow { seq: last.seq + 1, previous: last.hash, ..last }));
            inserted(ROWS + 1, ROWS + 1)
        }
        11 => {
            let other = numbers.among(at + 1, ROWS);
            let (mut one, mut two) = (row(raw, at), row(raw, other));
            std::mem::swap(&mut one.seq, &mut two.seq);
            put(raw, &one);
            put(raw, &two);
            let (at, other) = (at.unsigned_abs(), other.unsigned_abs());
            vec![
                AuditFinding::Reordered { seq: at, was: other },
                AuditFinding::Reordered { seq: other, was: at },
            ]
        }
        12 => {
            // Everything anew from there on, and the note of the end.
            let mut previous = row(raw, at - 1);
            for seq in at..=ROWS {
                let row = row(raw, seq);
                previous = forged(AuditRow { at: row.at + 1, previous: previous.hash, ..row });
                put(raw, &previous);
            }
            set_head(raw, &previous);
            vec![AuditFinding::Rewritten { seq: witness.seq, dump_id: id("d9") }]
        }
        13 => {
            let to = numbers.among(2, ROWS - 3).unsigned_abs().min(witness.seq - 1);
            raw.execute("DELETE FROM audit WHERE seq > ?1", [i64::try_from(to).unwrap()]).unwrap();
            set_head(raw, &row(raw, i64::try_from(to).unwrap()));
            vec![AuditFinding::Removed { from: to + 1, to: witness.seq }]
        }
        14 => {
            raw.execute("DELETE FROM audit_head", []).unwrap();
            vec![AuditFinding::EndRemoved]
        }
        _ => {
            // A catalog that never had another audit, by its own account.
            let mut first = row(raw, 1);
            first.at += numbers.among(1, 1000);
            let first = forged(first);
            raw.execute("DELETE FROM audit", []).unwrap();
            put(raw, &first);
            raw.execute("UPDATE audit_head SET chain = ?1", [first.hash.0]).unwrap();
            set_head(raw, &first);
            let (chain, seq) = (witness.chain, witness.seq);
            vec![AuditFinding::ChainRemoved { chain, seq, dump_id: id("d9") }]
        }
    }
}

#[test]
fn each_of_a_thousand_manipulations_is_found_and_named() {
    let test = TestCatalog::new();
    for n in 2..=ROWS {
        test.catalog.note(&entry(n)).unwrap();
    }
    let TestCatalog { dir, catalog } = test;
    let witness = catalog.audit_head().unwrap().unwrap();
    let witnesses = vec![Witness { dump_id: id("d9"), head: witness.clone() }];
    assert!(catalog.verify_audit(witnesses.clone()).unwrap().intact);
    drop(catalog);
    let mut numbers = Numbers(2026);
    let theirs = tempfile::tempdir().unwrap();
    for n in 0..MANIPULATIONS {
        copied(dir.path(), theirs.path());
        let path = theirs.path().join(Catalog::FILE_NAME);
        let raw = Connection::open(&path).unwrap();
        // Fast, and nothing beside the file: these catalogs need not survive anything.
        raw.pragma_update_and_check(None, "journal_mode", "memory", |_| Ok(())).unwrap();
        raw.pragma_update(None, "synchronous", "OFF").unwrap();
        let expected = manipulate(&raw, &mut numbers, &witness);
        raw.close().unwrap();
        let catalog = Catalog::open_to_read(theirs.path()).unwrap();
        let report = catalog.verify_audit(witnesses.clone()).unwrap();
        assert!(!report.intact, "manipulation {n} was not found: {expected:?}");
        assert_eq!(first(&report.findings, expected.len()), expected, "manipulation {n}");
    }
}

/// The witness may have something to say, too, about what the rows show.
fn first(findings: &[AuditFinding], count: usize) -> Vec<AuditFinding> {
    findings.iter().take(count).cloned().collect()
}

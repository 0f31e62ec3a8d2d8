//! Legal holds: what may not be deleted, by case or by dump, and what retention has to decide about.

use memdeck_model::retention::{Hold, HoldOf, KeptImage, NewHold};
use memdeck_model::{Actor, ByteCount, DumpId, GuestName, Reach, Remark, Timestamp, Verdict};
use rusqlite::{OptionalExtension as _, Row};

use crate::column::{actor, instant, word};
use crate::verified::verdict;
use crate::{Catalog, CatalogError, within};

/// The most holds that are listed.
const MOST_HOLDS: u32 = 1_000;

/// The newest hold of a record that was not lifted.
pub(crate) const HELD: &str = "(SELECT reason FROM holds WHERE lifted_at IS NULL
    AND (holds.dump_id = records.dump_id OR holds.case_number = records.case_number) ORDER BY id DESC LIMIT 1)";

impl Catalog {
    /// Holds a case or a dump.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn add_hold(&self, new: &NewHold, by: &Actor, now: Timestamp) -> Result<Hold, CatalogError> {
        self.write("keep a hold", |tx| {
            let (case, dump) = match &new.of {
                HoldOf::Case(case) => (Some(case.as_str()), None),
                HoldOf::Dump(dump_id) => (None, Some(dump_id.as_str())),
            };
            tx.execute(
                "INSERT INTO holds (case_number, dump_id, reason, held_by, held_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                (case, dump, new.reason.as_str(), by.to_json(), now.unix_micros()),
            )?;
            let id = u32::try_from(tx.last_insert_rowid()).unwrap_or(u32::MAX);
            let NewHold { of, reason } = new.clone();
            Ok(Hold { id, of, reason, by: by.clone(), at: now, lifted_at: None, lifted_by: None, lift_reason: None })
        })
    }

    /// Lifts a hold. `None` if there is none of this number, or it was lifted already.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn lift_hold(
        &self,
        id: u32,
        reason: &Remark,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Option<Hold>, CatalogError> {
        self.write("lift a hold", |tx| {
            let lifted = tx.execute(
                "UPDATE holds SET lifted_at = ?2, lifted_by = ?3, lift_reason = ?4 WHERE id = ?1 AND lifted_at IS NULL",
                (id, now.unix_micros(), by.to_json(), reason.as_str()),
            )?;
            if lifted == 0 {
                return Ok(None);
            }
            let mut statement = tx.prepare_cached("SELECT * FROM holds WHERE id = ?1")?;
            let mut rows = statement.query([id])?;
            rows.next()?.map(read).transpose()
        })
    }

    /// The newest holds of dumps within `reach`, and of cases of which there is one; those that were lifted included.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn holds(&self, reach: &Reach) -> Result<Vec<Hold>, CatalogError> {
        self.list("list holds", |connection| {
            let seen = match reach.limit() {
                None => "TRUE",
                Some(set) => {
                    within::define(connection, set)?;
                    "EXISTS (SELECT 1 FROM records WHERE is_within(host, dom, guest_uuid)
                             AND (records.dump_id = holds.dump_id OR records.case_number = holds.case_number))"
                }
            };
            let mut statement = connection.prepare_cached(&format!(
                "SELECT * FROM holds WHERE {seen} ORDER BY lifted_at IS NOT NULL, id DESC LIMIT ?1"
            ))?;
            let mut rows = statement.query([MOST_HOLDS])?;
            let mut holds = Vec::new();
            while let Some(row) = rows.next()? {
                holds.push(read(row)?);
            }
            Ok(holds)
        })
    }

    /// Why the image of a dump may not be deleted; `None` if nothing holds it.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn hold_of(&self, dump_id: &DumpId) -> Result<Option<Remark>, CatalogError> {
        self.read("look for a hold", |connection| {
            // A dump may be held before its record is here.
            let mut statement = connection.prepare_cached(
                "SELECT reason FROM holds WHERE lifted_at IS NULL AND (dump_id = ?1
                     OR case_number = (SELECT case_number FROM records WHERE dump_id = ?1)) ORDER BY id DESC LIMIT 1",
            )?;
            let reason = statement.query_row([dump_id.as_str()], |row| row.get::<_, String>(0)).optional()?;
            reason.map(|text| crate::column::decode("reason", text)).transpose()
        })
    }

    /// Every image that is kept here or on a host, newest first, sound or not as its last verification found. A running
    /// dump uses what it is stored as a difference to; other uses are for the caller to add.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn images_to_decide(&self) -> Result<Vec<KeptImage>, CatalogError> {
        self.list("list the images that are kept", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT dump_id, dom, host, timestamp, gzip_size_bytes, difference_of, {HELD} AS held,
                     (SELECT verdict FROM verifications WHERE verifications.dump_id = records.dump_id) AS verdict,
                     EXISTS (SELECT 1 FROM jobs WHERE base = records.dump_id AND state IN ('queued', 'running')) AS is_base
                 FROM records
                 WHERE ok = 1 AND deleted_at IS NULL AND foreign_row IS NULL AND dump_id IS NOT NULL
                     AND dump_path IS NOT NULL AND dump_path <> ''
                 ORDER BY timestamp DESC, seq DESC"
            ))?;
            let mut rows = statement.query([])?;
            let mut images = Vec::new();
            while let Some(row) = rows.next()? {
                let Some(dump_id) = word(row, "dump_id")? else { continue };
                let bytes: Option<i64> = row.get("gzip_size_bytes")?;
                images.push(KeptImage {
                    dump_id,
                    guest: GuestName(row.get("dom")?),
                    host: row.get("host")?,
                    at: instant("timestamp", row.get("timestamp")?)?,
                    bytes: ByteCount(bytes.unwrap_or_default().unsigned_abs()),
                    // A sample is no proof, and what nothing confirms is not sound.
                    is_sound: match verdict(row, "verdict")? {
                        Some(Verdict::Intact) => Some(true),
                        Some(Verdict::Damaged) => Some(false),
                        _ => None,
                    },
                    held: word(row, "held")?,
                    is_in_use: row.get("is_base")?,
                    difference_of: word(row, "difference_of")?,
                });
            }
            Ok(images)
        })
    }
}

fn read(row: &Row<'_>) -> Result<Hold, CatalogError> {
    let of = match word(row, "case_number")? {
        Some(case) => HoldOf::Case(case),
        None => HoldOf::Dump(crate::column::decode(
            "dump_id",
            row.get::<_, Option<String>>("dump_id")?.unwrap_or_default(),
        )?),
    };
    let lifted_at: Option<i64> = row.get("lifted_at")?;
    Ok(Hold {
        id: row.get("id")?,
        of,
        reason: crate::column::decode("reason", row.get("reason")?)?,
        by: actor(row, "held_by")?.unwrap_or(Actor::Unknown),
        at: instant("held_at", row.get("held_at")?)?,
        lifted_at: lifted_at.map(|micros| instant("lifted_at", micros)).transpose()?,
        lifted_by: actor(row, "lifted_by")?,
        lift_reason: row.get::<_, Option<String>>("lift_reason")?.map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use memdeck_model::Record;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(1_763_110_740_000_000 + second * 1_000_000).unwrap()
    }

    fn record(n: i64, case: Option<&str>) -> (u64, Record) {
        let record = Record {
            dump_id: Some(format!("d{n}").parse().unwrap()),
            dump_path: Some(format!("/d{n}.zst")),
            gzip_size_bytes: Some(ByteCount(10)),
            case: case.map(|case| case.parse().unwrap()),
            ..Record::unknown(GuestName("web-01".to_owned()), "7".to_owned(), at(n))
        };
        (n.unsigned_abs(), record)
    }

    #[test]
    fn a_hold_of_a_case_and_one_of_a_dump_keep_until_they_are_lifted() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(dir.path()).unwrap();
        catalog.import("http://hv2", &[record(1, Some("IR-1")), record(2, None), record(3, None)]).unwrap();
        let asked = |of| NewHold { of, reason: "a court wants it".parse().unwrap() };
        let case =
            catalog.add_hold(&asked(HoldOf::Case("IR-1".parse().unwrap())), &Actor::Page, at(5)).unwrap();
        catalog.add_hold(&asked(HoldOf::Dump("d3".parse().unwrap())), &Actor::Page, at(6)).unwrap();
        let shown_held = || {
            let images = catalog.images_to_decide().unwrap();
            images
                .into_iter()
                .filter(|image| image.held.is_some())
                .map(|image| image.dump_id.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(shown_held(), ["d3", "d1"]);
        assert!(catalog.hold_of(&"d1".parse().unwrap()).unwrap().is_some());
        assert_eq!(catalog.hold_of(&"d2".parse().unwrap()).unwrap(), None);
        let why = "the case is closed".parse().unwrap();
        let lifted = catalog.lift_hold(case.id, &why, &Actor::Api, at(7)).unwrap().unwrap();
        assert_eq!((lifted.lifted_at, lifted.lifted_by), (Some(at(7)), Some(Actor::Api)));
        assert_eq!(catalog.lift_hold(case.id, &why, &Actor::Api, at(8)).unwrap(), None, "once");
        assert_eq!(shown_held(), ["d3"]);
        let in_order: Vec<u32> =
            catalog.holds(&Reach::Everything).unwrap().iter().map(|hold| hold.id).collect();
        assert_eq!(in_order, [2, 1], "those that hold come first");
    }
}

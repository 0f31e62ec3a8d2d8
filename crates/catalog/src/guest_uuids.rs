//! The UUIDs of guests in records of before they had them.

use rusqlite::{Connection, OptionalExtension as _};

use crate::column::RECORD_COLUMNS;
use crate::row_digest::{is_altered, refresh};

/// The schema version that brings the column.
pub(crate) const SINCE_VERSION: usize = 22;

/// Gives records the UUIDs that their dumps have, where those are known. A row that something else changed stays as it is: its
/// digest must go on to say so.
pub(crate) fn fill(connection: &Connection) -> rusqlite::Result<()> {
    let mut dumps = connection.prepare(
        "SELECT record_seq, guest_uuid FROM jobs WHERE record_seq IS NOT NULL AND guest_uuid IS NOT NULL
         UNION
         SELECT records.seq, remote_dumps.guest_uuid FROM remote_dumps JOIN records USING (dump_id)
         WHERE records.origin IS NOT NULL AND remote_dumps.guest_uuid IS NOT NULL",
    )?;
    let dumps = dumps.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let dumps: Vec<(i64, String)> = dumps.collect::<rusqlite::Result<_>>()?;
    let mut row = connection.prepare(&format!(
        "SELECT {RECORD_COLUMNS} FROM records WHERE records.seq = ?1 AND records.guest_uuid IS NULL"
    ))?;
    let mut update = connection.prepare("UPDATE records SET guest_uuid = ?2 WHERE seq = ?1")?;
    for (seq, uuid) in dumps {
        // Rows of before digests get theirs afterwards.
        let is_sound = |row: &rusqlite::Row<'_>| {
            Ok(row.get_ref("row_digest")? == rusqlite::types::ValueRef::Null || !is_altered(row)?)
        };
        if row.query_row([seq], is_sound).optional()? == Some(true) {
            update.execute((seq, uuid))?;
            refresh(connection, seq)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use memdeck_model::RecordQuery;
    use rusqlite::Connection;

    use crate::schema::{MIGRATIONS, migrate};
    use crate::{Catalog, row_digest};

    #[test]
    fn records_of_before_get_the_uuids_of_their_dumps_and_one_that_was_changed_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(Catalog::FILE_NAME);
        let mut old = Connection::open(&path).unwrap();
        migrate(&path, &mut old, &MIGRATIONS[..super::SINCE_VERSION - 1]).unwrap();
        let rows = "INSERT INTO records (seq, origin, dump_id, timestamp, dom, vmid, ok) VALUES
                (1, NULL, 'd1', 1, 'web-01', '1', 1), (2, NULL, 'd2', 2, 'web-01', '1', 1),
                (3, 'http://hv2:5001', 'd3', 3, 'db-01', '1', 1);
            INSERT INTO jobs (dump_id, vm, guest_uuid, guest_name, guest_vmid, state, message, requested_by, queued_at,
                              started_at, finished_at, record_seq) VALUES
                ('d1', 'web-01', 'uuid-of-web', 'web-01', '1', 'completed', '', 'x', 1, 1, 1, 1),
                ('d2', 'web-01', 'uuid-of-web', 'web-01', '1', 'completed', '', 'x', 2, 2, 2, 2);
            INSERT INTO remote_dumps (service, dump_id, status, is_final, changed_at, guest_uuid, guest_name, guest_vmid)
                VALUES ('http://hv2:5001', 'd3', '{}', 1, 3, 'uuid-of-db', 'db-01', '1');";
        old.execute_batch(rows).unwrap();
        // As the version before wrote them, which did not know the columns.
        let columns = "ALTER TABLE records ADD COLUMN guest_uuid TEXT; ALTER TABLE records ADD COLUMN difference_of TEXT";
        old.execute_batch(columns).unwrap();
        row_digest::fill(&old).unwrap();
        old.execute_batch(
            "ALTER TABLE records DROP COLUMN guest_uuid; ALTER TABLE records DROP COLUMN difference_of;
             UPDATE records SET dom = 'web-02' WHERE seq = 2",
        )
        .unwrap();
        drop(old);

        let page = Catalog::open(dir.path()).unwrap().records(&RecordQuery::newest(10, 0)).unwrap();
        let told: Vec<_> =
            page.records.iter().map(|record| (record.guest_uuid.as_deref(), record.altered)).collect();
        assert_eq!(told, [(Some("uuid-of-db"), false), (None, true), (Some("uuid-of-web"), false)]);
    }
}

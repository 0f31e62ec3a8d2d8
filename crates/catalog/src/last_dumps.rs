//! The newest dump of each guest.

use memdeck_model::{ByteCount, GuestName, LastDump, Millis, Reach};
use rusqlite::Row;

use crate::column::{instant, word};
use crate::{Catalog, CatalogError, within};

/// The most guests that are returned, those that were dumped last first.
const MOST_GUESTS: u32 = 2000;

impl Catalog {
    /// The newest successful dump of each guest within `reach`, own and imported, the newest first; at most 2000. Guests are
    /// distinguished by host and name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn last_dumps(&self, reach: &Reach) -> Result<Vec<LastDump>, CatalogError> {
        self.list("find the last dump of each guest", |connection| {
            // `SQLite` takes the other columns of a group from the row that has its maximum. Of dumps that began in the same
            // microsecond it is any.
            let records = within::records_within(connection, reach, within::LISTING)?;
            let mut statement = connection.prepare_cached(&format!(
                "WITH newest (seq, at) AS (
                     SELECT seq, max(timestamp) FROM records {records} AND ok = 1 GROUP BY host, dom
                 )
                 SELECT dom, host, dump_id, timestamp, gzip_size_bytes, pause_ms FROM newest JOIN records USING (seq)
                 ORDER BY at DESC LIMIT ?1"
            ))?;
            let mut rows = statement.query([MOST_GUESTS])?;
            let mut dumps = Vec::new();
            while let Some(row) = rows.next()? {
                dumps.push(read(row)?);
            }
            Ok(dumps)
        })
    }
}

fn read(row: &Row<'_>) -> Result<LastDump, CatalogError> {
    let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(i64::unsigned_abs));
    Ok(LastDump {
        dom: GuestName(row.get("dom")?),
        host: row.get("host")?,
        dump_id: word(row, "dump_id")?,
        at: instant("timestamp", row.get("timestamp")?)?,
        stored: number("gzip_size_bytes")?.map(ByteCount),
        pause_ms: number("pause_ms")?.map(Millis),
    })
}

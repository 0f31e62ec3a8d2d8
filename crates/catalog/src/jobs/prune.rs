//! Which ended jobs are forgotten. Records are not: a job only says how a dump came about and, if there is no record, how
//! it ended.

use memdeck_model::{Millis, Timestamp};
use rusqlite::{Connection, params};

/// How long an ended job is kept.
const KEPT_FOR: Millis = Millis(90 * 24 * 60 * 60 * 1000);
/// The most ended jobs of guests that are kept.
const KEPT: u32 = 10_000;
/// The most ended jobs that are kept of texts that named no guest.
const KEPT_WITHOUT_GUEST: u32 = 500;
/// So many jobs are added between two looks.
const EVERY: u64 = 100;

/// Forgets the oldest ended jobs, now and then, when job `seq` was added. A job whose guest needs care stays.
pub(super) fn prune(connection: &Connection, seq: u64, now: Timestamp) -> rusqlite::Result<()> {
    if !seq.is_multiple_of(EVERY) {
        return Ok(());
    }
    for (has_guest, kept) in [(true, KEPT), (false, KEPT_WITHOUT_GUEST)] {
        connection.execute(
            "DELETE FROM jobs
             WHERE state NOT IN ('queued', 'running') AND (guest_uuid IS NOT NULL) = ?1
             AND dump_id NOT IN (SELECT dump_id FROM intents)
             AND (finished_at < ?2 OR seq <= (
                 SELECT seq FROM jobs WHERE state NOT IN ('queued', 'running') AND (guest_uuid IS NOT NULL) = ?1
                 ORDER BY seq DESC LIMIT 1 OFFSET ?3))",
            params![has_guest, now.minus(KEPT_FOR).unix_micros(), kept],
        )?;
    }
    Ok(())
}

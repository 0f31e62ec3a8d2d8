//! The newest dump of a guest, under every way in which the guest can be named.
//!
//! What a text means is decided when a dump is asked for: the table `asked` says which job it led to. A guest is its
//! UUID from then on, and the newest dump of that guest is the one that is shown, whatever it was asked for by.

use std::collections::BTreeMap;
use std::sync::Arc;

use memdeck_model::{Timestamp, VmRef};
use rusqlite::{Connection, OptionalExtension, params};

use super::row::{many, one};
use crate::Job;
use crate::{Catalog, CatalogError};

/// The most guests, and the most texts, of which the newest dumps are listed.
const MOST: u32 = 1_000;

/// The newest job of every guest, or of every text that led to none.
const NEWEST: &str = "SELECT max(seq) AS newest FROM jobs WHERE guest_uuid IS NOT NULL GROUP BY guest_uuid
                      UNION ALL
                      SELECT max(seq) FROM jobs WHERE guest_uuid IS NULL GROUP BY vm";

/// From now on `vm` leads to `job`.
pub(super) fn lead(connection: &Connection, vm: &VmRef, job: &Job, at: Timestamp) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO asked (vm, job_seq, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (vm) DO UPDATE SET job_seq = excluded.job_seq, at = excluded.at",
        params![vm.as_str(), i64::try_from(job.seq).unwrap_or(i64::MAX), at.unix_micros()],
    )?;
    Ok(())
}

impl Catalog {
    /// The newest job of every guest that had one, by the guest's name, and by every text that it was asked for by since
    /// `recent` or that led to a job which has not ended. If a text means one guest and is the name of another, it
    /// shows the one it means, and the other stands under its UUID.
    ///
    /// No more than a thousand guests and a thousand texts: first those of guests that exist, of these the active ones,
    /// then the newest. Names that somebody makes up neither let the answer grow nor push a guest out of it.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn newest_by_name(&self, recent: Timestamp) -> Result<Arc<BTreeMap<String, Job>>, CatalogError> {
        self.read("list the newest dumps", |connection| {
            self.newest.answer(self.version(connection)?, recent, |&recent| {
                newest_by_name(connection, recent).map(Arc::new)
            })
        })
    }

    /// The newest job of the guest that `vm` names: by UUID; as the text of a request or, all digits, as libvirt's id,
    /// or else as a name, whichever was used last; all digits as a name. A dump's own id names it, too.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn newest_job_for(&self, vm: &str) -> Result<Option<Job>, CatalogError> {
        self.read("find a guest's newest dump", |connection| {
            let uuid = VmRef::new(vm).ok().and_then(|vm| vm.as_uuid());
            if let Some(uuid) = uuid {
                let found = newest_of_guest(connection, &uuid)?;
                let found = match found {
                    None => one(connection, "WHERE jobs.dump_id = ?1", [&uuid])?,
                    found => found,
                };
                if found.is_some() {
                    return Ok(found);
                }
            }
            let is_digits = vm.bytes().all(|byte| byte.is_ascii_digit());
            let columns: &[&str] = if is_digits { &["guest_vmid", "guest_name"] } else { &["guest_name"] };
            let mut asked = "SELECT job_seq AS seq, at FROM asked WHERE vm = ?1 UNION ALL";
            for column in columns {
                let seq: Option<i64> = connection
                    .prepare_cached(&format!(
                        "SELECT seq FROM ({asked} SELECT seq, queued_at AS at FROM jobs WHERE {column} = ?1)
                         ORDER BY at DESC, seq DESC LIMIT 1"
                    ))?
                    .query_row([vm], |row| row.get(0))
                    .optional()?;
                let job = seq.map(|seq| one(connection, "WHERE jobs.seq = ?1", [seq])).transpose()?.flatten();
                if let Some(job) = job {
                    let Some(guest) = &job.guest else { return Ok(Some(job)) };
                    return newest_of_guest(connection, &guest.uuid);
                }
                asked = "";
            }
            Ok(None)
        })
    }
}

fn newest_by_name(connection: &Connection, recent: Timestamp) -> Result<BTreeMap<String, Job>, CatalogError> {
    let newest = many(
        connection,
        &format!(
            "WHERE jobs.seq IN (SELECT newest FROM ({NEWEST}))
             ORDER BY jobs.guest_uuid IS NOT NULL DESC, jobs.state IN ('queued', 'running') DESC,
                      jobs.seq DESC LIMIT {MOST}"
        ),
    )?;
    let mut named = BTreeMap::new();
    for (text, seq) in recently_asked(connection, recent)? {
        let Some(job) = newest.iter().find(|job| job.seq == seq) else { continue };
        named.insert(text, job.clone());
    }
    for job in newest {
        let name = job.guest.as_ref().map_or(job.vm.as_str(), |guest| &guest.name.0);
        match (named.get(name), &job.guest) {
            (None, _) => named.insert(name.to_owned(), job),
            (Some(shown), Some(guest)) if shown.guest.as_ref().is_none_or(|of| of.uuid != guest.uuid) => {
                named.insert(guest.uuid.clone(), job)
            }
            _ => None,
        };
    }
    Ok(named)
}

fn newest_of_guest(connection: &Connection, uuid: &str) -> Result<Option<Job>, CatalogError> {
    one(connection, "WHERE jobs.guest_uuid = ?1 ORDER BY jobs.seq DESC LIMIT 1", [uuid])
}

/// Texts of requests since `recent` or of jobs that are active, each with the newest job of the guest that it led to.
fn recently_asked(connection: &Connection, recent: Timestamp) -> Result<Vec<(String, u64)>, CatalogError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT asked.vm, CASE WHEN led.guest_uuid IS NULL THEN led.seq
                          ELSE (SELECT max(seq) FROM jobs WHERE guest_uuid = led.guest_uuid) END
         FROM asked JOIN jobs AS led ON led.seq = asked.job_seq
         WHERE asked.at >= ?1 OR led.state IN ('queued', 'running')
         ORDER BY led.guest_uuid IS NOT NULL DESC, asked.at DESC LIMIT {MOST}"
    ))?;
    let rows = statement
        .query_map([recent.unix_micros()], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

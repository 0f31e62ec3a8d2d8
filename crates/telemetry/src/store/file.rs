//! The file: blocks by level, guest and time in SQLite.
//!
//! A block's row id is the guest's number and the block's start, so the blocks of one guest lie side by side and a chart is
//! one walk. The index over the start finds what is too old. Every commit is whole after `kill -9`; after a power failure
//! the last seconds may be missing.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::StoreError;
use super::guest::NewBlock;
use super::level::{LEVELS, Level};

/// Marks the file as ours: "mdtl".
const APPLICATION_ID: i64 = 0x6d64_746c;
const VERSION: i64 = 1;

const PAGE_BYTES: u64 = 4096;

/// Bytes of the limit that are left to the log beside the file.
const LOG_BYTES: u64 = 12 << 20;

/// Bits of a row id that are the start of the block, in milliseconds since 2020.
const START_BITS: u32 = 40;
const YEAR_2020_MS: i64 = 1_577_836_800_000;

/// Blocks that are removed in one step where the file is too large.
const SWEEP: i64 = 64;

pub(super) fn row_id(guest: i64, start: i64) -> i64 {
    let most = (1_i64 << START_BITS) - 1;
    (guest << START_BITS) | (start - YEAR_2020_MS).clamp(0, most)
}

pub(super) struct File {
    connection: Connection,
    most_pages: u64,
    /// Bytes of blocks on each level.
    bytes: [u64; 3],
}

impl File {
    /// Opens the file, or makes a new one. One that is damaged or not ours is kept aside.
    pub(super) fn open(path: &Path, limit_bytes: u64) -> Result<Self, StoreError> {
        match Self::open_as_is(path, limit_bytes) {
            Err(StoreError::Damaged { reason, .. }) => {
                tracing::warn!(path = %path.display(), reason, "the store of telemetry is kept aside and begun anew");
                for suffix in ["", "-wal", "-shm"] {
                    let from = beside(path, suffix);
                    if from.exists() {
                        std::fs::rename(&from, beside(path, &format!(".damaged{suffix}")))
                            .map_err(|source| StoreError::Create { path: from, source })?;
                    }
                }
                Self::open_as_is(path, limit_bytes)
            }
            opened => opened,
        }
    }

    fn open_as_is(path: &Path, limit_bytes: u64) -> Result<Self, StoreError> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
        let connection = Connection::open(path).map_err(|error| failed(path, error))?;
        prepare(&connection, path).map_err(|error| failed(path, error))??;
        let most_pages = limit_bytes.saturating_sub(LOG_BYTES).max(LOG_BYTES) / PAGE_BYTES;
        // The log of an open transaction may hold more; this is the last resort.
        let most = i64::try_from(most_pages).unwrap_or(i64::MAX).min(0xffff_fffe);
        connection
            .query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))
            .map_err(|error| failed(path, error))?;
        let mut bytes = [0; 3];
        for (level, bytes) in (0_i64..).zip(&mut bytes) {
            *bytes = connection
                .query_row("SELECT bytes FROM sizes WHERE level = ?1", [level], |row| row.get::<_, i64>(0))
                .map_err(|error| failed(path, error))?
                .unsigned_abs();
        }
        Ok(Self { connection, most_pages, bytes })
    }

    /// The number of a guest, which gets one if it has none yet.
    pub(super) fn guest(&self, uuid: &str) -> Result<i64, rusqlite::Error> {
        let known = self.connection.prepare_cached("SELECT id FROM guests WHERE uuid = ?1")?;
        if let Some(id) = guest_number(known, uuid)? {
            return Ok(id);
        }
        self.connection.execute("INSERT INTO guests (uuid) VALUES (?1)", [uuid])?;
        Ok(self.connection.last_insert_rowid())
    }

    pub(super) fn blocks(
        &self,
        level: Level,
        guest: i64,
        from: i64,
        to: i64,
    ) -> Result<Vec<Vec<u8>>, rusqlite::Error> {
        blocks(&self.connection, level, guest, from, to)
    }

    /// The start of a guest's last block, and the block.
    pub(super) fn last_block(
        &self,
        level: Level,
        guest: i64,
    ) -> Result<Option<(i64, Vec<u8>)>, rusqlite::Error> {
        let sql = format!(
            "SELECT start, data FROM {} WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1",
            level.table
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let range = [row_id(guest, i64::MIN / 2), row_id(guest, i64::MAX / 2)];
        statement.query_row(range, |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }

    /// Writes blocks, and removes what is too old by now or, the oldest first, what is too much.
    pub(super) fn write(&mut self, blocks: &[NewBlock], now_ms: i64) -> Result<(), rusqlite::Error> {
        let mut bytes = self.bytes;
        let transaction = self.connection.transaction()?;
        for (level, bytes) in LEVELS.iter().zip(&mut bytes) {
            remove_before(&transaction, *level, now_ms - level.retention_ms, bytes)?;
        }
        for block in blocks {
            let Some(level) = LEVELS.get(block.level) else { continue };
            let sql = format!("INSERT OR REPLACE INTO {} (id, start, data) VALUES (?1, ?2, ?3)", level.table);
            let id = row_id(block.guest, block.start);
            transaction.prepare_cached(&sql)?.execute(params![id, block.start, block.data])?;
            if let Some(bytes) = bytes.get_mut(block.level) {
                *bytes += block.data.len() as u64;
            }
        }
        // Nine tenths, so that what is written next finds room.
        while used_pages(&transaction)? > self.most_pages / 10 * 9 {
            let Some(fullest) = fullest(&bytes) else { break };
            let (Some(level), Some(bytes)) = (LEVELS.get(fullest), bytes.get_mut(fullest)) else { break };
            let sql = format!("SELECT start FROM {} ORDER BY start LIMIT 1 OFFSET {SWEEP}", level.table);
            let until: Option<i64> = transaction.query_row(&sql, [], |row| row.get(0)).optional()?;
            remove_before(&transaction, *level, until.unwrap_or(i64::MAX), bytes)?;
        }
        for (number, (bytes, before)) in (0_i64..).zip(bytes.iter().zip(&self.bytes)) {
            if bytes != before {
                store_size(&transaction, number, *bytes)?;
            }
        }
        transaction.commit()?;
        self.bytes = bytes;
        Ok(())
    }

    /// The start of the oldest block of each level.
    pub(super) fn oldest(&self) -> Result<[Option<i64>; 3], rusqlite::Error> {
        let mut oldest = [None; 3];
        for (oldest, level) in oldest.iter_mut().zip(LEVELS) {
            let sql = format!("SELECT min(start) FROM {}", level.table);
            *oldest = self.connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        }
        Ok(oldest)
    }

    /// Bytes in use, of the file itself.
    pub(super) fn size(&self) -> Result<u64, rusqlite::Error> {
        Ok(used_pages(&self.connection)? * PAGE_BYTES)
    }
}

/// A second connection, for those who read.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", -2048)?;
        Ok(connection)
    };
    open().map_err(|error| failed(path, error))
}

/// The blocks of a guest that begin in the half-open range, oldest first.
pub(super) fn blocks(
    connection: &Connection,
    level: Level,
    guest: i64,
    from: i64,
    to: i64,
) -> Result<Vec<Vec<u8>>, rusqlite::Error> {
    let sql = format!("SELECT data FROM {} WHERE id >= ?1 AND id < ?2 ORDER BY id", level.table);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([row_id(guest, from), row_id(guest, to)], |row| row.get(0))?;
    rows.collect()
}

/// The number of a guest; `None` for one of which nothing was ever kept.
pub(super) fn guest(connection: &Connection, uuid: &str) -> Result<Option<i64>, rusqlite::Error> {
    guest_number(connection.prepare_cached("SELECT id FROM guests WHERE uuid = ?1")?, uuid)
}

fn guest_number(
    mut statement: rusqlite::CachedStatement<'_>,
    uuid: &str,
) -> Result<Option<i64>, rusqlite::Error> {
    statement.query_row([uuid], |row| row.get(0)).optional()
}

/// The level that has most of more than its share.
fn fullest(bytes: &[u64; 3]) -> Option<usize> {
    let filled = bytes.iter().zip(LEVELS).map(|(bytes, level)| bytes / level.share);
    filled
        .enumerate()
        .filter(|(_, filled)| *filled > 0)
        .max_by_key(|(_, filled)| *filled)
        .map(|(level, _)| level)
}

fn remove_before(
    connection: &Connection,
    level: Level,
    start: i64,
    bytes: &mut u64,
) -> Result<(), rusqlite::Error> {
    let size = format!("SELECT coalesce(sum(length(data)), 0) FROM {} WHERE start < ?1", level.table);
    let removed: i64 = connection.prepare_cached(&size)?.query_row([start], |row| row.get(0))?;
    if removed > 0 {
        connection
            .prepare_cached(&format!("DELETE FROM {} WHERE start < ?1", level.table))?
            .execute([start])?;
        *bytes = bytes.saturating_sub(removed.unsigned_abs());
    }
    Ok(())
}

fn store_size(connection: &Connection, level: i64, bytes: u64) -> Result<(), rusqlite::Error> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached("UPDATE sizes SET bytes = ?2 WHERE level = ?1")?;
    statement.execute(params![level, bytes])?;
    Ok(())
}

fn used_pages(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    Ok(number("page_count")?.saturating_sub(number("freelist_count")?).unsigned_abs())
}

fn prepare(connection: &Connection, path: &Path) -> Result<Result<(), StoreError>, rusqlite::Error> {
    connection.pragma_update(None, "page_size", PAGE_BYTES.cast_signed())?;
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update_and_check(None, "journal_size_limit", 8 << 20, |_| Ok(()))?;
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 {
        let ours = number("application_id")? == APPLICATION_ID && number("user_version")? == VERSION;
        let damaged = || StoreError::Damaged {
            path: path.to_owned(),
            reason: "it is of another program or version".into(),
        };
        return Ok(if ours { Ok(()) } else { Err(damaged()) });
    }
    let tables = LEVELS.iter().enumerate().map(|(number, level)| {
        let table = level.table;
        format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, start INTEGER NOT NULL, data BLOB NOT NULL) STRICT;\
             CREATE INDEX {table}_by_start ON {table} (start);\
             INSERT INTO sizes VALUES ({number}, 0);"
        )
    });
    let script = format!(
        "BEGIN;\
         CREATE TABLE guests (id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE) STRICT;\
         CREATE TABLE sizes (level INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;\
         {}\
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;",
        tables.collect::<String>()
    );
    connection.execute_batch(&script)?;
    Ok(Ok(()))
}

fn failed(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { path: path.to_owned(), reason: error.to_string() }
        }
        _ => StoreError::Open { path: path.to_owned(), source: error },
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

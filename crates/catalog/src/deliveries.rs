//! The outbox of notifications: messages that wait to be sent, have arrived or were given up.
//!
//! ```text
//! raise ──► waiting ──► delivered
//!              │ ▲
//!    given up  ▼ │ asked for again
//!             dead
//! ```
//!
//! A message gathers notices of one kind and run until it is due. From the moment it is taken to be sent it is sealed: what
//! is raised later becomes another message, so whatever has been acknowledged has been sent. It leaves the state *waiting*
//! only by an acknowledgement, so a restart in between sends it again, under the same id.

use std::collections::BTreeSet;

use memdeck_model::notice::{
    Delivery, DeliveryLog, DeliveryQuery, DeliveryState, Notice, NoticeMessage, Severity, TargetAddress,
    TargetName,
};
use memdeck_model::{Message, Millis, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params};

use crate::column::{self, decode};
use crate::notice_targets::{address_of, rules};
use crate::reserve::For;
use crate::{Catalog, CatalogError};

/// The most messages that wait. More means that a target is away for long, or that something is raised without end.
const MAX_WAITING: i64 = 10_000;
/// Messages that ended and are kept; the oldest of the others go.
const KEPT: i64 = 10_000;
/// Keys that are remembered: as many dumps may be found out about a second time.
const KEPT_KEYS: i64 = 100_000;
/// A message that is due later than this was dated by a clock that was wrong: it is due now.
const LONGEST_WAIT: Millis = Millis(2 * 3_600_000);
/// A cause of failure is cut to this many letters.
const MAX_ERROR: usize = 500;

/// What became of notices that were raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raised {
    /// Messages that were begun or added to.
    pub messages: u64,
    /// Notices that nobody is told of because too many messages wait.
    pub refused: u64,
}

/// A message that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct DueDelivery {
    pub target: TargetName,
    pub address: TargetAddress,
    pub message: NoticeMessage,
    /// How often sending it failed.
    pub attempts: u32,
    /// Since when it is tried.
    pub tried_from: Timestamp,
}

impl Catalog {
    /// Puts notices into messages to the targets whose rules want them: into one that gathers, or into a new one that is due
    /// `gather` from now. `new_id` names new messages. A notice that was raised before changes nothing.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn raise_notices(
        &self,
        notices: &[Notice],
        now: Timestamp,
        gather: Millis,
        mut new_id: impl FnMut() -> String,
    ) -> Result<Raised, CatalogError> {
        self.write("raise notices", |tx| {
            let rules = rules(tx)?;
            let mut raised = Raised::default();
            let mut waiting: i64 = tx
                .prepare_cached("SELECT count(*) FROM deliveries WHERE state = 'waiting'")?
                .query_row([], |row| row.get(0))?;
            for notice in notices {
                if !is_news(tx, notice)? {
                    continue;
                }
                let targets: BTreeSet<&TargetName> = rules
                    .iter()
                    .filter(|kept| kept.rule.wants(notice))
                    .map(|kept| &kept.rule.target)
                    .collect();
                for target in targets {
                    if put(tx, target, notice, now, gather, &mut waiting, &mut new_id)? {
                        raised.messages += 1;
                    } else {
                        raised.refused += 1;
                    }
                }
            }
            prune(tx)?;
            Ok(raised)
        })
    }

    /// The oldest due message of each target that is not among `busy`. From now on no notice is added to them.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn take_due_deliveries(
        &self,
        now: Timestamp,
        busy: &BTreeSet<TargetName>,
    ) -> Result<Vec<DueDelivery>, CatalogError> {
        self.write("take due messages", |tx| {
            let mut due = Vec::new();
            for target in targets(tx)? {
                if busy.contains(&target) {
                    continue;
                }
                let Some(address) = address_of(tx, target.as_str())? else { continue };
                if let Some(delivery) = oldest_due(tx, &target, address, now)? {
                    due.push(delivery);
                }
            }
            Ok(due)
        })
    }

    /// When the next message to a target that is not among `busy` is due; `None` if none waits.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn next_delivery_at(&self, busy: &BTreeSet<TargetName>) -> Result<Option<Timestamp>, CatalogError> {
        self.read("find the next message", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT target, min(next_at) AS next_at FROM deliveries WHERE state = 'waiting'
                 GROUP BY target",
            )?;
            let mut rows = statement.query([])?;
            let mut next: Option<i64> = None;
            while let Some(row) = rows.next()? {
                let target: TargetName = decode("target", row.get("target")?)?;
                let at: i64 = row.get("next_at")?;
                if !busy.contains(&target) {
                    next = Some(next.map_or(at, |next| next.min(at)));
                }
            }
            next.map(|at| column::instant("next_at", at)).transpose()
        })
    }

    /// The target has taken a message.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn delivery_arrived(&self, id: &str, now: Timestamp) -> Result<(), CatalogError> {
        self.conclude("note that a message arrived", For::End, |tx| {
            tx.execute(
                "UPDATE deliveries SET state = 'delivered', next_at = NULL, ended_at = ?2, last_error = NULL
                 WHERE id = ?1 AND state = 'waiting'",
                (id, now.unix_micros()),
            )?;
            Ok(())
        })
    }

    /// Sending a message failed, and why. It is sent again at `next_at`, or is given up if there is none.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn delivery_failed(
        &self,
        id: &str,
        error: &Message,
        now: Timestamp,
        next_at: Option<Timestamp>,
    ) -> Result<(), CatalogError> {
        let error = error.clone().bounded(MAX_ERROR).to_string();
        self.conclude("note that a message failed", For::End, |tx| {
            tx.execute(
                "UPDATE deliveries SET attempts = min(attempts + 1, 1000000), last_error = :error,
                     next_at = :next_at,
                     state = CASE WHEN :next_at IS NULL THEN 'dead' ELSE 'waiting' END,
                     ended_at = CASE WHEN :next_at IS NULL THEN :now END
                 WHERE id = :id AND state = 'waiting'",
                named_params! {
                    ":id": id,
                    ":error": &error,
                    ":next_at": next_at.map(Timestamp::unix_micros),
                    ":now": now.unix_micros(),
                },
            )?;
            Ok(())
        })
    }

    /// Sends a message again that was given up. `None` if it is none of those, or its target is gone.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn retry_delivery(&self, id: &str, now: Timestamp) -> Result<Option<Delivery>, CatalogError> {
        self.write("send a message again", |tx| {
            let changed = tx.execute(
                "UPDATE deliveries SET state = 'waiting', next_at = ?2, tried_from = ?2, ended_at = NULL
                 WHERE id = ?1 AND state = 'dead'
                     AND EXISTS (SELECT 1 FROM notice_targets WHERE name = deliveries.target)",
                (id, now.unix_micros()),
            )?;
            if changed == 0 { Ok(None) } else { one(tx, id) }
        })
    }

    /// A message; `None` if none is known by this id.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn delivery(&self, id: &str) -> Result<Option<Delivery>, CatalogError> {
        self.read("find a message", |connection| one(connection, id))
    }

    /// Part of the log of messages, the newest first, and how many there are in all.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryLog, CatalogError> {
        let (state, target) =
            (query.state.map(DeliveryState::as_str), query.target.as_ref().map(TargetName::as_str));
        let clause = "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR target = ?2)";
        self.list("list messages", |connection| {
            let total: i64 = connection
                .prepare_cached(&format!("SELECT count(*) FROM deliveries {clause}"))?
                .query_row((state, target), |row| row.get(0))?;
            let mut statement = connection.prepare_cached(&format!(
                "SELECT * FROM deliveries {clause} ORDER BY seq DESC LIMIT ?3 OFFSET ?4"
            ))?;
            let mut rows = statement.query((state, target, query.limit, query.offset))?;
            let mut deliveries = Vec::new();
            while let Some(row) = rows.next()? {
                deliveries.push(read(row)?);
            }
            Ok(DeliveryLog { total: total.unsigned_abs(), deliveries })
        })
    }
}

/// Whether this was not told before; from now on it was.
fn is_news(tx: &Transaction<'_>, notice: &Notice) -> Result<bool, CatalogError> {
    let Some(key) = notice.event.key() else { return Ok(true) };
    let mut statement =
        tx.prepare_cached("INSERT INTO notice_keys (key) VALUES (?1) ON CONFLICT (key) DO NOTHING")?;
    Ok(statement.execute([key])? == 1)
}

/// Adds a notice to the message that gathers for the target, or begins one. False if too many wait.
fn put(
    tx: &Transaction<'_>,
    target: &TargetName,
    notice: &Notice,
    now: Timestamp,
    gather: Millis,
    waiting: &mut i64,
    new_id: &mut impl FnMut() -> String,
) -> Result<bool, CatalogError> {
    let json = serde_json::to_string(notice).unwrap_or_default();
    let gathering: Option<i64> = tx
        .prepare_cached(
            "SELECT seq FROM deliveries
             WHERE target = ?1 AND state = 'waiting' AND is_sealed = 0 AND kind = ?2 AND run IS ?3 AND count < ?4
             ORDER BY seq DESC LIMIT 1",
        )?
        .query_row(
            (target.as_str(), notice.kind().as_str(), &notice.run, NoticeMessage::MAX_NOTICES),
            |row| row.get(0),
        )
        .optional()?;
    if let Some(seq) = gathering {
        tx.execute(
            "UPDATE deliveries SET notices = notices || char(10) || ?2, count = count + 1 WHERE seq = ?1",
            (seq, json),
        )?;
        return Ok(true);
    }
    if *waiting >= MAX_WAITING {
        return Ok(false);
    }
    *waiting += 1;
    tx.execute(
        "INSERT INTO deliveries (id, target, state, kind, run, notices, count, created_at, tried_from, next_at)
         VALUES (:id, :target, 'waiting', :kind, :run, :notices, 1, :created_at, :created_at, :next_at)",
        named_params! {
            ":id": new_id(),
            ":target": target.as_str(),
            ":kind": notice.kind().as_str(),
            ":run": notice.run,
            ":notices": json,
            ":created_at": now.unix_micros(),
            ":next_at": now.plus(gather).unix_micros(),
        },
    )?;
    Ok(true)
}

/// Forgets the oldest of what ended beyond what is kept: first what has arrived.
fn prune(tx: &Transaction<'_>) -> Result<(), CatalogError> {
    let ended: i64 = tx
        .prepare_cached("SELECT count(*) FROM deliveries WHERE state IN ('delivered', 'dead')")?
        .query_row([], |row| row.get(0))?;
    if ended > KEPT {
        tx.execute(
            "DELETE FROM deliveries WHERE seq IN
                 (SELECT seq FROM deliveries WHERE state IN ('delivered', 'dead')
                  ORDER BY state = 'dead', seq LIMIT ?1)",
            [ended - KEPT],
        )?;
    }
    tx.execute(
        "DELETE FROM notice_keys WHERE seq <= (SELECT coalesce(max(seq), 0) FROM notice_keys) - ?1",
        [KEPT_KEYS],
    )?;
    Ok(())
}

fn targets(connection: &Connection) -> Result<Vec<TargetName>, CatalogError> {
    let mut statement = connection.prepare_cached("SELECT name FROM notice_targets ORDER BY name")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    names.map(|name| decode("name", name?)).collect()
}

fn oldest_due(
    tx: &Transaction<'_>,
    target: &TargetName,
    address: TargetAddress,
    now: Timestamp,
) -> Result<Option<DueDelivery>, CatalogError> {
    let mut statement = tx.prepare_cached(
        "SELECT * FROM deliveries
         WHERE target = ?1 AND state = 'waiting' AND (next_at <= ?2 OR next_at > ?3)
         ORDER BY next_at, seq LIMIT 1",
    )?;
    let wrong = now.plus(LONGEST_WAIT).unix_micros();
    let mut rows = statement.query((target.as_str(), now.unix_micros(), wrong))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let seq: i64 = row.get("seq")?;
    let due = DueDelivery {
        target: target.clone(),
        address,
        message: message(row)?,
        attempts: row.get("attempts")?,
        tried_from: column::instant("tried_from", row.get("tried_from")?)?,
    };
    drop(rows);
    tx.execute("UPDATE deliveries SET is_sealed = 1 WHERE seq = ?1", [seq])?;
    Ok(Some(due))
}

fn one(connection: &Connection, id: &str) -> Result<Option<Delivery>, CatalogError> {
    let mut statement = connection.prepare_cached("SELECT * FROM deliveries WHERE id = ?1")?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(read).transpose()
}

fn message(row: &Row<'_>) -> Result<NoticeMessage, CatalogError> {
    let lines: String = row.get("notices")?;
    let notices = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Notice>, _>>();
    let Ok(notices) = notices else {
        return Err(CatalogError::Undecodable { column: "notices", value: lines });
    };
    Ok(NoticeMessage {
        id: row.get("id")?,
        at: column::instant("created_at", row.get("created_at")?)?,
        notices,
    })
}

fn read(row: &Row<'_>) -> Result<Delivery, CatalogError> {
    let message = message(row)?;
    let instant = |name: &'static str| -> Result<Option<Timestamp>, CatalogError> {
        row.get::<_, Option<i64>>(name)?.map(|at| column::instant(name, at)).transpose()
    };
    Ok(Delivery {
        target: decode("target", row.get("target")?)?,
        state: decode("state", row.get("state")?)?,
        kind: message.kind(),
        severity: message.notices.iter().map(|notice| notice.severity).max().unwrap_or(Severity::Info),
        title: Message::new(message.title()),
        text: Message::new(message.text()),
        count: row.get("count")?,
        attempts: row.get("attempts")?,
        error: row.get::<_, Option<String>>("last_error")?.map(Message::new),
        created_at: message.at,
        next_at: instant("next_at")?,
        ended_at: instant("ended_at")?,
        id: message.id,
    })
}

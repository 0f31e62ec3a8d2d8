//! Where notifications go, and which are told to whom.

use memdeck_model::Timestamp;
use memdeck_model::notice::{NewRule, NewTarget, Rule, Target, TargetAddress, TargetName};
use rusqlite::{Connection, OptionalExtension};

use crate::column::{self, decode};
use crate::{Catalog, CatalogError};

/// Why messages of a removed target are given up.
const REMOVED: &str = "the target was removed";

impl Catalog {
    /// Keeps a target. False if there is one of this name, which stays as it is.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn add_notice_target(&self, target: &NewTarget, now: Timestamp) -> Result<bool, CatalogError> {
        let address = serde_json::to_string(&target.address).unwrap_or_default();
        self.write("keep a target of notifications", |tx| {
            let added = tx.execute(
                "INSERT INTO notice_targets (name, address, created_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO NOTHING",
                (target.name.as_str(), &address, now.unix_micros()),
            )?;
            Ok(added == 1)
        })
    }

    /// Every target by name, without its secrets.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn notice_targets(&self) -> Result<Vec<Target>, CatalogError> {
        self.read("list the targets of notifications", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, address, created_at,
                     (SELECT count(*) FROM deliveries WHERE target = name AND state = 'waiting') AS waiting,
                     (SELECT count(*) FROM deliveries WHERE target = name AND state = 'dead') AS dead
                 FROM notice_targets ORDER BY name",
            )?;
            let mut rows = statement.query([])?;
            let mut targets = Vec::new();
            while let Some(row) = rows.next()? {
                let address = address(&row.get::<_, String>("address")?)?;
                targets.push(Target {
                    name: decode("name", row.get("name")?)?,
                    kind: address.kind(),
                    shown: address.shown(),
                    has_secret: address.has_secret(),
                    settings: address.settings(),
                    created_at: column::instant("created_at", row.get("created_at")?)?,
                    waiting: row.get::<_, i64>("waiting")?.unsigned_abs(),
                    dead: row.get::<_, i64>("dead")?.unsigned_abs(),
                });
            }
            Ok(targets)
        })
    }

    /// Where a target is, secrets included; `None` if there is no such target.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn notice_address(&self, name: &TargetName) -> Result<Option<TargetAddress>, CatalogError> {
        self.read("read a target of notifications", |connection| address_of(connection, name.as_str()))
    }

    /// Puts an address in the place of `before`. False if that is not, or not any more, what is kept.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn change_notice_address(
        &self,
        name: &TargetName,
        before: &TargetAddress,
        after: &TargetAddress,
    ) -> Result<bool, CatalogError> {
        let after = serde_json::to_string(after).unwrap_or_default();
        self.write("change a target of notifications", |tx| {
            if address_of(tx, name.as_str())?.as_ref() != Some(before) {
                return Ok(false);
            }
            let changed = tx
                .execute("UPDATE notice_targets SET address = ?2 WHERE name = ?1", (name.as_str(), &after))?;
            Ok(changed == 1)
        })
    }

    /// Removes a target with its rules and secrets. Its messages that wait are given up; the log keeps them. False if there is
    /// no such target.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn remove_notice_target(&self, name: &TargetName, now: Timestamp) -> Result<bool, CatalogError> {
        self.write("remove a target of notifications", |tx| {
            if tx.execute("DELETE FROM notice_targets WHERE name = ?1", [name.as_str()])? == 0 {
                return Ok(false);
            }
            tx.execute(
                "UPDATE deliveries SET state = 'dead', next_at = NULL, ended_at = ?2, last_error = ?3
                 WHERE target = ?1 AND state = 'waiting'",
                (name.as_str(), now.unix_micros(), REMOVED),
            )?;
            Ok(true)
        })
    }

    /// Keeps a rule; `None` if there is no such target.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn add_notice_rule(&self, rule: &NewRule) -> Result<Option<Rule>, CatalogError> {
        let json = serde_json::to_string(rule).unwrap_or_default();
        self.write("keep a rule of notifications", |tx| {
            if address_of(tx, rule.target.as_str())?.is_none() {
                return Ok(None);
            }
            tx.execute(
                "INSERT INTO notice_rules (target, rule) VALUES (?1, ?2)",
                (rule.target.as_str(), &json),
            )?;
            Ok(Some(Rule { id: tx.last_insert_rowid().unsigned_abs(), rule: rule.clone() }))
        })
    }

    /// Every rule, the oldest first.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn notice_rules(&self) -> Result<Vec<Rule>, CatalogError> {
        self.read("list the rules of notifications", rules)
    }

    /// Removes a rule. False if there is no such rule.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn remove_notice_rule(&self, id: u64) -> Result<bool, CatalogError> {
        self.write("remove a rule of notifications", |tx| {
            Ok(tx.execute("DELETE FROM notice_rules WHERE id = ?1", [column::integer(id)])? == 1)
        })
    }
}

pub(crate) fn rules(connection: &Connection) -> Result<Vec<Rule>, CatalogError> {
    let mut statement = connection.prepare_cached("SELECT id, rule FROM notice_rules ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut rules = Vec::new();
    while let Some(row) = rows.next()? {
        let json: String = row.get("rule")?;
        let Ok(rule) = serde_json::from_str(&json) else {
            return Err(CatalogError::Undecodable { column: "rule", value: json });
        };
        rules.push(Rule { id: row.get::<_, i64>("id")?.unsigned_abs(), rule });
    }
    Ok(rules)
}

pub(crate) fn address_of(connection: &Connection, name: &str) -> Result<Option<TargetAddress>, CatalogError> {
    let mut statement = connection.prepare_cached("SELECT address FROM notice_targets WHERE name = ?1")?;
    let json: Option<String> = statement.query_row([name], |row| row.get(0)).optional()?;
    json.as_deref().map(address).transpose()
}

/// Says nothing of what it cannot read: it holds secrets.
fn address(json: &str) -> Result<TargetAddress, CatalogError> {
    serde_json::from_str(json)
        .map_err(|_| CatalogError::Undecodable { column: "address", value: "(not shown)".to_owned() })
}

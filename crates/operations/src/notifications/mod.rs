//! What operators ask of notifications, and what is raised by itself.

mod raise;
mod watch;

use std::sync::Arc;

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::notice::{
    Delivery, DeliveryLog, DeliveryQuery, Happening, JsonTemplate, NewRule, NewTarget, Notice, NoticeMessage,
    Rule, RuleList, TargetAddress, TargetChange, TargetList, TargetName, TestResult,
};
use memdeck_model::{HostId, Message, Millis, Permission, Problem, ProblemKind};

use crate::audit::{Deed, result_of};
use crate::{Caller, Notices, Operations, blocking, catalog_problem};

/// The most targets and rules there are.
const MAX_TARGETS: usize = 100;
const MAX_RULES: usize = 500;

impl Operations {
    /// Where whatever happens is raised.
    #[must_use]
    pub fn notices(&self) -> &Arc<Notices> {
        &self.notify.notices
    }

    /// The targets by name, without their secrets.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn notice_targets(&self) -> Result<TargetList, Problem> {
        let targets = self.of_catalog(Catalog::notice_targets).await?;
        Ok(TargetList { count: targets.len(), targets })
    }

    /// Keeps a target. Nothing is sent to it before a rule says so, or somebody tries it.
    ///
    /// # Errors
    /// What it is cannot be used, there is one of its name, there are too many, or the catalog failed.
    pub async fn add_notice_target(&self, target: NewTarget, caller: &Caller) -> Result<TargetList, Problem> {
        caller.must(Permission::Configure)?;
        let shown = target.address.shown();
        let deed = of_target(AuditAction::NotificationTargetAdded, target.name.as_str(), Some(shown));
        self.audit.around(caller, deed, self.add_checked_target(target, caller)).await
    }

    async fn add_checked_target(&self, target: NewTarget, caller: &Caller) -> Result<TargetList, Problem> {
        self.check_address(&target.address)?;
        if self.of_catalog(Catalog::notice_targets).await?.len() >= MAX_TARGETS {
            return Err(too_many("targets", MAX_TARGETS));
        }
        let (name, kind, now) = (target.name.clone(), target.address.kind(), self.clock.now());
        if !self.of_catalog(move |catalog| catalog.add_notice_target(&target, now)).await? {
            let detail =
                format!("there is a target '{name}' already; remove it first, or choose another name");
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        let by = caller.actor.to_json();
        tracing::info!(target = name.as_str(), kind = kind.as_str(), %by, "a target of notifications was added");
        self.notice_targets().await
    }

    /// Changes where a target is. Secrets that are left out stay; what waits for it goes where it is then.
    ///
    /// # Errors
    /// There is no such target, it is of another kind, what it would be cannot be used, or the catalog failed.
    pub async fn change_notice_target(
        &self,
        name: &str,
        change: TargetChange,
        caller: &Caller,
    ) -> Result<TargetList, Problem> {
        caller.must(Permission::Configure)?;
        let deed = of_target(AuditAction::NotificationTargetChanged, name, None);
        let effect = async {
            let (target, key) = (target_name(name)?, target_name(name)?);
            let before = self.of_catalog(move |catalog| catalog.notice_address(&key)).await?;
            let Some(before) = before else { return Err(unknown_target(name)) };
            let invalid =
                |error: &dyn std::fmt::Display| Problem::new(ProblemKind::Invalid, error.to_string());
            let after = before.changed(change.address).map_err(|error| invalid(&error))?;
            self.check_address(&after)?;
            if !self
                .of_catalog(move |catalog| catalog.change_notice_address(&target, &before, &after))
                .await?
            {
                let detail = format!("the target '{name}' was changed meanwhile; look at it and try again");
                return Err(Problem::new(ProblemKind::Conflict, detail));
            }
            tracing::info!(target = name, by = %caller.actor.to_json(), "a target of notifications was changed");
            self.notify.notices.look_again();
            self.notice_targets().await
        };
        self.audit.around(caller, deed, effect).await
    }

    fn check_address(&self, address: &TargetAddress) -> Result<(), Problem> {
        let invalid = |detail: Message| Problem::new(ProblemKind::Invalid, detail);
        self.notify.courier.check(address).map_err(invalid)?;
        if let TargetAddress::Json { template, .. } = address
            && let Some(unknown) = template.unknown_name()
        {
            let known = JsonTemplate::NAMES.join(", ");
            let detail = format!("the template names '{unknown}', which is none of {known}");
            return Err(invalid(detail.into()));
        }
        Ok(())
    }

    /// Removes a target, its rules and its secrets; what waits for it is given up.
    ///
    /// # Errors
    /// There is no such target, or the catalog failed.
    pub async fn remove_notice_target(&self, name: &str, caller: &Caller) -> Result<TargetList, Problem> {
        caller.must(Permission::Configure)?;
        let deed = of_target(AuditAction::NotificationTargetRemoved, name, None);
        let effect = async {
            let (target, now) = (target_name(name)?, self.clock.now());
            if !self.of_catalog(move |catalog| catalog.remove_notice_target(&target, now)).await? {
                return Err(unknown_target(name));
            }
            tracing::info!(target = name, by = %caller.actor.to_json(), "a target of notifications was removed");
            self.notice_targets().await
        };
        self.audit.around(caller, deed, effect).await
    }

    /// Sends a message to a target now and says what came of it.
    ///
    /// # Errors
    /// There is no such target, or the catalog failed.
    pub async fn test_notice_target(&self, name: &str, caller: &Caller) -> Result<TestResult, Problem> {
        caller.must(Permission::Configure)?;
        let deed = of_target(AuditAction::NotificationTested, name, None);
        let begun = self.audit.begin(caller, deed).await?;
        let tested = self.try_target(name, caller).await;
        let (result, details) = match &tested {
            Ok(TestResult { delivered: true, .. }) => (AuditResult::Succeeded, AuditDetails::default()),
            Ok(TestResult { detail, .. }) => (AuditResult::Failed, AuditDetails::because(detail)),
            Err(problem) => (result_of(problem), AuditDetails::because(&problem.detail)),
        };
        begun.end(result, details).await;
        tested
    }

    async fn try_target(&self, name: &str, caller: &Caller) -> Result<TestResult, Problem> {
        let target = target_name(name)?;
        let address = self.of_catalog(move |catalog| catalog.notice_address(&target)).await?;
        let Some(address) = address else { return Err(unknown_target(name)) };
        let event = Happening::Test { by: caller.actor.clone() };
        let id = || uuid::Uuid::new_v4().to_string();
        let at = self.clock.now();
        let severity = event.kind().severity();
        let notice = Notice { id: id(), at, severity, host: self.notice_host(None), run: None, event };
        let message = NoticeMessage { id: id(), at, notices: vec![notice] };
        let began = self.clock.monotonic();
        let sent = self.notify.courier.deliver(&address, &message).await;
        let took_ms = Millis::from(self.clock.monotonic().saturating_sub(began));
        Ok(match sent {
            Ok(()) => TestResult {
                delivered: true,
                detail: Message::new(format!("{} took the message", address.shown())),
                took_ms,
            },
            Err(failure) => TestResult { delivered: false, detail: failure.detail, took_ms },
        })
    }

    /// The rules, the oldest first.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn notice_rules(&self) -> Result<RuleList, Problem> {
        let rules = self.of_catalog(Catalog::notice_rules).await?;
        Ok(RuleList { count: rules.len(), rules })
    }

    /// Keeps a rule: from now on its target is told what it wants.
    ///
    /// # Errors
    /// There is no such target, the rule names too much, there are too many, or the catalog failed.
    pub async fn add_notice_rule(&self, rule: NewRule, caller: &Caller) -> Result<Rule, Problem> {
        caller.must(Permission::Configure)?;
        let deed = of_target(AuditAction::NotificationRuleAdded, rule.target.as_str(), Some(said(&rule)));
        self.audit.around(caller, deed, self.add_checked_rule(rule, caller)).await
    }

    async fn add_checked_rule(&self, rule: NewRule, caller: &Caller) -> Result<Rule, Problem> {
        if rule.is_too_long() {
            let detail = format!("a rule names at most {} kinds, guests and hosts each", NewRule::MAX_NAMED);
            return Err(Problem::new(ProblemKind::Invalid, detail));
        }
        if self.of_catalog(Catalog::notice_rules).await?.len() >= MAX_RULES {
            return Err(too_many("rules", MAX_RULES));
        }
        let target = rule.target.clone();
        let kept = self.of_catalog(move |catalog| catalog.add_notice_rule(&rule)).await?;
        let kept = kept.ok_or_else(|| unknown_target(target.as_str()))?;
        let by = caller.actor.to_json();
        tracing::info!(rule = kept.id, target = target.as_str(), %by, "a rule of notifications was added");
        Ok(kept)
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// There is no such rule, or the catalog failed.
    pub async fn remove_notice_rule(&self, id: u64, caller: &Caller) -> Result<RuleList, Problem> {
        caller.must(Permission::Configure)?;
        let known = self.of_catalog(Catalog::notice_rules).await?.into_iter().find(|rule| rule.id == id);
        let value = known.map(|known| format!("to {}: {}", known.rule.target, said(&known.rule)));
        let object = AuditObject::NotificationRule { name: id.to_string() };
        let details = AuditDetails { before: value, ..AuditDetails::default() };
        let deed = Deed::new(AuditAction::NotificationRuleRemoved, object).with(details);
        let effect = async {
            if !self.of_catalog(move |catalog| catalog.remove_notice_rule(id)).await? {
                return Err(Problem::new(ProblemKind::NotFound, format!("there is no rule {id}")));
            }
            tracing::info!(rule = id, by = %caller.actor.to_json(), "a rule of notifications was removed");
            self.notice_rules().await
        };
        self.audit.around(caller, deed, effect).await
    }

    /// Part of the delivery log, the newest first.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn deliveries(&self, query: DeliveryQuery) -> Result<DeliveryLog, Problem> {
        let query = query.bounded();
        self.of_catalog(move |catalog| catalog.deliveries(&query)).await
    }

    /// Sends a message again that was given up.
    ///
    /// # Errors
    /// There is no such message, it was not given up, its target is gone, or the catalog failed.
    pub async fn retry_delivery(&self, id: &str, caller: &Caller) -> Result<Delivery, Problem> {
        caller.must(Permission::Configure)?;
        let object = AuditObject::NotificationMessage { name: shown(id) };
        let deed = Deed::new(AuditAction::NotificationRetried, object);
        self.audit.around(caller, deed, self.retry_given_up(id, caller)).await
    }

    async fn retry_given_up(&self, id: &str, caller: &Caller) -> Result<Delivery, Problem> {
        let (wanted, now) = (id.to_owned(), self.clock.now());
        let (known, retried) = self
            .of_catalog(move |catalog| {
                Ok((catalog.delivery(&wanted)?, catalog.retry_delivery(&wanted, now)?))
            })
            .await?;
        if let Some(retried) = retried {
            self.notify.notices.look_again();
            tracing::info!(message = id, by = %caller.actor.to_json(), "a message is sent again");
            return Ok(retried);
        }
        Err(match known {
            None => Problem::new(ProblemKind::NotFound, "there is no such message"),
            Some(known) => Problem::new(
                ProblemKind::Conflict,
                format!(
                    "the message is {}, or its target is gone: only what was given up is sent again",
                    known.state
                ),
            ),
        })
    }

    /// Asks the catalog off the runtime's threads.
    pub(super) async fn of_catalog<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || work(&catalog)).await.map_err(|error| catalog_problem(&error))
    }
}

fn target_name(name: &str) -> Result<TargetName, Problem> {
    name.parse().map_err(|_| unknown_target(name))
}

fn unknown_target(name: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("there is no target '{}'", shown(name)))
}

/// As much of a name that somebody sent as fits in a sentence.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(HostId::MAX_BYTES).collect()
}

/// Something done to a target; `value` holds no secret.
fn of_target(action: AuditAction, name: &str, value: Option<String>) -> Deed {
    let details = AuditDetails { value, ..AuditDetails::default() };
    Deed::new(action, AuditObject::NotificationTarget { name: shown(name) }).with(details)
}

/// What a rule tells, for the audit.
fn said(rule: &NewRule) -> String {
    let mut parts = vec![format!("severity {}", rule.severity)];
    let mut say = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            parts.push(format!("{what} {}", names.join(", ")));
        }
    };
    say("kinds", rule.kinds.iter().map(ToString::to_string).collect());
    say("guests", rule.guests.iter().map(ToString::to_string).collect());
    say("hosts", rule.hosts.iter().map(ToString::to_string).collect());
    Message::new(parts.join("; ")).bounded(500).to_string()
}

fn too_many(what: &str, most: usize) -> Problem {
    Problem::new(ProblemKind::Conflict, format!("there are {most} {what} already; remove one first"))
}

//! Which target is told of what.

use serde::{Deserialize, Serialize};

use crate::NamePattern;

use super::{Notice, NoticeKind, Severity, TargetName};

/// What a target is told of. What is left out is not asked for: a rule with nothing but a target tells it everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    /// Who is told.
    pub target: TargetName,
    /// Of which kinds; of all if there are none.
    #[serde(default)]
    pub kinds: Vec<NoticeKind>,
    /// Of which guests: names, patterns or UUIDs. With any, nothing is told that happens to no guest.
    #[serde(default)]
    pub guests: Vec<NamePattern>,
    /// On which hosts: names or patterns.
    #[serde(default)]
    pub hosts: Vec<NamePattern>,
    /// The least severity that is told.
    #[serde(default)]
    pub severity: Severity,
}

impl NewRule {
    /// The most kinds, guests or hosts that a rule names.
    pub const MAX_NAMED: usize = 200;

    /// That `target` is told of everything.
    #[must_use]
    pub fn everything(target: TargetName) -> Self {
        Self {
            target,
            kinds: Vec::new(),
            guests: Vec::new(),
            hosts: Vec::new(),
            severity: Severity::default(),
        }
    }

    /// Whether it names more than it may.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.kinds.len().max(self.guests.len()).max(self.hosts.len()) > Self::MAX_NAMED
    }

    /// Whether its target is told of `notice`.
    #[must_use]
    pub fn wants(&self, notice: &Notice) -> bool {
        let kind = self.kinds.is_empty() || self.kinds.contains(&notice.kind());
        let host = self.hosts.is_empty()
            || notice
                .host
                .as_ref()
                .is_some_and(|host| self.hosts.iter().any(|wanted| wanted.matches(host.as_str())));
        let guest = self.guests.is_empty()
            || notice.event.guest().is_some_and(|guest| {
                let uuid = guest.uuid.as_deref();
                self.guests.iter().any(|wanted| {
                    wanted.matches(&guest.name) || uuid.is_some_and(|uuid| wanted.matches(uuid))
                })
            });
        kind && host && guest && notice.severity >= self.severity
    }
}

/// A rule that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rule {
    /// Names it when it is removed.
    pub id: u64,
    pub rule: NewRule,
}

/// The answer of `GET /api/notifications/rules`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleList {
    pub count: usize,
    pub rules: Vec<Rule>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::{GuestOf, Happening};
    use crate::{Message, Millis};

    fn notice(host: Option<&str>, guest: Option<(&str, &str)>) -> Notice {
        let event = match guest {
            Some((name, uuid)) => Happening::PausedLong {
                dump_id: "a1".parse().unwrap(),
                guest: GuestOf { name: name.to_owned(), uuid: Some(uuid.to_owned()) },
                pause_ms: Millis(9_000),
                limit_ms: Millis(5_000),
            },
            None => Happening::HostAway { why: Message::default() },
        };
        Notice {
            id: "n1".to_owned(),
            at: std::time::UNIX_EPOCH.into(),
            severity: event.kind().severity(),
            host: host.map(|host| host.parse().unwrap()),
            run: None,
            event,
        }
    }

    fn rule(json: &str) -> NewRule {
        let mut rule: serde_json::Value = serde_json::from_str(json).unwrap();
        rule["target"] = "ops".into();
        serde_json::from_value(rule).unwrap()
    }

    #[test]
    fn a_rule_tells_what_it_names_and_nothing_else() {
        let web = notice(Some("kvm-01"), Some(("web-01", "6ba7b810-9dad-11d1-80b4-00c04fd430c8")));
        let away = notice(Some("kvm-01"), None);
        let nowhere = notice(None, Some(("web-01", "6ba7b810-9dad-11d1-80b4-00c04fd430c8")));
        for (json, told) in [
            ("{}", [true, true, true]),
            (r#"{"kinds": ["host_away", "host_back"]}"#, [false, true, false]),
            (r#"{"guests": ["web-*"]}"#, [true, false, true]),
            (r#"{"guests": ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]}"#, [true, false, true]),
            (r#"{"guests": ["db-*", "mail"]}"#, [false, false, false]),
            (r#"{"hosts": ["kvm-0?"]}"#, [true, true, false]),
            (r#"{"hosts": ["kvm-02"]}"#, [false, false, false]),
            (r#"{"severity": "critical"}"#, [false, true, false]),
            (r#"{"severity": "warning", "hosts": ["*"], "guests": ["*-01"]}"#, [true, false, false]),
        ] {
            let rule = rule(json);
            assert_eq!([&web, &away, &nowhere].map(|notice| rule.wants(notice)), told, "{json}");
        }
    }

    #[test]
    fn a_word_that_no_rule_knows_is_refused() {
        for json in [r#"{"target": "ops", "kinds": ["weather"]}"#, r#"{"target": "ops", "hots": ["a"]}"#] {
            assert!(serde_json::from_str::<NewRule>(json).is_err(), "{json}");
        }
    }
}

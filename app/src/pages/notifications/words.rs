//! Targets, rules and messages in words.

use memdeck_model::notice::{Delivery, DeliveryState, NewRule, Severity, Target, TargetKind, TestResult};

use super::state::Tried;
use crate::ui::{Icon, Tone};
use crate::words::sentence;
use memdeck_model::Message;

/// What people call a kind of target.
pub fn kind_name(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Webhook => "Webhook",
        TargetKind::Email => "E-mail",
        TargetKind::Slack => "Slack",
        TargetKind::Teams => "Microsoft Teams",
        TargetKind::Json => "JSON of your own shape",
    }
}

/// What of a target is kept and never shown.
pub fn kept_secret(target: &Target) -> &'static str {
    match (target.kind, target.has_secret) {
        (TargetKind::Webhook, true) => "Signed with a secret that is not shown",
        (TargetKind::Webhook, false) => "Not signed",
        (TargetKind::Email, true) => "Signs in with a password that is not shown",
        (TargetKind::Email, false) => "Without signing in",
        (TargetKind::Slack | TargetKind::Teams, _) => "Its URL is a secret and not shown",
        (TargetKind::Json, true) => "Sent with a token that is not shown",
        (TargetKind::Json, false) => "Sent without a token",
    }
}

/// How a message stands: a word, what it means, and the picture of it.
pub fn state_of(delivery: &Delivery) -> (&'static str, Tone, Icon) {
    match delivery.state {
        DeliveryState::Waiting if delivery.attempts > 0 => ("Tried again", Tone::Waiting, Icon::Refresh),
        DeliveryState::Waiting => ("Waiting", Tone::Active, Icon::Clock),
        DeliveryState::Delivered => ("Delivered", Tone::Good, Icon::Check),
        DeliveryState::Dead => ("Given up", Tone::Bad, Icon::Alert),
    }
}

/// How often a message failed, and why last. The reason begins with an address, which stays as it is.
pub fn failures(attempts: u32, why: Option<&Message>) -> String {
    match (attempts, why) {
        (0, None) => "Never".to_owned(),
        (0, Some(why)) => format!("Never sent: {why}"),
        (1, None) => "Once".to_owned(),
        (1, Some(why)) => format!("Once: {why}"),
        (n, None) => format!("{n} times"),
        (n, Some(why)) => format!("{n} times, the last time: {why}"),
    }
}

/// What came of a test.
pub fn came_of(tried: &Tried) -> (&'static str, Tone, Icon, String) {
    match tried {
        Tried::Running => ("Sending", Tone::Active, Icon::Clock, String::new()),
        Tried::Done(TestResult { delivered: true, detail, took_ms }) => {
            ("Delivered", Tone::Good, Icon::Check, format!("{detail}, in {took_ms}."))
        }
        Tried::Done(TestResult { detail, .. }) => {
            ("Not delivered", Tone::Bad, Icon::Alert, format!("{detail}."))
        }
        Tried::Refused(why) => ("Not sent", Tone::Bad, Icon::Alert, sentence(why)),
    }
}

/// The least severity that a rule tells.
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Everything",
        Severity::Warning => "Warnings and worse",
        Severity::Critical => "Critical only",
    }
}

/// What a rule tells.
pub fn what(rule: &NewRule) -> String {
    if rule.kinds.is_empty() {
        return "Whatever happens".to_owned();
    }
    rule.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

/// Of whom, and how bad it must be.
pub fn of_whom(rule: &NewRule) -> String {
    let names = |patterns: &[memdeck_model::NamePattern]| {
        patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut parts = Vec::new();
    if rule.guests.is_empty() {
        parts.push("Every guest".to_owned());
    } else {
        parts.push(format!("Guests {}", names(&rule.guests)));
    }
    if !rule.hosts.is_empty() {
        parts.push(format!("on hosts {}", names(&rule.hosts)));
    }
    if rule.severity > Severity::Info {
        parts.push(severity_name(rule.severity).to_ascii_lowercase());
    }
    parts.join("; ")
}

/// What is lost with a target.
pub fn lost_with(target: &Target, rules: usize) -> String {
    let rules = match rules {
        0 => String::new(),
        1 => "Its rule goes with it. ".to_owned(),
        rules => format!("Its {rules} rules go with it. "),
    };
    let waiting = match target.waiting {
        0 => String::new(),
        1 => "One message that waits is given up. ".to_owned(),
        waiting => format!("{waiting} messages that wait are given up. "),
    };
    format!(
        "Nothing is told to {} any more. {rules}{waiting}Its secrets are lost; the log stays.",
        target.shown
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> NewRule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_rule_says_what_it_tells_and_of_whom() {
        let all = rule(r#"{"target": "ops"}"#);
        assert_eq!((what(&all).as_str(), of_whom(&all).as_str()), ("Whatever happens", "Every guest"));
        let some = rule(
            r#"{"target": "ops", "kinds": ["dump_failed", "host_away"], "guests": ["web-*", "db-01"], "hosts": ["kvm-*"],
                "severity": "warning"}"#,
        );
        assert_eq!(what(&some), "Dump failed, Host away");
        assert_eq!(of_whom(&some), "Guests web-*, db-01; on hosts kvm-*; warnings and worse");
    }

    #[test]
    fn what_is_lost_with_a_target_is_said_first() {
        let target: Target = serde_json::from_str(
            r#"{"name": "ops", "kind": "slack", "shown": "https://hooks.slack.com", "has_secret": true, "waiting": 2, "dead": 0,
                "created_at": "2026-11-14T02:30:00Z", "settings": {"kind": "slack"}}"#,
        )
        .unwrap();
        let said = lost_with(&target, 1);
        assert!(said.contains("Its rule goes with it. 2 messages that wait are given up."), "{said}");
        assert!(!lost_with(&Target { waiting: 0, ..target }, 0).contains("rule"));
    }
}

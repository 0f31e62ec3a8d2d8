//! Rules and fates in words.

use memdeck_model::retention::{Fate, GuestRule, Rule};

use crate::words::upper_first;

/// What a rule keeps, without whose images.
pub fn keeps(rule: &Rule) -> String {
    let mut parts = Vec::new();
    let mut say = |amount: Option<u32>, words: &dyn Fn(u32) -> String| parts.extend(amount.map(words));
    say(rule.keep_last, &|n| format!("the newest {n}"));
    say(rule.keep_hours, &|n| format!("those of the last {n} h"));
    say(rule.hourly, &|n| format!("one an hour for {n} h"));
    say(rule.daily, &|n| format!("one a day for {n} days"));
    say(rule.weekly, &|n| format!("one a week for {n} weeks"));
    say(rule.monthly, &|n| format!("one a month for {n} months"));
    if parts.is_empty() {
        parts.push("all".to_owned());
    }
    let mut text = format!("Keep {}", parts.join(", "));
    if let Some(most) = rule.most_bytes {
        text = format!("{text}; at most {most} for each guest");
    }
    if rule.only_verified {
        text.push_str("; only verified images go");
    }
    text
}

/// Whose images a rule means. Names of guests stay as they are.
pub fn rule_for(guests: &GuestRule) -> String {
    match guests {
        GuestRule::Named { .. } => guests.to_string(),
        others => upper_first(&others.to_string()),
    }
}

/// Why an image stays or goes.
pub fn why(fate: &Fate) -> String {
    match fate {
        Fate::Gone { why } => why.to_string(),
        Fate::Kept { why } => why.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::ByteCount;

    use super::*;

    #[test]
    fn a_rule_says_what_it_keeps_and_its_limits() {
        let rule = Rule { keep_last: Some(3), daily: Some(7), ..Rule::of(GuestRule::All) };
        assert_eq!(keeps(&rule), "Keep the newest 3, one a day for 7 days");
        let limited =
            Rule { most_bytes: Some(ByteCount(2 << 30)), only_verified: true, ..Rule::of(GuestRule::All) };
        assert_eq!(keeps(&limited), "Keep all; at most 2.00 GiB for each guest; only verified images go");
    }
}

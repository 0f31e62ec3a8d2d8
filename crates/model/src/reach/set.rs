//! Guests as several selectors mean them, found quickly however many selectors there are.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::GuestSelector;
use super::selector::{Named, Selected};
use crate::NamePattern;

/// Names whose patterns are remembered: more than a catalog has guests, mostly. Beyond it all are forgotten.
const MOST_REMEMBERED: usize = 20_000;

/// Whose something is, as far as that is known. What is not known is meant by no selector that asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The names by which the guest's host goes.
    pub hosts: &'a [&'a str],
    /// The guest's name.
    pub name: Option<&'a str>,
    /// The guest's UUID.
    pub uuid: Option<&'a str>,
}

/// On which hosts a guest is meant: on every one where it is `None`.
type OnHost = Option<NamePattern>;

/// The guests that selectors mean. None, if there is no selector.
#[derive(Debug, Default)]
pub struct GuestSet {
    selectors: Vec<GuestSelector>,
    by_uuid: HashMap<String, Vec<OnHost>>,
    /// Names without a `*` or `?`.
    by_name: HashMap<String, Vec<OnHost>>,
    patterns: Vec<(NamePattern, OnHost)>,
    /// What the patterns say of a name. Guests are few, and what is asked about them is much: their records.
    known: Mutex<HashMap<String, Vec<OnHost>>>,
}

impl PartialEq for GuestSet {
    fn eq(&self, other: &Self) -> bool {
        self.selectors == other.selectors
    }
}

impl Eq for GuestSet {}

impl GuestSet {
    /// Those that a selector means.
    #[must_use]
    pub fn of(selectors: Vec<GuestSelector>) -> Self {
        let mut set = Self::default();
        for GuestSelector(Selected { host, guest }) in &selectors {
            match guest {
                Named::Uuid(uuid) => set.by_uuid.entry(uuid.clone()).or_default().push(host.clone()),
                Named::Pattern(pattern) if pattern.as_str().contains(['*', '?']) => {
                    set.patterns.push((pattern.clone(), host.clone()));
                }
                Named::Pattern(name) => {
                    set.by_name.entry(name.as_str().to_owned()).or_default().push(host.clone());
                }
            }
        }
        Self { selectors, ..set }
    }

    /// What means them.
    #[must_use]
    pub fn selectors(&self) -> &[GuestSelector] {
        &self.selectors
    }

    /// Whether something of this guest is among it.
    #[must_use]
    pub fn has(&self, whose: Whose<'_>) -> bool {
        let is_there = |on: &Vec<OnHost>| {
            let is_host = |host: &NamePattern| whose.hosts.iter().any(|name| host.matches(name));
            on.iter().any(|host| host.as_ref().is_none_or(is_host))
        };
        let by_uuid = || {
            let uuid = whose.uuid.filter(|_| !self.by_uuid.is_empty())?;
            self.by_uuid.get(&uuid.to_ascii_lowercase())
        };
        if by_uuid().is_some_and(is_there) {
            return true;
        }
        let Some(name) = whose.name else { return false };
        if self.by_name.get(name).is_some_and(is_there) {
            return true;
        }
        !self.patterns.is_empty() && self.asked_patterns(name, is_there)
    }

    fn asked_patterns(&self, name: &str, is_there: impl Fn(&Vec<OnHost>) -> bool) -> bool {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(on) = known().get(name) {
            return is_there(on);
        }
        let meant = self.patterns.iter().filter(|(pattern, _)| pattern.matches(name));
        let on: Vec<OnHost> = meant.map(|(_, host)| host.clone()).collect();
        let answer = is_there(&on);
        let mut known = known();
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(name.to_owned(), on);
        answer
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "00000000-0000-4000-8000-00000000000a";

    fn set(selectors: &[&str]) -> GuestSet {
        GuestSet::of(selectors.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn has(set: &GuestSet, host: &str, name: &str, uuid: &str) -> bool {
        set.has(Whose { hosts: &[host], name: Some(name), uuid: Some(uuid) })
    }

    #[test]
    fn guests_are_meant_by_name_pattern_uuid_and_host() {
        let set = set(&["web-*", "db-01", "kvm-1/mail", &format!("kvm-2/{}", UUID.to_ascii_uppercase())]);
        for _ in 0..2 {
            assert!(has(&set, "kvm-9", "web-01", "x") && has(&set, "kvm-9", "db-01", "x"));
            assert!(has(&set, "kvm-1", "mail", "x") && !has(&set, "kvm-2", "mail", "x"));
            assert!(has(&set, "kvm-2", "any", UUID) && !has(&set, "kvm-1", "any", UUID));
            assert!(!has(&set, "kvm-1", "db-02", "x") && !has(&set, "kvm-1", "DB-01", "x"));
        }
    }

    #[test]
    fn no_selector_means_nobody_and_what_is_not_known_is_meant_by_none() {
        assert!(!has(&set(&[]), "kvm-1", "web-01", UUID));
        let all = set(&["kvm-1/*", UUID]);
        assert!(!all.has(Whose { hosts: &[], name: Some("web-01"), uuid: None }));
        assert!(!all.has(Whose { hosts: &["kvm-1"], name: None, uuid: None }));
        assert!(all.has(Whose { hosts: &[], name: None, uuid: Some(UUID) }));
    }

    #[test]
    fn a_guest_that_is_called_like_a_uuid_is_not_that_guest() {
        assert!(!has(&set(&[UUID]), "kvm-1", UUID, "another"));
    }

    proptest! {
        #[test]
        fn a_set_has_what_one_of_its_selectors_means(
            selectors in prop::collection::vec("([ab*]{1,2}/)?[ab*?]{1,3}", 0..6),
            host in "[ab]{1,2}",
            name in "[ab]{1,3}",
        ) {
            let means = |text: &String| {
                let (on, pattern) = text.split_once('/').unwrap_or(("*", text));
                let [on, pattern] = [on, pattern].map(|text| text.parse::<NamePattern>().unwrap());
                on.matches(&host) && pattern.matches(&name)
            };
            let expected = selectors.iter().any(means);
            let texts: Vec<&str> = selectors.iter().map(String::as_str).collect();
            prop_assert_eq!(has(&set(&texts), &host, &name, "x"), expected);
        }
    }
}

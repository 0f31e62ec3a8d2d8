//! Which cards there are, in what order, and when that changes.

use std::collections::BTreeMap;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::{Guest, HostId};

use super::order::{by_load, load_of};
use super::view::{Sort, VmsView};
use crate::data::{Data, sorted};
use crate::ui::erase::memo;

/// How long an order by load stays: cards that jump each second cannot be read.
const REORDER_MS: u32 = 5_000;
/// A card that the operator points at or is in with the keyboard: nothing moves under it.
const IN_USE: &str = ".vms:hover, .vms:focus-within";

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// Cards that stand together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// On which host the guests are, where they are grouped by that.
    pub host: Option<HostId>,
    /// The guests, by [`Guest::reference`], in their order.
    pub references: Vec<String>,
}

/// The cards and how they are looked at.
#[derive(Clone, Copy)]
pub struct Cards {
    /// What the address asks for.
    pub view: Memo<VmsView>,
    /// The guests that it means; `None` while guests are not known.
    pub groups: Memo<Option<Vec<Group>>>,
    /// Whether guests are on several hosts.
    pub has_hosts: Memo<bool>,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl Cards {
    /// Call it where the page's routes are.
    pub fn new() -> Self {
        let data = Data::expect();
        let search = use_location().search;
        let view = memo(move || search.with(|query| VmsView::from_query(query)));
        let turn = RwSignal::new(0_u32);
        let timer = Interval::new(REORDER_MS, move || {
            let is_by_load = view.try_with_untracked(|view| view.sort != Sort::Name).unwrap_or(false);
            let is_in_use = || document().query_selector(IN_USE).is_ok_and(|found| found.is_some());
            if is_by_load && !document().hidden() && !is_in_use() {
                turn.update(|turn| *turn = turn.wrapping_add(1));
            }
        });
        let timer = StoredValue::new_local(Some(timer));
        on_cleanup(move || timer.set_value(None));
        let groups = memo(move || {
            turn.track();
            view.with(|view| data.guests.with(|guests| order(view, guests, &data)))
        });
        let has_hosts = memo(move || data.guests.with(on_several_hosts).unwrap_or(false));
        Self { view, groups, has_hosts, navigate: StoredValue::new_local(Box::new(use_navigate())) }
    }

    /// Shows the cards in another way; `replace`: Back does not lead to the way before.
    pub fn show(self, replace: bool, change: impl FnOnce(&mut VmsView)) {
        let before = self.view.get_untracked();
        let mut view = before.clone();
        change(&mut view);
        if view != before {
            let options = NavigateOptions { replace, scroll: false, ..NavigateOptions::default() };
            self.navigate.with_value(|navigate| navigate(&view.href(), options));
        }
    }
}

fn on_several_hosts(guests: &[Guest]) -> bool {
    guests.iter().any(|guest| guests.first().is_some_and(|first| first.host != guest.host))
}

/// The guests that `view` shows, by name or by their present load; where it asks for that, those of each host by itself.
fn order(view: &VmsView, guests: &[Guest], data: &Data) -> Vec<Group> {
    let load = |guest: &Guest| match view.sort {
        Sort::Name => None,
        sort => data
            .telemetry
            .summary(&guest.reference())
            .with_untracked(|summary| load_of(sort, summary.as_ref())),
    };
    let found = guests.iter().filter(|guest| view.shows(guest));
    let loads = found.map(|guest| (load(guest), guest)).collect();
    let found: Vec<&Guest> =
        sorted(loads, |a, b| by_load(a.0, b.0)).into_iter().map(|(_, guest)| guest).collect();
    grouped(&found, view.by_host)
}

/// The hosts in alphabetical order; the guests of each in the order in which they come.
fn grouped(guests: &[&Guest], by_host: bool) -> Vec<Group> {
    let mut groups: BTreeMap<Option<HostId>, Vec<String>> = BTreeMap::new();
    for guest in guests {
        groups.entry(guest.host.clone().filter(|_| by_host)).or_default().push(guest.reference());
    }
    groups.into_iter().map(|(host, references)| Group { host, references }).collect()
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestState;

    use super::super::view::tests::guest;
    use super::*;

    #[test]
    fn guests_of_a_host_stand_together_where_that_is_asked_for() {
        let on = |host: &str, name: &str| Guest {
            host: Some(host.parse().unwrap()),
            ..guest(name, 1, GuestState::Running)
        };
        let all = [on("kvm-02", "a"), on("kvm-01", "b"), on("kvm-02", "c")];
        assert!(on_several_hosts(&all) && !on_several_hosts(&all[..1]) && !on_several_hosts(&[]));
        let told = |by_host| {
            let groups = grouped(&all.iter().collect::<Vec<_>>(), by_host).into_iter();
            groups
                .map(|group| (group.host.map(|host| host.to_string()), group.references.len()))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(false), [(None, 3)]);
        assert_eq!(told(true), [(Some("kvm-01".to_owned()), 1), (Some("kvm-02".to_owned()), 2)]);
        assert_eq!(grouped(&[], true), []);
    }
}

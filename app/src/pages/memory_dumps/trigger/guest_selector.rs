//! The list of guests to choose from.

use std::collections::BTreeSet;

use leptos::prelude::*;
use memdeck_model::{Guest, HostId, Message, SearchText};

use super::super::state::DumpsState;
use super::guest_option::GuestOption;
use crate::api::Overview;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{
    Button, ButtonKind, ButtonSize, EmptyState, Failure, SearchField, Select, Show, Skeleton, list,
};

/// A list that can be seen at a glance needs no search.
const SEARCHED_FROM: usize = 8;

/// Every guest, with a checkbox where it can be dumped, in a part that scrolls.
#[component]
pub fn GuestSelector() -> impl IntoView {
    let state = DumpsState::expect();
    let (guests, overview) = (state.data.guests, state.data.overview);
    let service_error = overview.find(|overview| of_service(overview, overview.service.error.as_ref()));
    let service_warning = overview.find(|overview| of_service(overview, overview.service.warning.as_ref()));
    let hypervisor = overview.find(|overview| overview.hypervisor.as_ref().map(ToString::to_string));
    let why_failed = guests.why_failed();
    // If the service is away, its guests are not known either: once is enough.
    let problem = memo(move || {
        if service_error.with(Option::is_some) { None } else { why_failed.get().or_else(|| hypervisor.get()) }
    });
    let search = RwSignal::new(String::new());
    let host = RwSignal::new(String::new());
    let hosts = memo(move || guests.with(hosts_of).unwrap_or_default());
    let shown = memo(move || {
        guests.with(|guests| {
            let found = |guest: &&Guest| {
                search.with(|text| matches(guest, text)) && host.with(|host| is_on(guest, host))
            };
            guests.iter().filter(found).map(Guest::reference).collect::<Vec<_>>()
        })
    });
    // Apart from those that are shown, so that the list is not built anew when a guest comes or goes.
    let is_empty = memo(move || guests.with(<[Guest]>::is_empty));
    let are_many = memo(move || guests.with(|guests| guests.len() > SEARCHED_FROM) == Some(true));
    let uri = overview.find(|overview| Some(overview.hypervisor_uri.clone()));
    let retry = move |()| {
        guests.fetch();
        overview.fetch();
    };
    view! {
        <div class="guests">
            <Show when=move || are_many.get()>
                <SearchField
                    id="guest-search"
                    label="Search guests"
                    placeholder="Name, id or UUID"
                    value=search
                    on_input=move |text| search.set(text)
                />
                <Selected />
            </Show>
            <Show when=move || hosts.with(|hosts| hosts.len() > 1)>
                <Select
                    id="guest-host"
                    label="Host"
                    value=host
                    options=Signal::derive(move || host_options(&hosts.get()))
                    on_choose=move |chosen| host.set(chosen)
                />
            </Show>
            {dynamic(move || match is_empty.get() {
                None if problem.with(Option::is_some) || service_error.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=3 label="Loading the guests" /> }.into_any(),
                Some(true) => {
                    view! {
                        <EmptyState title="No guests">
                            "The hypervisor "
                            {dynamic(move || uri.get().map(|uri| view! { <code>{uri}</code> " " }))}
                            "has no guests. New guests appear here automatically."
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(false) => {
                    view! {
                        <fieldset class="guest-list">
                            <legend class="visually-hidden">"Guests"</legend>
                            {list(
                                move || shown.get().unwrap_or_default(),
                                String::clone,
                                |reference| view! { <GuestOption reference /> },
                            )}
                            <Show when=move || shown.with(|shown| shown.as_ref().is_some_and(Vec::is_empty))>
                                <p class="guest-none">"No guest matches your search."</p>
                            </Show>
                        </fieldset>
                    }
                        .into_any()
                }
            })}
            // Below, where they take room from the end of the list and move nothing else.
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The guests cannot be listed."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=retry
                />
            </Show>
            <Show when=move || service_warning.with(Option::is_some) && service_error.with(Option::is_none)>
                <Failure
                    title="The dump service needs your attention."
                    detail=Signal::derive(move || service_warning.get().unwrap_or_default())
                />
            </Show>
            <Show when=move || service_error.with(Option::is_some)>
                <Failure
                    title="The dump service does not answer."
                    detail=Signal::derive(move || service_error.get().unwrap_or_default())
                    on_retry=move |()| overview.fetch()
                />
            </Show>
        </div>
    }
}

fn of_service(overview: &Overview, what: Option<&Message>) -> Option<String> {
    what.map(|what| format!("{}: {what}", overview.service.service))
}

/// How many are chosen: those that the search does not show are chosen all the same.
#[component]
fn Selected() -> impl IntoView {
    let chosen = DumpsState::expect().chosen;
    let count = move || chosen.with(std::collections::BTreeSet::len);
    view! {
        <p class="guest-count">
            <span class="number">{dynamic(move || format!("{} selected", count()))}</span>
            <Button
                kind=ButtonKind::Quiet
                size=ButtonSize::Small
                disabled=Signal::derive(move || count() == 0)
                on_press=move |()| chosen.update(std::collections::BTreeSet::clear)
            >
                "Clear"
            </Button>
        </p>
    }
}

/// The hosts of these guests, in alphabetical order; none where there is only one.
fn hosts_of(guests: &[Guest]) -> Vec<String> {
    let hosts: BTreeSet<&HostId> = guests.iter().filter_map(|guest| guest.host.as_ref()).collect();
    hosts.into_iter().map(ToString::to_string).collect()
}

/// All hosts, and each of them.
fn host_options(hosts: &[String]) -> Vec<(String, String)> {
    let each = hosts.iter().map(|host| (host.clone(), host.clone()));
    std::iter::once((String::new(), "All hosts".to_owned())).chain(each).collect()
}

/// Whether a guest is on the chosen host; an empty text is all of them.
fn is_on(guest: &Guest, host: &str) -> bool {
    host.is_empty() || guest.host.as_ref().is_some_and(|of| of.as_str() == host)
}

/// Whether what the operator looks for is in a guest's name or UUID, or is its id.
fn matches(guest: &Guest, text: &str) -> bool {
    let text = text.trim();
    let Ok(search) = text.parse::<SearchText>() else { return text.is_empty() };
    search.is_part_of(&guest.name.0)
        || guest.uuid.starts_with(&text.to_ascii_lowercase())
        || guest.id.is_some_and(|id| id.to_string() == text)
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ByteCount, GuestName, GuestState};

    use super::*;

    fn guest() -> Guest {
        Guest {
            host: None,
            id: Some(17),
            name: GuestName("Web-01".into()),
            uuid: "11051664-d6fd".into(),
            state: GuestState::Running,
            vcpus: 1,
            memory_max: ByteCount(0),
            memory: ByteCount(0),
            cpu_time_ns: 0,
        }
    }

    #[test]
    fn guests_of_one_host_can_be_shown_alone() {
        let guest = |host: Option<&str>| Guest { host: host.map(|host| host.parse().unwrap()), ..guest() };
        let guests = [guest(Some("b")), guest(Some("a")), guest(Some("b"))];
        assert_eq!(hosts_of(&guests), ["a", "b"]);
        assert!(hosts_of(&[guest(None)]).is_empty());
        let shown = |host| guests.iter().filter(|guest| is_on(guest, host)).count();
        assert_eq!([shown(""), shown("a"), shown("b")], [3, 1, 2]);
    }

    #[test]
    fn a_guest_is_found_by_a_part_of_its_name_by_its_id_and_by_the_start_of_its_uuid() {
        let guest = guest();
        for text in ["", "  ", "web", "B-0", " 17 ", "110516"] {
            assert!(matches(&guest, text), "{text:?}");
        }
        for text in ["db", "7", "d6fd"] {
            assert!(!matches(&guest, text), "{text:?}");
        }
    }
}

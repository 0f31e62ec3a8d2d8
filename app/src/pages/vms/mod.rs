//! VMs: every guest with its load and its last dump.

mod card;
mod cards;
mod filters;
mod last_dumps;
mod order;
mod places;
mod values;
mod view;

use leptos::prelude::*;
use memdeck_model::{Guest, HostId};

use super::guest::{CollectorNotice, NoGuests, UnlistedGuests, why_unlisted};
use super::title::set_title;
use crate::data::{Data, TelemetryStore};
use crate::routes::Page;
use crate::shortcuts::{Shortcuts, focus_on};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Button, EmptyState, Failure, Icon, Show, Skeleton, list};
use card::VmCard;
use cards::{Cards, Group};
use filters::Filters;
use last_dumps::LastDumps;
use places::in_portions;
use view::VmsView;

/// What the parts of the page share.
#[derive(Clone, Copy)]
struct VmsState {
    data: Data,
    last_dumps: LastDumps,
}

impl VmsState {
    fn expect() -> Self {
        expect_context()
    }
}

#[component]
pub fn Vms() -> impl IntoView {
    set_title(Page::Vms.name());
    let data = Data::expect();
    TelemetryStore::watch_all();
    let last_dumps = LastDumps::new();
    provide_context(VmsState { data, last_dumps });
    let cards = Cards::new();
    let shortcuts = Shortcuts::expect();
    shortcuts.add("/", "Search VMs", || focus_on(filters::SEARCH));
    shortcuts.add("r", "Reload everything", move || {
        data.refresh();
        last_dumps.fetch();
    });
    let guests = data.guests;
    let problem = why_unlisted(&data);
    let no_dumps = last_dumps.why_failed();
    let is_empty = memo(move || guests.with(<[Guest]>::is_empty));
    let host = data.overview.find(|overview| overview.host.clone());
    let count = memo(move || {
        let all = guests.with(<[Guest]>::len)?;
        let found = cards.groups.with(|groups| count_of(groups.as_deref().unwrap_or_default()));
        Some(count_in_words(found, all, host.get().as_deref()))
    });
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Vms.name()}</h1>
                <p class="page-lead">"Every VM, how busy it is, and when it was last dumped."</p>
            </div>
        </header>
        <CollectorNotice />
        <UnlistedGuests problem />
        <Show when=move || no_dumps.with(Option::is_some)>
            <Failure
                title="The last dumps could not be loaded."
                detail=Signal::derive(move || no_dumps.get().unwrap_or_default())
                on_retry=move |()| last_dumps.fetch()
            />
        </Show>
        {dynamic(move || match is_empty.get() {
            None if problem.with(Option::is_some) => ().into_any(),
            None => view! { <Skeleton rows=4 label="Loading the guests" /> }.into_any(),
            Some(true) => {
                view! { <NoGuests /> }.into_any()
            }
            Some(false) => {
                view! {
                    <Filters cards />
                    <p class="secondary number" role="status">{count}</p>
                    <Show when=move || cards.groups.with(|groups| groups.as_ref().is_some_and(Vec::is_empty))>
                        <EmptyState title="No VM matches your filters" icon=Icon::Search>
                            <Button on_press=move |()| cards.show(false, |view| {
                                *view = VmsView {
                                    sort: view.sort,
                                    by_host: view.by_host,
                                    ..VmsView::default()
                                };
                            })>"Show all VMs"</Button>
                        </EmptyState>
                    </Show>
                    {list(
                        move || {
                            let host = |group: &Group| group.host.clone();
                            cards.groups.with(|groups| groups.iter().flatten().map(host).collect())
                        },
                        |host: &Option<HostId>| host.as_ref().map(ToString::to_string).unwrap_or_default(),
                        move |host| view! { <GroupView cards host /> },
                    )}
                }
                    .into_any()
            }
        })}
    }
}

/// The cards of a host, or all of them.
#[component]
fn GroupView(cards: Cards, host: Option<HostId>) -> impl IntoView {
    let heading = host.as_ref().map(ToString::to_string);
    let references = memo(move || {
        let of_host = |group: &&Group| group.host == host;
        cards.groups.with(|groups| {
            groups.iter().flatten().find(of_host).map(|group| group.references.clone()).unwrap_or_default()
        })
    });
    let shown = in_portions(references);
    let heading = heading.map(|host| {
        let count =
            move || references.with(|references| count_in_words(references.len(), references.len(), None));
        view! {
            <h2 class="vms-host">
                {host} " " <span class="secondary number">{dynamic(count)}</span>
            </h2>
        }
    });
    view! {
        <section class="vms-group">
            {heading}
            <ul class="vms">
                {list(
                    move || shown.get(),
                    String::clone,
                    |reference| view! { <li><VmCard reference /></li> },
                )}
            </ul>
        </section>
    }
}

fn count_of(groups: &[Group]) -> usize {
    groups.iter().map(|group| group.references.len()).sum()
}

/// `12 of 200 VMs on hv1`.
fn count_in_words(found: usize, all: usize, host: Option<&str>) -> String {
    let vms = if all == 1 { "VM" } else { "VMs" };
    let host = host.map(|host| format!(" on {host}")).unwrap_or_default();
    if found == all { format!("{all} {vms}{host}") } else { format!("{found} of {all} {vms}{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_says_how_many_are_left_out_and_where_they_are() {
        assert_eq!(count_in_words(1, 1, None), "1 VM");
        assert_eq!(count_in_words(200, 200, Some("hv1")), "200 VMs on hv1");
        assert_eq!(count_in_words(0, 2, Some("hv1")), "0 of 2 VMs on hv1");
    }
}

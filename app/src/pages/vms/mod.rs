//! VMs: every guest with its load and its last dump.

mod card;
mod cards;
mod filters;
mod last_dumps;
mod order;
mod values;
mod view;

use leptos::prelude::*;
use memdeck_model::Guest;

use super::guest::{CollectorNotice, NoGuests, UnlistedGuests, why_unlisted};
use super::title::set_title;
use crate::data::{Data, TelemetryStore};
use crate::routes::Page;
use crate::shortcuts::{Shortcuts, focus_on};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Button, EmptyState, Failure, Icon, Show, Skeleton, list};
use card::VmCard;
use cards::Cards;
use filters::Filters;
use last_dumps::LastDumps;
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
        let found = cards.references.with(|found| found.as_ref().map_or(0, Vec::len));
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
                    <Show when=move || cards.references.with(|found| found.as_ref().is_some_and(Vec::is_empty))>
                        <EmptyState title="No VM matches your filters" icon=Icon::Search>
                            <Button on_press=move |()| cards.show(false, |view| {
                                *view = VmsView { sort: view.sort, ..VmsView::default() };
                            })>"Show all VMs"</Button>
                        </EmptyState>
                    </Show>
                    <ul class="vms">
                        {list(
                            move || cards.references.get().unwrap_or_default(),
                            String::clone,
                            |reference| view! { <li><VmCard reference /></li> },
                        )}
                    </ul>
                }
                    .into_any()
            }
        })}
    }
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

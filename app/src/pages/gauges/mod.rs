//! Main Gauges: one guest at a glance.

mod dial;
mod dial_card;
mod history;
mod panel;
mod trace;

use leptos::prelude::*;
use memdeck_model::Guest;

use super::guest::{ChosenGuest, CollectorNotice, GuestSelect, NoGuests, UnlistedGuests, why_unlisted};
use super::title::set_title;
use crate::data::Data;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{EmptyState, Icon, Show, Skeleton};
use panel::GuestGauges;

#[component]
pub fn Gauges() -> impl IntoView {
    set_title(Page::Gauges.name());
    let data = Data::expect();
    let guests = data.guests;
    Shortcuts::expect().add("r", "Reload everything", move || data.refresh());
    let chosen = ChosenGuest::of(Page::Gauges);
    let guest = chosen.guest();
    // The CPU time changes all the time, and is not shown.
    let line = memo(move || guest.get().map(|guest| Guest { cpu_time_ns: 0, ..guest }));
    let problem = why_unlisted(&data);
    let is_empty = memo(move || guests.with(<[Guest]>::is_empty));
    let is_gone = memo(move || {
        guests.with(|_| ()).is_some() && chosen.reference.with(Option::is_some) && guest.with(Option::is_none)
    });
    view! {
        <header class="page-head page-head-tools">
            <div>
                <h1>{Page::Gauges.name()}</h1>
                <p class="page-lead">"Network, disk, CPU and memory of one VM, as they change."</p>
            </div>
            <GuestSelect chosen />
        </header>
        <CollectorNotice />
        <UnlistedGuests problem />
        {dynamic(move || match (is_empty.get(), chosen.reference.with(Option::is_some)) {
            (_, true) => ().into_any(),
            (None, false) if problem.with(Option::is_some) => ().into_any(),
            (Some(true), false) => {
                view! { <NoGuests /> }.into_any()
            }
            (None | Some(false), false) => view! { <Skeleton rows=3 label="Loading the guests" /> }.into_any(),
        })}
        <Show when=move || is_gone.get()>
            <EmptyState title="This VM no longer exists" icon=Icon::Power>
                "It was removed or renamed on the hypervisor, or the address does not name a VM of these hosts. Choose another VM above."
            </EmptyState>
        </Show>
        {dynamic(move || chosen.reference.get().map(|reference| view! { <GuestGauges reference guest=line /> }))}
    }
}

//! The list of guests to choose from.

use leptos::prelude::*;

use super::guest_option::GuestOption;
use super::state::State;
use crate::ui::{EmptyState, Failure, Skeleton};

/// Every guest, with a checkbox where it can be dumped.
#[component]
pub fn GuestSelector() -> impl IntoView {
    let state = State::expect();
    let problem = Memo::new(move |_| {
        let of_fetch =
            state.guests.with(|guests| guests.problem.as_ref().map(|problem| problem.detail.clone()));
        of_fetch.or_else(|| state.overview.with_data(|overview| overview.hypervisor.clone()).flatten())
    });
    let uuids = Memo::new(move |_| {
        state.guests.with_data(|guests| guests.iter().map(|guest| guest.uuid.clone()).collect::<Vec<_>>())
    });
    // Apart from the UUIDs, so that the list is not built anew when a guest comes or goes.
    let is_empty = Memo::new(move |_| uuids.with(|uuids| uuids.as_ref().map(Vec::is_empty)));
    let uri = Memo::new(move |_| state.overview.with_data(|overview| overview.hypervisor_uri.clone()));
    let retry = move |()| {
        state.fetch_guests();
        state.fetch_overview();
    };
    view! {
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The hypervisor’s guests cannot be listed."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=retry
            />
        </Show>
        {move || match is_empty.get() {
            None if problem.with(Option::is_some) => ().into_any(),
            None => view! { <Skeleton rows=3 label="Loading the guests" /> }.into_any(),
            Some(true) => {
                view! {
                    <EmptyState title="There are no guests">
                        "The hypervisor "
                        {move || uri.get().map(|uri| view! { <code>{uri}</code> " " })}
                        "has none. One that is defined or started appears here by itself."
                    </EmptyState>
                }
                    .into_any()
            }
            Some(false) => {
                view! {
                    <fieldset class="guest-list">
                        <legend class="visually-hidden">"Guests"</legend>
                        <For each=move || uuids.get().unwrap_or_default() key=String::clone let:uuid>
                            <GuestOption uuid />
                        </For>
                    </fieldset>
                }
                    .into_any()
            }
        }}
    }
}

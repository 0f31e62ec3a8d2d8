//! One guest of the list.

use leptos::prelude::*;

use super::super::state::DumpsState;
use super::choice::obstacle;
use crate::data::Jobs;
use crate::pages::guest::StateBadge;
use crate::ui::erase::{dynamic, follow, handler, memo};
use crate::words::shown;

/// Name, id, state and memory of the guest `reference`, with a checkbox to choose it.
#[component]
pub fn GuestOption(reference: String) -> impl IntoView {
    let state = DumpsState::expect();
    let reference = StoredValue::new(reference);
    let guest = memo(move || reference.with_value(|reference| state.data.guests.get(reference)));
    let obstacle = memo(move || {
        let guest = guest.get()?;
        state
            .data
            .dumps
            .with(|jobs| obstacle(&guest, jobs))
            .unwrap_or_else(|| obstacle(&guest, &Jobs::default()))
    });
    let is_chosen =
        move || state.chosen.with(|chosen| reference.with_value(|reference| chosen.contains(reference)));
    let choose = move |event: leptos::ev::Event| {
        let checked = event_target_checked(&event);
        state.chosen.update(|chosen| {
            if checked {
                chosen.insert(reference.get_value());
            } else {
                chosen.remove(&reference.get_value());
            }
        });
    };
    // A guest that is off cannot be chosen. One that is being dumped stays chosen: it can be dumped again after.
    let is_off = move || guest.with(|guest| guest.as_ref().is_none_or(|guest| !guest.state.has_memory()));
    let name = move || guest.with(|guest| guest.as_ref().map(|guest| shown(&guest.name.0)));
    let id = move || {
        guest.with(|guest| {
            guest.as_ref().and_then(|guest| guest.id).map_or("no id".to_owned(), |id| format!("id {id}"))
        })
    };
    let only_host = state.data.overview.find(|overview| overview.host.clone());
    let host = memo(move || {
        let named =
            guest.with(|guest| guest.as_ref().and_then(|guest| guest.host.as_ref().map(ToString::to_string)));
        named.or_else(|| only_host.get())
    });
    let memory = move || guest.with(|guest| guest.as_ref().map(|guest| guest.memory.to_string()));
    view! {
        <label class="guest" class:is-off=follow(is_off)>
            <input type="checkbox" prop:checked=follow(is_chosen) disabled=follow(is_off) on:change=handler(choose) />
            <span class="guest-title">
                <span class="guest-name">{dynamic(name)}</span>
                <span class="guest-id">{dynamic(id)}</span>
            </span>
            // The line is there whether a dump is under way or not: no row grows under the pointer.
            <span class="guest-about">
                <span class="guest-host">{host}</span>
                {dynamic(move || obstacle.get().map(|why| view! { <span class="guest-obstacle">{why}</span> }))}
            </span>
            <span class="guest-state">{dynamic(move || guest.with(|guest| guest.as_ref().map(|guest| view! { <StateBadge state=guest.state /> })))}</span>
            <span class="guest-memory">{dynamic(memory)}</span>
        </label>
    }
}

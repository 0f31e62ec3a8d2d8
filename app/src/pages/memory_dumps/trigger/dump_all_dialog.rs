//! The question before every running guest is dumped.

use leptos::prelude::*;
use memdeck_model::Guest;

use super::super::state::DumpsState;
use super::mode_words::{pause, space, subject, warning};
use super::pause_warning::PauseWarning;
use crate::ui::erase::dynamic;
use crate::ui::{Button, ButtonKind, Dialog, Show};
use crate::words::placed;

/// Names how many guests, how much memory, and what happens to them; dumps `guests` when confirmed.
#[component]
pub fn DumpAllDialog(
    /// Whether it is shown.
    open: RwSignal<bool>,
    /// The guests that were free when it was opened: those it names are those it dumps.
    guests: RwSignal<Vec<Guest>>,
    /// Guests with memory that are not dumped, and why.
    omitted: RwSignal<Vec<(Guest, String)>>,
) -> impl IntoView {
    let state = DumpsState::expect();
    let confirm = move |()| {
        open.set(false);
        state.dump(&guests.get_untracked());
    };
    let expected = move || {
        guests.with(|guests| {
            pause(state.options.mode.get(), guests, state.data.overview.frozen_pause().as_ref())
        })
    };
    let too_long = move || {
        guests.with(|guests| {
            warning(state.options.mode.get(), guests, state.data.overview.frozen_pause().as_ref())
        })
    };
    let are_many = move || guests.with(|guests| guests.len() > 1);
    view! {
        <Dialog open id="dump-all-title" title="Dump all running guests?">
            <p class="dialog-consequence">
                {dynamic(move || guests.with(|guests| format!("{}.", subject(guests))))}
            </p>
            <dl class="facts">
                <dt>"Expected pause"</dt>
                <dd>{dynamic(expected)}</dd>
                <dt>"Space on disk"</dt>
                <dd>{dynamic(move || guests.with(|guests| space(guests)))}</dd>
            </dl>
            {dynamic(move || too_long().map(|text| view! { <PauseWarning text /> }))}
            <Show when=are_many>
                <p class="secondary">"A few run at a time; the others are queued."</p>
            </Show>
            // Focusable, because a long list is scrolled with the keyboard too.
            <ul class="dialog-guests" tabindex="0" aria-label="Guests to be dumped">
                {dynamic(move || {
                    guests
                        .get()
                        .into_iter()
                        .map(|guest| view! {
                            <li>
                                <span class="guest-name">{placed(guest.host.as_ref(), &guest.name.0)}</span>
                                <span class="number">{guest.memory.to_string()}</span>
                            </li>
                        })
                        .collect_view()
                })}
            </ul>
            <Show when=move || !omitted.with(Vec::is_empty)>
                <p class="secondary">"Not included:"</p>
                <ul class="dialog-guests" aria-label="Guests that are not included">
                    {dynamic(move || {
                        omitted
                            .get()
                            .into_iter()
                            .map(|(guest, why)| view! {
                                <li>
                                    <span class="guest-name">{placed(guest.host.as_ref(), &guest.name.0)}</span>
                                    <span>{why}</span>
                                </li>
                            })
                            .collect_view()
                    })}
                </ul>
            </Show>
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>
                    "Cancel"
                </Button>
                <Button kind=ButtonKind::Primary on_press=confirm>
                    "Dump all"
                </Button>
            </div>
        </Dialog>
    }
}

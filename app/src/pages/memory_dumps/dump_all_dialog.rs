//! The question before every running guest is dumped.

use leptos::prelude::*;
use memdeck_model::Guest;

use super::choice::{expected_pause, memory_of};
use super::state::State;
use crate::ui::{Button, ButtonKind, Dialog};

/// Names how many guests, how much memory, and what happens to them; dumps `guests` when confirmed.
#[component]
pub fn DumpAllDialog(
    /// Whether it is shown.
    open: RwSignal<bool>,
    /// The guests that were free when it was opened: those it names are those it dumps.
    guests: RwSignal<Vec<Guest>>,
) -> impl IntoView {
    let state = State::expect();
    let confirm = move |()| {
        open.set(false);
        state.dump(&guests.get_untracked());
    };
    view! {
        <Dialog open id="dump-all-title" title="Dump all running guests?">
            <p class="dialog-consequence">
                {move || guests.with(|guests| consequence(guests))}
            </p>
            // Focusable, because a long list is scrolled with the keyboard too.
            <ul class="dialog-guests" tabindex="0" aria-label="Guests to be dumped">
                {move || {
                    guests
                        .get()
                        .into_iter()
                        .map(|guest| view! {
                            <li>
                                <span>{guest.name.0}</span>
                                <span class="number">{guest.memory.to_string()}</span>
                            </li>
                        })
                        .collect_view()
                }}
            </ul>
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

fn consequence(guests: &[Guest]) -> String {
    let memory = memory_of(guests);
    let largest = guests.iter().map(|guest| guest.memory).max().unwrap_or(memory);
    let pause = expected_pause(largest);
    match guests.len() {
        1 => {
            format!("1 guest with {memory} of memory is stopped while it is read, {pause}; then it runs on.")
        }
        count => format!(
            "{count} guests with {memory} of memory in all. Each is stopped while its own memory is read, {pause} \
             for the largest; then it runs on. A few are dumped at a time, the others wait."
        ),
    }
}

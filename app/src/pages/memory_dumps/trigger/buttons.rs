//! The two dump buttons, what they will do, and why they cannot.

use leptos::prelude::*;
use memdeck_model::{Guest, Permission};

use super::super::state::DumpsState;
use super::choice::{left_out, obstacle, running};
use super::dump_all_dialog::DumpAllDialog;
use super::mode_words::{consequence, warning};
use super::pause_warning::PauseWarning;
use crate::data::{Jobs, MAY_NOT_DUMP};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Button, ButtonKind, Checkbox, Failure, Show};
use crate::words::{lower_first, placed};

/// The guests that are chosen and have memory, and why they cannot be dumped together now.
#[derive(Clone, Debug, Default, PartialEq)]
struct Selection {
    guests: Vec<Guest>,
    obstacle: Option<String>,
}

/// Dump selected and dump all.
#[component]
pub fn TriggerButtons() -> impl IntoView {
    let state = DumpsState::expect();
    let selection = memo(move || selection_of(&state));
    let are_known = memo(move || state.data.guests.with(|_| ()).is_some());
    let runnable = memo(move || with_guests_and_jobs(&state, running));
    let is_pending = move || state.trigger.with(|trigger| trigger.pending);
    let problem = memo(move || {
        state.trigger.with(|trigger| trigger.problem.as_ref().map(|problem| problem.detail.to_string()))
    });
    // Only if it matters: it is no choice to make in passing.
    let asks_consent = memo(move || {
        let was_refused = |guest: &Guest| {
            state.data.dumps.with(|jobs| jobs.was_refused_as_encrypted(guest)).unwrap_or(false)
        };
        state.options.accept_encrypted.get()
            || selection.with(|selection| selection.guests.iter().any(was_refused))
    });
    let all_open = RwSignal::new(false);
    let planned = RwSignal::new(Vec::new());
    let omitted = RwSignal::new(Vec::new());
    let dump_selected = move |()| state.dump(&selection.get_untracked().guests);
    let ask_for_all = move |()| {
        planned.set(runnable.get_untracked());
        omitted.set(untrack(|| with_guests_and_jobs(&state, left_out)));
        all_open.set(true);
    };
    let invalid = memo(move || state.options.read().err());
    let may_dump = state.data.overview.may(Permission::Dump);
    let is_blocked = move || !may_dump.get() || is_pending() || invalid.with(Option::is_some);
    let no_selected = Signal::derive(move || {
        is_blocked() || selection.with(|chosen| chosen.guests.is_empty() || chosen.obstacle.is_some())
    });
    let no_all = Signal::derive(move || is_blocked() || runnable.with(Vec::is_empty));
    let obstacle = memo(move || {
        if !may_dump.get() {
            Some(MAY_NOT_DUMP.to_owned())
        } else if is_pending() {
            Some("Sending the request …".to_owned())
        } else if let Some(why) = invalid.get() {
            Some(why)
        } else if !are_known.get() {
            Some("The guests are not loaded yet.".to_owned())
        } else if runnable.with(Vec::is_empty) && selection.with(|selection| selection.obstacle.is_some()) {
            Some("No running guest can be dumped now.".to_owned())
        } else {
            selection.with(|selection| selection.obstacle.clone())
        }
    });
    let outlook = move || {
        if obstacle.with(Option::is_some) {
            return ().into_any();
        }
        let (mode, measured) = (state.options.mode.get(), state.data.overview.frozen_pause());
        // The warning says how long the guest is stopped, too.
        selection.with(|Selection { guests, .. }| match warning(mode, guests, measured.as_ref()) {
            Some(text) => view! { <PauseWarning text /> }.into_any(),
            None => consequence(mode, guests, measured.as_ref()).into_any(),
        })
    };
    view! {
        // One place for both: what follows, or why nothing can.
        <div class="trigger-outlook">
            <Show when=move || asks_consent.get()>
                <Checkbox
                    checked=state.options.accept_encrypted
                    on_change=move |accepted| state.options.accept_encrypted.set(accepted)
                >
                    "Dump encrypted memory anyway. The image is ciphertext: it cannot be analysed without the guest’s key."
                </Checkbox>
            </Show>
            <p id="dump-obstacle">{obstacle}</p>
            <div id="dump-consequence">{dynamic(outlook)}</div>
        </div>
        <div class="trigger-buttons">
            <Button
                kind=ButtonKind::Primary
                on_press=dump_selected
                disabled=no_selected
                busy=Signal::derive(is_pending)
                described_by="dump-obstacle dump-consequence"
            >
                "Dump selected"
            </Button>
            <Button on_press=ask_for_all disabled=no_all described_by="dump-obstacle">
                "Dump all running guests"
            </Button>
        </div>
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The dump was not started."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
            />
        </Show>
        <DumpAllDialog open=all_open guests=planned omitted />
    }
}

fn with_guests_and_jobs<T: Default>(state: &DumpsState, read: impl FnOnce(&[Guest], &Jobs) -> T) -> T {
    let jobs = state.data.dumps.with(Jobs::clone).unwrap_or_default();
    state.data.guests.with(|guests| read(guests, &jobs)).unwrap_or_default()
}

fn selection_of(state: &DumpsState) -> Selection {
    with_guests_and_jobs(state, |guests, jobs| {
        let is_chosen = |guest: &&Guest| state.chosen.with(|chosen| chosen.contains(&guest.reference()));
        let guests: Vec<_> =
            guests.iter().filter(is_chosen).filter(|guest| guest.state.has_memory()).cloned().collect();
        let obstacle = if guests.is_empty() {
            Some("Select a guest first.".to_owned())
        } else {
            guests.iter().find_map(|guest| {
                obstacle(guest, jobs).map(|why| {
                    format!("{}: {}", placed(guest.host.as_ref(), &guest.name.0), lower_first(&why))
                })
            })
        };
        Selection { guests, obstacle }
    })
}

//! The two dump buttons, what they will do, and why they cannot.

use leptos::prelude::*;
use memdeck_model::Guest;

use super::choice::{expected_pause, memory_of, obstacle, running};
use super::dump_all_dialog::DumpAllDialog;
use super::jobs::Jobs;
use super::state::State;
use crate::ui::{Button, ButtonKind, Failure};

/// The guests that are chosen and have memory, and why they cannot be dumped together now.
#[derive(Clone, Debug, Default, PartialEq)]
struct Selection {
    guests: Vec<Guest>,
    obstacle: Option<String>,
}

/// Dump selected and dump all.
#[component]
pub fn TriggerButtons() -> impl IntoView {
    let state = State::expect();
    let selection = Memo::new(move |_| selection_of(&state));
    let runnable = Memo::new(move |_| with_guests_and_jobs(&state, running));
    let is_pending = move || state.trigger.with(|trigger| trigger.pending);
    let problem = Memo::new(move |_| {
        state.trigger.with(|trigger| trigger.problem.as_ref().map(|problem| problem.detail.clone()))
    });
    let all_open = RwSignal::new(false);
    let planned = RwSignal::new(Vec::new());
    let dump_selected = move |()| state.dump(&selection.get_untracked().guests);
    let ask_for_all = move |()| {
        planned.set(runnable.get_untracked());
        all_open.set(true);
    };
    let no_selected =
        Signal::derive(move || is_pending() || selection.with(|chosen| chosen.obstacle.is_some()));
    let no_all = Signal::derive(move || is_pending() || runnable.with(Vec::is_empty));
    view! {
        <p class="consequence" id="dump-consequence">
            {move || selection.with(|selection| consequence(&selection.guests))}
        </p>
        <div class="trigger-buttons">
            <Button kind=ButtonKind::Primary on_press=dump_selected disabled=no_selected described_by="dump-obstacle dump-consequence">
                "Dump selected"
            </Button>
            <Button on_press=ask_for_all disabled=no_all described_by="dump-obstacle">
                "Dump all running guests"
            </Button>
            <p class="trigger-obstacle" id="dump-obstacle">
                {move || {
                    if is_pending() {
                        Some("Asking the server …".to_owned())
                    } else if runnable.with(Vec::is_empty) {
                        Some("No running guest is free to be dumped.".to_owned())
                    } else {
                        selection.with(|selection| selection.obstacle.clone())
                    }
                }}
            </p>
        </div>
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The dump was not started."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
            />
        </Show>
        <DumpAllDialog open=all_open guests=planned />
    }
}

fn with_guests_and_jobs<T: Default>(state: &State, read: impl FnOnce(&[Guest], &Jobs) -> T) -> T {
    let jobs = state.jobs.with_data(Jobs::clone).unwrap_or_default();
    state.guests.with_data(|guests| read(guests, &jobs)).unwrap_or_default()
}

fn selection_of(state: &State) -> Selection {
    with_guests_and_jobs(state, |guests, jobs| {
        let is_chosen = |guest: &&Guest| state.chosen.with(|chosen| chosen.contains(&guest.uuid));
        let guests: Vec<_> =
            guests.iter().filter(is_chosen).filter(|guest| guest.state.has_memory()).cloned().collect();
        let obstacle = if guests.is_empty() {
            Some("Select a guest first.".to_owned())
        } else {
            guests.iter().find_map(|guest| {
                obstacle(guest, jobs).map(|why| format!("{}: {}", guest.name, lower_first(&why)))
            })
        };
        Selection { guests, obstacle }
    })
}

fn lower_first(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// What dumping `guests` does to them.
fn consequence(guests: &[Guest]) -> String {
    match guests {
        [] => "A guest is stopped while its memory is read, about a second per GiB.".to_owned(),
        [guest] => format!(
            "{} is stopped while its {} are read, {}; then it runs on.",
            guest.name,
            guest.memory,
            expected_pause(guest.memory)
        ),
        [first, ..] => {
            let longest = guests.iter().map(|guest| guest.memory).max().unwrap_or(first.memory);
            format!(
                "Each of these {} guests is stopped while its memory is read, {} for the largest; {} in all.",
                guests.len(),
                expected_pause(longest),
                memory_of(guests)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ByteCount, GuestName, GuestState};

    use super::*;

    fn guest(name: &str, mib: u64) -> Guest {
        Guest {
            id: Some(1),
            name: GuestName(name.into()),
            uuid: name.into(),
            state: GuestState::Running,
            vcpus: 1,
            memory_max: ByteCount::from_mib(mib),
            memory: ByteCount::from_mib(mib),
            cpu_time_ns: 0,
        }
    }

    #[test]
    fn the_consequence_names_the_guest_and_its_size() {
        assert_eq!(
            consequence(&[guest("web-01", 4096)]),
            "web-01 is stopped while its 4.00 GiB are read, about 4 s; then it runs on."
        );
    }

    #[test]
    fn the_consequence_for_many_is_the_longest_stop() {
        assert_eq!(
            consequence(&[guest("web-01", 1024), guest("db-01", 4096)]),
            "Each of these 2 guests is stopped while its memory is read, about 4 s for the largest; 5.00 GiB in all."
        );
    }
}

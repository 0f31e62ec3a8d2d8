//! Which two dumps are compared.

use leptos::prelude::*;
use memdeck_model::DumpId;

use super::dumps::{GuestDumps, guest_of, suggested};
use super::state::State;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Button, ButtonKind, Failure, Select, Show};

/// A guest, and two of its dumps. What is offered at first is the newest dump and the one before.
#[component]
#[expect(clippy::too_many_lines, reason = "mostly the view")]
pub fn Choice() -> impl IntoView {
    let state = State::expect();
    let problem = state.records.why_failed();
    let guest = RwSignal::new(String::new());
    let (first, second) = (RwSignal::new(None::<DumpId>), RwSignal::new(None::<DumpId>));
    let suggest = move |of: &GuestDumps, second_id: Option<&DumpId>| {
        let pair = suggested(of, second_id);
        first.set(pair.as_ref().map(|(first, _)| first.clone()));
        second.set(pair.map(|(_, second)| second));
    };
    // The address decides; what it leaves open is suggested.
    effect(move || {
        let view = state.view.get();
        state.guests.with(|guests| {
            let named = guest_of(guests, &[view.second.clone(), view.first.clone()]);
            let chosen = guest.get_untracked();
            let can_compare = |of: &&GuestDumps| of.dumps.len() > 1;
            let of = named
                .or_else(|| guests.iter().find(|of| of.guest == chosen))
                .or_else(|| guests.iter().find(can_compare))
                .or_else(|| guests.first());
            let Some(of) = of else { return };
            guest.set(of.guest.clone());
            if view.pair().is_none() {
                suggest(of, view.second.as_ref());
            }
        });
        if let Some((one, other)) = view.pair() {
            first.set(Some(one));
            second.set(Some(other));
        }
    });
    let of_guest = memo(move || {
        let guest = guest.get();
        state.guests.with(|guests| guests.iter().find(|of| of.guest == guest).cloned())
    });
    let guests = memo(move || {
        state.guests.with(|guests| {
            let option = |of: &GuestDumps| {
                let count = of.dumps.len();
                let dumps = if count == 1 { "1 dump".to_owned() } else { format!("{count} dumps") };
                (of.guest.clone(), format!("{} ({dumps})", of.guest))
            };
            guests.iter().map(option).collect::<Vec<_>>()
        })
    });
    let choose_guest = move |name: String| {
        state.guests.with_untracked(|guests| {
            if let Some(of) = guests.iter().find(|of| of.guest == name) {
                guest.set(name);
                suggest(of, None);
            }
        });
    };
    let is_same = memo(move || first.get() == second.get());
    let cannot = memo(move || {
        if state.records.with_data(|page| page.records.is_empty()).unwrap_or(false) {
            return Some("No image is stored yet.".to_owned());
        }
        let alone =
            of_guest.with(|of| of.as_ref().filter(|of| of.dumps.len() < 2).map(|of| of.guest.clone()));
        match alone {
            Some(guest) => {
                Some(format!("Only one image of {guest} is stored. Take another dump to compare it with."))
            }
            None if first.with(Option::is_some) && is_same.get() => {
                Some("Both are the same dump: nothing can have changed.".to_owned())
            }
            None => None,
        }
    });
    let is_blocked = Signal::derive(move || cannot.with(Option::is_some) || first.with(Option::is_none));
    let go = move |()| state.show_pair(first.get_untracked(), second.get_untracked());
    let swap = move |()| {
        let (one, other) = (first.get_untracked(), second.get_untracked());
        first.set(other.clone());
        second.set(one.clone());
        if state.view.with_untracked(|view| view.pair().is_some()) {
            state.show_pair(other, one);
        }
    };
    view! {
        <section class="card compare-choice" aria-label="Which dumps">
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The dumps could not be listed."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch_records()
                />
            </Show>
            <div class="compare-fields">
                <Select id="compare-guest" label="Guest" value=guest options=guests on_choose=choose_guest />
                <Select
                    id="compare-first"
                    label="Before"
                    value=of_dump(first)
                    options=options(of_guest, first)
                    on_choose=move |id: String| first.set(id.parse().ok())
                />
                <Select
                    id="compare-second"
                    label="After"
                    value=of_dump(second)
                    options=options(of_guest, second)
                    on_choose=move |id: String| second.set(id.parse().ok())
                />
                <div class="compare-go">
                    <Button on_press=swap disabled=is_blocked described_by="compare-cannot">
                        "Swap"
                    </Button>
                    <Button kind=ButtonKind::Primary on_press=go disabled=is_blocked described_by="compare-cannot">
                        "Compare"
                    </Button>
                </div>
            </div>
            <p class="secondary" id="compare-cannot">
                {dynamic(move || cannot.get())}
            </p>
        </section>
    }
}

fn of_dump(id: RwSignal<Option<DumpId>>) -> Signal<String> {
    Signal::derive(move || id.with(|id| id.as_ref().map(ToString::to_string)).unwrap_or_default())
}

/// The dumps of the guest. The chosen one is there even if its image is of another guest, or gone.
fn options(of: Memo<Option<GuestDumps>>, chosen: RwSignal<Option<DumpId>>) -> Signal<Vec<(String, String)>> {
    Signal::derive(move || {
        let mut options: Vec<(String, String)> = of.with(|of| {
            let dumps = of.iter().flat_map(|of| &of.dumps);
            dumps.map(|dump| (dump.id.to_string(), dump.taken.clone())).collect()
        });
        if let Some(id) = chosen.get().map(|id| id.to_string())
            && !options.iter().any(|(option, _)| *option == id)
        {
            options.push((id.clone(), format!("Dump {id}")));
        }
        options
    })
}

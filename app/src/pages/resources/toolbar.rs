//! Which guest, and which stretch of time.

use leptos::prelude::*;
use memdeck_model::Guest;

use super::range::{Range, SPANS};
use super::state::ResourcesState;
use super::time_form::TimeForm;
use crate::pages::guest::named;
use crate::time::local_time;
use crate::ui::erase::{dynamic, follow, handler, memo};
use crate::ui::{Button, ButtonSize, Icon, IconView, Select, Show};

/// The row above the charts.
#[component]
pub fn Toolbar() -> impl IntoView {
    let state = ResourcesState::expect();
    let chosen = memo(move || state.guest.get().unwrap_or_default());
    let options = memo(move || {
        let mut options = state.data.guests.with(|guests| guests.iter().map(option).collect::<Vec<_>>());
        let uuid = chosen.get();
        let options = options.get_or_insert_default();
        if !options.iter().any(|(value, _)| *value == uuid) {
            // It is gone, and shown all the same.
            options.push((uuid, state.name().unwrap_or_default()));
        }
        options.clone()
    });
    let choose = move |uuid: String| {
        state.show(|view| {
            view.guest = Some(uuid);
            view.table = None;
        });
    };
    let is_choosing = RwSignal::new(false);
    let is_fixed = memo(move || !state.range.get().is_live());
    let moved = move |change: fn(Range, memdeck_model::Timestamp) -> Range| {
        move |()| state.show_range(change(state.range.get_untracked(), state.now()))
    };
    let at_end = memo(move || match state.range.get() {
        Range::Live(_) => true,
        Range::Fixed(_, to) => to >= state.now(),
    });
    view! {
        <div class="card resource-toolbar">
            <div class="resource-guest">
                <Select id="resource-guest" label="Guest" value=chosen options on_choose=choose />
            </div>
            <div class="resource-range">
                <span class="field-label" id="resource-range">
                    "Range"
                </span>
                <div class="resource-spans" role="group" aria-labelledby="resource-range">
                    {(0..SPANS.len()).map(|span| view! { <SpanButton span /> }).collect_view()}
                    <button
                        type="button"
                        class="span-button"
                        aria-expanded=follow(move || is_choosing.get().to_string())
                        aria-pressed=follow(move || is_fixed.get().to_string())
                        on:click=handler(move |_| is_choosing.update(|choosing| *choosing = !*choosing))
                    >
                        {dynamic(move || if is_fixed.get() { chosen_range(state.range.get()) } else { "Choose …".to_owned() })}
                    </button>
                </div>
            </div>
            <div class="resource-moves" role="group" aria-label="Move in time">
                <Button size=ButtonSize::Small icon_only=true label="Earlier" on_press=moved(Range::earlier)>
                    <IconView icon=Icon::Previous />
                </Button>
                <Button
                    size=ButtonSize::Small
                    icon_only=true
                    label="Later"
                    disabled=at_end
                    on_press=moved(Range::later)
                >
                    <IconView icon=Icon::Next />
                </Button>
                <Button size=ButtonSize::Small on_press=moved(Range::wider)>
                    "Zoom out"
                </Button>
            </div>
            <Show when=move || is_choosing.get()>
                <TimeForm on_done=move |()| is_choosing.set(false) />
            </Show>
        </div>
    }
}

fn option(guest: &Guest) -> (String, String) {
    (guest.reference(), format!("{} ({})", named(guest), guest.state.as_str()))
}

#[component]
fn SpanButton(span: usize) -> impl IntoView {
    let state = ResourcesState::expect();
    let words = SPANS.get(span).map_or("", |(_, words, _)| *words);
    view! {
        <button
            type="button"
            class="span-button"
            aria-pressed=follow(move || (state.range.get() == Range::Live(span)).to_string())
            on:click=handler(move |_| state.show_range(Range::Live(span)))
        >
            {words}
        </button>
    }
}

/// `11-26 09:14:05 to 09:20:00`.
fn chosen_range(range: Range) -> String {
    let Range::Fixed(from, to) = range else { return String::new() };
    let (from, to) = (local_time(from), local_time(to));
    let day = |date: &str| date.get(5..).unwrap_or_default().to_owned();
    let end = if from.date == to.date { to.clock } else { format!("{} {}", day(&to.date), to.clock) };
    format!("{} {} to {end}", day(&from.date), from.clock)
}

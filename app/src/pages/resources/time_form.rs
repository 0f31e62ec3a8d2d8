//! Two fields for the start and the end of a range.

use leptos::ev;
use leptos::prelude::*;
use memdeck_model::Timestamp;

use super::range::Range;
use super::state::ResourcesState;
use crate::time::{from_local, local_time};
use crate::ui::erase::{dynamic, follow, handler};

/// The form. It begins with what is shown now.
#[component]
pub fn TimeForm(
    /// Called when a range was chosen.
    #[prop(into)]
    on_done: Callback<()>,
) -> impl IntoView {
    let state = ResourcesState::expect();
    let (from, to) = state.range.get_untracked().at(state.now());
    let (from, to) = (RwSignal::new(in_field(from)), RwSignal::new(in_field(to)));
    let problem = RwSignal::new(None::<&'static str>);
    let apply = move || {
        let ends = untrack(|| from_local(&from.get()).zip(from_local(&to.get())));
        let Some((from, to)) = ends else {
            return problem.set(Some("Give a date and a time for both."));
        };
        match Range::between(from, to) {
            Some(range) => {
                problem.set(None);
                on_done.run(());
                state.show_range(range);
            }
            None => problem.set(Some("The end must be after the start, and at most 400 days.")),
        }
    };
    view! {
        <form
            class="resource-times"
            aria-label="Choose a range"
            on:submit=handler(move |event: ev::SubmitEvent| {
                event.prevent_default();
                apply();
            })
        >
            <TimeField id="range-from" label="From" value=from is_wrong=problem />
            <TimeField id="range-to" label="To" value=to is_wrong=problem />
            <button type="submit" class="button button-primary">
                "Show"
            </button>
            <p class="field-error" id="range-problem" role="alert">
                {dynamic(move || problem.get())}
            </p>
        </form>
    }
}

#[component]
fn TimeField(
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    is_wrong: RwSignal<Option<&'static str>>,
) -> impl IntoView {
    view! {
        <div class="field-group">
            <label class="field-label" for=id>
                {label}
            </label>
            <input
                class="field"
                id=id
                type="datetime-local"
                step="1"
                aria-invalid=follow(move || is_wrong.get().map(|_| "true"))
                aria-describedby="range-problem"
                prop:value=value
                on:input=handler(move |event: ev::Event| value.set(event_target_value(&event)))
            />
        </div>
    }
}

fn in_field(at: Timestamp) -> String {
    let at = local_time(at);
    format!("{}T{}", at.date, at.clock)
}

//! Which stretch of time is looked at.

use leptos::ev;
use leptos::prelude::*;
use memdeck_model::Day;

use super::state::State;
use super::view::{SPANS, TrendsView};
use crate::ui::erase::{dynamic, follow, handler, memo};
use crate::ui::{DateField, Show};

/// The row above the charts.
#[component]
pub fn Toolbar() -> impl IntoView {
    let state = State::expect();
    let is_choosing = RwSignal::new(false);
    let is_chosen = memo(move || matches!(state.view.get(), TrendsView::Between(..)));
    let chosen = move || match state.view.get() {
        TrendsView::Between(from, to) => format!("{from} to {to}"),
        TrendsView::Last(_) => "Choose …".to_owned(),
    };
    let span = move |(days, words): (u32, &'static str)| {
        let view = TrendsView::Last(days);
        view! {
            <button
                type="button"
                class="span-button"
                aria-pressed=follow(move || (state.view.get() == view).to_string())
                on:click=handler(move |_| {
                    is_choosing.set(false);
                    state.show(view);
                })
            >
                {words}
            </button>
        }
    };
    view! {
        <div class="card resource-toolbar">
            <div class="resource-range">
                <span class="field-label" id="trends-range">
                    "Range"
                </span>
                <div class="resource-spans" role="group" aria-labelledby="trends-range">
                    {SPANS.map(span).collect_view()}
                    <button
                        type="button"
                        class="span-button"
                        aria-expanded=follow(move || is_choosing.get().to_string())
                        aria-pressed=follow(move || is_chosen.get().to_string())
                        on:click=handler(move |_| is_choosing.update(|choosing| *choosing = !*choosing))
                    >
                        {dynamic(chosen)}
                    </button>
                </div>
            </div>
            <Show when=move || is_choosing.get()>
                <DaysForm on_done=move |()| is_choosing.set(false) />
            </Show>
        </div>
    }
}

/// Two fields for the first day and the last one.
#[component]
fn DaysForm(
    /// Called when days were chosen.
    #[prop(into)]
    on_done: Callback<()>,
) -> impl IntoView {
    let state = State::expect();
    let text = |day: Option<Day>| day.map(|day| day.to_string()).unwrap_or_default();
    let (from, to) = match state.view.get_untracked() {
        TrendsView::Between(from, to) => (from.to_string(), to.to_string()),
        TrendsView::Last(_) => (String::new(), text(state.today())),
    };
    let (from, to) = (RwSignal::new(from), RwSignal::new(to));
    let problem = RwSignal::new(None::<&'static str>);
    let apply = move || {
        let days = untrack(|| from.get().parse().ok().zip(to.get().parse().ok()));
        let Some((first, last)) = days else {
            return problem.set(Some("Give a day for both."));
        };
        match TrendsView::between(first, last) {
            Some(view) => {
                on_done.run(());
                state.show(view);
            }
            None => problem.set(Some("The last day must not be before the first.")),
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
            <DateField id="trends-from" label="From" value=from on_choose=move |day| from.set(day) />
            <DateField id="trends-to" label="To" value=to on_choose=move |day| to.set(day) />
            <button type="submit" class="button button-primary">
                "Show"
            </button>
            <p class="field-error" role="alert">
                {dynamic(move || problem.get())}
            </p>
        </form>
    }
}

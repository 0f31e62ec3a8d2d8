//! Trends: how many dumps there were, how much is kept, how long guests stood still, when the volume is full, and
//! how the memory of a guest changed over its dumps.

mod amount_card;
mod amounts;
mod forecast;
mod memory;
mod memory_amounts;
mod state;
mod toolbar;
mod view;
mod words;

use leptos::prelude::*;
use memdeck_model::Trends as Figures;

use super::title::set_title;
use crate::data::Data;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::time::local_date;
use crate::ui::erase::memo;
use crate::ui::{Failure, Show, Skeleton, charts_failed, retry_charts};
use amount_card::AmountCard;
use amounts::Amounts;
use forecast::Forecast;
use memory::Memory;
use state::State;
use toolbar::Toolbar;

#[component]
pub fn Trends() -> impl IntoView {
    set_title(Page::Trends.name());
    let state = State::provide();
    Shortcuts::expect().add("r", "Reload everything", move || {
        Data::expect().refresh();
        state.fetch();
        state.fetch_timeline();
    });
    let trends = state.trends;
    let problem = trends.why_failed();
    let has_data = memo(move || trends.has_data());
    let cannot_draw = charts_failed();
    let of = move |make: fn(&Figures) -> Amounts| memo(move || trends.with_data(make));
    let words = move |make: fn(&Figures) -> String| memo(move || trends.with_data(make).unwrap_or_default());
    let per_step = memo(move || {
        match trends.with_data(|trends| trends.step_days) {
            Some(7) => "Dumps per week",
            Some(step) if step > 1 => "Dumps over time",
            _ => "Dumps per day",
        }
        .to_owned()
    });
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Trends.name()}</h1>
                <p class="page-lead">
                    "How many dumps there were, how much is kept, and how long guests stood still."
                </p>
            </div>
        </header>
        <Toolbar />
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The trends could not be loaded."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| state.fetch()
            />
        </Show>
        <Show when=move || cannot_draw.get()>
            <Failure
                title="The charts cannot be drawn."
                detail="Their script did not arrive. The numbers are below each chart."
                on_retry=|()| retry_charts()
            />
        </Show>
        <Show when=move || !has_data.get() && problem.with(Option::is_none)>
            <Skeleton rows=6 label="Loading the trends" />
        </Show>
        <Show when=move || has_data.get()>
            <div class="trends">
                <AmountCard
                    id="trends-dumps"
                    title=per_step
                    amounts=of(|trends| amounts::dumps(trends, local_date))
                    summary=words(words::about_dumps)
                    nothing="No dumps in this range."
                />
                <AmountCard
                    id="trends-stored"
                    title="Stored images by guest"
                    amounts=of(|trends| amounts::stored(trends, local_date))
                    summary=words(words::about_stored)
                    nothing="No images were kept in this range."
                />
                <AmountCard
                    id="trends-pauses"
                    title="How long guests stood still"
                    amounts=of(amounts::pauses)
                    summary=words(words::about_pauses)
                    nothing="No pause is known in this range."
                />
                <AmountCard
                    id="trends-durations"
                    title="How long dumps took"
                    amounts=of(amounts::durations)
                    summary=words(|trends| crate::words::upper_first(&words::about_durations(&trends.durations)))
                    nothing="No duration is known in this range."
                />
            </div>
            <Forecast />
            <Memory />
        </Show>
    }
}

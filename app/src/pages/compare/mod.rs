//! Compare: what changed between two dumps. Memory as a map, in which one zooms from all of it down to one page, and the bytes of
//! that page side by side.

mod bytes;
mod choice;
mod dumps;
mod figures;
mod inside;
mod layers;
mod map;
mod state;
mod view;

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::erase::memo;
use crate::ui::{EmptyState, Failure, Icon, Show, Skeleton};
use bytes::Bytes;
use choice::Choice;
use figures::Figures;
use inside::Inside;
use map::Map;
use state::State;

#[component]
pub fn Compare() -> impl IntoView {
    set_title(Page::Compare.name());
    let state = State::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.refresh());
    let problem = state.drawn.why_failed();
    let has_data = memo(move || state.drawn.has_data());
    let is_chosen = memo(move || state.view.with(|view| view.pair().is_some()));
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Compare.name()}</h1>
                <p class="page-lead">"What changed in a guest's memory between two dumps."</p>
            </div>
        </header>
        <Choice />
        <Show
            when=move || is_chosen.get()
            fallback=|| {
                view! {
                    <EmptyState title="Choose two dumps" icon=Icon::Search>
                        <p>"Only the page maps of the images are read: it takes less than a second."</p>
                    </EmptyState>
                }
            }
        >
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The dumps could not be compared."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.compare()
                />
            </Show>
            <Show when=move || !has_data.get() && problem.with(Option::is_none)>
                <Skeleton rows=8 label="Comparing the dumps" />
            </Show>
            <Show when=move || has_data.get()>
                <Map />
                <Bytes />
                <Figures />
                <Inside />
            </Show>
        </Show>
    }
}

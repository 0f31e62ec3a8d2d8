//! Inside: what a guest itself knew when it was dumped. Processes as a tree, open files, modules, interfaces, connections and
//! the kernel's log, read out of the image on the host that keeps it.

mod choice;
mod facts;
mod other_readers;
mod reading;
mod sheet;
mod sheets;
mod state;
mod view;

use leptos::prelude::*;
use memdeck_model::InsideState;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::erase::memo;
use crate::ui::{EmptyState, Failure, Icon, Show, Skeleton};
use choice::Choice;
use facts::Facts;
use other_readers::OtherReaders;
use reading::Reading;
use sheets::Sheets;
use state::State;

#[component]
pub fn Inside() -> impl IntoView {
    set_title(Page::Inside.name());
    let state = State::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.refresh());
    let problem = state.known.why_failed();
    let is_chosen = memo(move || state.dump.with(Option::is_some));
    let is_known = memo(move || state.state().is_some());
    let is_read = memo(move || state.state() == Some(InsideState::Finished));
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Inside.name()}</h1>
                <p class="page-lead">"What a guest itself knew when it was dumped, read out of its memory."</p>
            </div>
        </header>
        <Choice />
        <Show
            when=move || is_chosen.get()
            fallback=|| {
                view! {
                    <EmptyState title="Choose a dump" icon=Icon::Search>
                        <p>"Its image is read once, within seconds. What was read is kept beside it."</p>
                    </EmptyState>
                }
            }
        >
            <Show
                when=move || state.may_read.get()
                fallback=|| {
                    view! {
                        <EmptyState title="You may not see this" icon=Icon::Ban>
                            <p>"It is memory of a VM in other words, and your role reads none."</p>
                        </EmptyState>
                    }
                }
            >
                <Show when=move || problem.with(Option::is_some)>
                    <Failure
                        title="What is inside could not be asked for."
                        detail=Signal::derive(move || problem.get().unwrap_or_default())
                        on_retry=move |()| state.look(false)
                    />
                </Show>
                <Show when=move || !is_known.get() && problem.with(Option::is_none)>
                    <Skeleton rows=8 label="Loading what was read" />
                </Show>
                <Show when=move || is_known.get() && !is_read.get()>
                    <Reading />
                </Show>
                <Show when=move || is_read.get()>
                    <Facts />
                    <Sheets />
                </Show>
                <OtherReaders />
            </Show>
        </Show>
    }
}

//! Resource Monitoring: charts of one guest over time, with its dumps.

mod buckets;
mod chart_card;
mod chart_data;
mod charts;
mod dumps;
mod guest_view;
mod marks;
mod notices;
mod numbers;
mod range;
mod scale;
mod state;
mod summary;
mod time_form;
mod toolbar;
mod view;

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{EmptyState, Failure, Icon, Show, Skeleton};
use guest_view::GuestView;
use state::ResourcesState;
use toolbar::Toolbar;

#[component]
pub fn Resources() -> impl IntoView {
    set_title(Page::Resources.name());
    let state = ResourcesState::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.refresh());
    let guests = state.data.guests;
    let problem = guests.why_failed();
    let is_known = memo(move || guests.with(|_| ()).is_some());
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Resources.name()}</h1>
                <p class="page-lead">"Charts of one guest over time, with its dumps."</p>
            </div>
        </header>
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The guests could not be loaded."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| guests.fetch()
            />
        </Show>
        {dynamic(move || match state.guest.get() {
            Some(_) => view! { <Toolbar /> <GuestView /> }.into_any(),
            None if is_known.get() => {
                view! {
                    <EmptyState title="No guests" icon=Icon::Monitor>
                        "The hypervisor has none. As soon as one is defined, it is measured and its charts appear here."
                    </EmptyState>
                }
                    .into_any()
            }
            None if problem.with(Option::is_some) => ().into_any(),
            None => view! { <Skeleton rows=6 label="Loading the guests" /> }.into_any(),
        })}
    }
}

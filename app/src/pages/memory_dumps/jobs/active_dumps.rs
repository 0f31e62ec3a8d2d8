//! The dumps that wait or run, and those that ended a moment ago.

use leptos::prelude::*;
use memdeck_model::DumpId;

use super::row::JobRow;
use crate::data::{Data, Jobs};
use crate::ui::erase::{dynamic, handler, memo};
use crate::ui::{Card, EmptyState, Failure, Icon, Show, Skeleton, list};

/// A row that the operator points at or is in with the keyboard.
const ROWS_IN_USE: &str = ".jobs:hover, .jobs:focus-within";

fn are_in_use() -> bool {
    document().query_selector(ROWS_IN_USE).is_ok_and(|rows| rows.is_some())
}

/// A row for each, in a part of fixed size that scrolls.
#[component]
pub fn ActiveDumps() -> impl IntoView {
    let dumps = Data::expect().dumps;
    // Counts how often the operator turned away from the rows: then they take their places.
    let left = RwSignal::new(0_u32);
    let turn_away = move || left.update(|left| *left = left.wrapping_add(1));
    let ids = Memo::new(move |shown: Option<&Option<Vec<DumpId>>>| {
        left.track();
        let held = shown.and_then(Option::as_deref).filter(|_| are_in_use()).unwrap_or_default();
        dumps.with(|jobs| jobs.shown(held))
    });
    // Apart from the ids, so that the rows are not built anew when a dump begins or goes.
    let is_empty = memo(move || ids.with(|ids| ids.as_ref().map(Vec::is_empty)));
    let active = memo(move || dumps.with(Jobs::active_count).unwrap_or(0));
    let problem = dumps.why_failed();
    let retry = move |()| dumps.fetch();
    let count = move || {
        let count = active.get();
        (count > 0).then(
            || view! { <span class="count">{count}<span class="visually-hidden">" active"</span></span> },
        )
    };
    view! {
        <Card id="active-dumps" title="Active dumps" class="panel-active" aside=count>
            <div class="panel-scroll" tabindex="0" role="group" aria-label="List of active dumps">
                {dynamic(move || match is_empty.get() {
                    None if problem.with(Option::is_some) => ().into_any(),
                    None => view! { <Skeleton rows=2 label="Loading the active dumps" /> }.into_any(),
                    Some(true) => {
                        view! {
                            <EmptyState title="No active dumps" icon=Icon::Activity>
                                "Select a guest and press “Dump selected”."
                            </EmptyState>
                        }
                            .into_any()
                    }
                    Some(false) => {
                        view! {
                            <ul
                                class="jobs"
                                on:mouseleave=handler(move |_| turn_away())
                                // The focus is nowhere while it goes from one row to another.
                                on:focusout=handler(move |_| request_animation_frame(turn_away))
                            >
                                {list(
                                    move || ids.get().unwrap_or_default(),
                                    ToString::to_string,
                                    |id| view! { <JobRow id /> },
                                )}
                            </ul>
                        }
                            .into_any()
                    }
                })}
            </div>
            // Below, where it moves no row.
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The active dumps could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=retry
                />
            </Show>
        </Card>
    }
}

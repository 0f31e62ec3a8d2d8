//! What a hunt found: a row for each hit.

use leptos::prelude::*;
use memdeck_model::{FoundHit, HuntHits};

use super::around::around_view;
use super::state::State;
use super::words::{counted, owned_by};
use crate::pages::dump_links::details_of;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Button, Card, EmptyState, Failure, Icon, Instant, Show, Skeleton, Table, list};
use crate::words::{grouped, shown};

const COLUMNS: [&str; 5] = ["VM", "Dump", "Address", "Pattern", "Bytes around"];

/// What stands in the place of the rows: while a hunt runs, they stay as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Unknown,
    NothingYet,
    Nothing,
    Loading,
    Rows,
}

#[component]
pub fn Hits() -> impl IntoView {
    let state = State::expect();
    let problem = state.hits.why_failed();
    let is_pending = memo(move || state.hits.is_pending());
    let fetched = memo(move || state.with_hits(|hits| u32::try_from(hits.hits.len()).unwrap_or(u32::MAX)));
    let stands =
        memo(move || state.with_shown(|details| (details.hunt.tally.hits, details.hunt.state.is_final())));
    let shape = memo(move || match (stands.get(), fetched.get()) {
        (None, _) => Shape::Unknown,
        (Some((0, false)), _) => Shape::NothingYet,
        (Some((0, true)), _) => Shape::Nothing,
        (Some(_), Some(_)) => Shape::Rows,
        (Some(_), None) if problem.with(Option::is_some) => Shape::Unknown,
        (Some(_), None) => Shape::Loading,
    });
    let has_more = memo(move || {
        let found = stands.get().map_or(0, |(found, _)| found);
        let next = state.with_hits(|hits| hits.next.is_some()).unwrap_or_default();
        fetched.get().is_some_and(|fetched| next || fetched < found)
    });
    let more = move |()| {
        let last = untrack(|| state.with_hits(|hits| hits.hits.last().map(|hit| hit.number))).flatten();
        if let Some(id) = state.shown.get_untracked() {
            state.fetch_hits(id, last.unwrap_or_default());
        }
    };
    let rows = move || state.with_hits(|hits: &HuntHits| hits.hits.clone()).unwrap_or_default();
    let heads =
        move || COLUMNS.map(|name| view! { <th scope="col" role="columnheader">{name}</th> }).collect_view();
    let told = move || {
        let (found, _) = stands.get()?;
        let fetched = fetched.get()?;
        (fetched < found).then(|| format!("{} of {}.", grouped(fetched.into()), counted(found, "hit")))
    };
    view! {
        <Card id="hunt-hits" title="Hits" class="hunt-table hunt-hits">
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The hits could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=more
                />
            </Show>
            {dynamic(move || match shape.get() {
                Shape::Unknown => ().into_any(),
                Shape::NothingYet => {
                    view! { <EmptyState title="Nothing was found yet" icon=Icon::Clock>"Hits stand here as they are found."</EmptyState> }
                        .into_any()
                }
                Shape::Nothing => {
                    view! {
                        <EmptyState title="Nothing was found" icon=Icon::Search>
                            "What is swapped out, compressed or encrypted in the guest is not found, nor what lies across pages that are \
                             neighbours only in a process."
                        </EmptyState>
                    }
                        .into_any()
                }
                Shape::Loading => view! { <Skeleton rows=6 label="Loading the hits" /> }.into_any(),
                Shape::Rows => {
                    view! {
                        <Table caption="What was found">
                            <thead role="rowgroup">
                                <tr role="row">{heads()}</tr>
                            </thead>
                            <tbody role="rowgroup">{list(rows, |hit| hit.number.to_string(), |hit| row(&hit))}</tbody>
                        </Table>
                    }
                        .into_any()
                }
            })}
            <div class="hunt-more">
                <p class="secondary number" role="status">{dynamic(told)}</p>
                <Show when=move || has_more.get()>
                    <Button on_press=more busy=is_pending>
                        "Show more hits"
                    </Button>
                </Show>
            </div>
        </Card>
    }
}

fn row(hit: &FoundHit) -> AnyView {
    let [vm, dump, address, pattern, around] = COLUMNS;
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" data-label=vm>{shown(&hit.guest.0)}</th>
            <td role="cell" data-label=dump class="number">
                <a href=details_of(&hit.dump_id)><Instant instant=hit.taken_at /></a>
            </td>
            <td role="cell" data-label=address class="number">
                <span>
                    <code>{hit.address.to_string()}</code>
                    <span class="secondary hunt-size">{counted(hit.bytes, "byte")}</span>
                    {hit.owners.as_ref().map(|owners| view! { <span class="secondary hunt-size">{owned_by(owners)}</span> })}
                </span>
            </td>
            <td role="cell" data-label=pattern class="hunt-pattern"><code>{hit.pattern.clone()}</code></td>
            <td role="cell" data-label=around class="hunt-around-cell">{around_view(hit)}</td>
        </tr>
    }
    .into_any()
}

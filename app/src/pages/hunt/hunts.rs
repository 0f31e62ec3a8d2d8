//! The hunts that are kept, newest first.

use leptos::prelude::*;
use memdeck_model::{HuntId, HuntList};

use super::row::{COLUMNS, Row};
use super::state::State;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Card, EmptyState, Failure, Icon, Show, Skeleton, Table, list};

#[component]
pub fn Hunts() -> impl IntoView {
    let state = State::expect();
    let problem = state.hunts.why_failed();
    let ids = memo(move || {
        let ids = |list: &HuntList| list.hunts.iter().map(|hunt| hunt.id.clone()).collect::<Vec<_>>();
        state.hunts.with_data(ids)
    });
    let is_empty = memo(move || ids.with(|ids| ids.as_ref().map(Vec::is_empty)));
    let heads =
        move || COLUMNS.map(|name| view! { <th scope="col" role="columnheader">{name}</th> }).collect_view();
    let rows = move || ids.get().unwrap_or_default();
    view! {
        <Card id="hunts" title="Hunts" class="hunt-table hunts">
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The hunts could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch_hunts()
                />
            </Show>
            {dynamic(move || match is_empty.get() {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=4 label="Loading the hunts" /> }.into_any(),
                Some(true) => {
                    view! {
                        <EmptyState title="No hunts yet" icon=Icon::Search>
                            "The last fifty stand here, with what they found."
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(false) => {
                    view! {
                        <Table caption="Hunts, newest first">
                            <thead role="rowgroup">
                                <tr role="row">{heads()}</tr>
                            </thead>
                            <tbody role="rowgroup">{list(rows, HuntId::to_string, |id| view! { <Row id /> })}</tbody>
                        </Table>
                    }
                        .into_any()
                }
            })}
        </Card>
    }
}

//! The table of finished dumps, newest first.

use leptos::prelude::*;
use leptos_router::components::A;

use super::pager::Pager;
use super::paging;
use super::record_row::RecordRow;
use super::state::State;
use crate::ui::{Card, EmptyState, Failure, Skeleton};

/// The columns, as the customer of the table knows them.
pub const COLUMNS: [&str; 8] =
    ["VM ID", "VM name", "Timestamp", "Duration", "SHA-256", "Dump path", "Size", "Guest pause"];

/// The table with its pages.
#[component]
pub fn RecordsTable() -> impl IntoView {
    let state = State::expect();
    let problem = Memo::new(move |_| {
        state.records.with(|records| records.problem.as_ref().map(|problem| problem.detail.clone()))
    });
    // Where there are rows the total is left out: the rows must not be built anew because it grew.
    let shape =
        Memo::new(move |_| state.records.with_data(|page| page.records.is_empty().then_some(page.total)));
    let is_pending = Memo::new(move |_| state.records.with(|records| records.pending));
    let retry = move |()| state.fetch_records();
    let newer = move || {
        let count = state.unseen.get();
        (count > 0).then(|| {
            let text = if count == 1 { "1 newer dump".to_owned() } else { format!("{count} newer dumps") };
            view! { <A href="/memory-dumps">{text}</A> }
        })
    };
    view! {
        <Card id="recorded-dumps" title="Recorded dumps" aside=newer>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The records could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=retry
                />
            </Show>
            {move || match shape.get() {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=5 label="Loading the records" /> }.into_any(),
                Some(Some(0)) => {
                    view! {
                        <EmptyState title="No dump has been taken yet">
                            "Select a guest above and press “Dump selected”. It appears here with its hash."
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(Some(total)) => {
                    let last = paging::page_count(total);
                    let href = format!("/memory-dumps{}", paging::page_to_query(last));
                    view! {
                        <EmptyState title="This page is past the end of the table">
                            <A href=href>{format!("Go to page {last}")}</A>
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(None) => view! { <Rows is_pending /> }.into_any(),
            }}
            <Pager />
        </Card>
    }
}

#[component]
fn Rows(is_pending: Memo<bool>) -> impl IntoView {
    let state = State::expect();
    let records = move || state.records.with_data(|page| page.records.clone()).unwrap_or_default();
    // The roles are those the elements have anyway: as cards on a narrow screen they would lose them.
    view! {
        <div class="table-frame">
            <table class="records" role="table" aria-busy=move || is_pending.get().to_string()>
                <caption class="visually-hidden">"Recorded dumps, newest first"</caption>
                <thead role="rowgroup">
                    <tr role="row">
                        {COLUMNS
                            .into_iter()
                            .map(|column| view! {
                                <th scope="col" role="columnheader">
                                    {column}
                                </th>
                            })
                            .collect_view()}
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    <For each=records key=paging::key_of let:record>
                        <RecordRow record />
                    </For>
                </tbody>
            </table>
        </div>
    }
}

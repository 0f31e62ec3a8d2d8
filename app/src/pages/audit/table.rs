//! The entries, newest first; labelled cards on a narrow screen.

use leptos::prelude::*;
use memdeck_model::audit::{AuditLine, AuditResult};

use super::state::State;
use super::view::AuditView;
use crate::pages::dump_links::details_of;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Button, EmptyState, Icon, Instant, Show, Skeleton, Table, Tone, list};

/// Dumps are told apart by the start of their ids; the whole is the tooltip.
const SHOWN_OF_ID: usize = 8;
const COLUMNS: [&str; 7] = ["Row", "Time", "Who", "What", "On", "Result", "Details"];

/// The table, what stands in its place, and a way to older entries.
#[component]
pub fn Entries() -> impl IntoView {
    let state = State::expect();
    let lines = state.lines;
    let problem = lines.why_failed();
    let count = memo(move || lines.with_data(|lines| lines.lines.len()));
    let has_more = memo(move || lines.with_data(|lines| lines.next.is_some()).unwrap_or_default());
    let is_pending = memo(move || lines.is_pending());
    let rows = move || lines.with_data(|lines| lines.lines.clone()).unwrap_or_default();
    view! {
        {dynamic(move || match count.get() {
            None if problem.with(Option::is_some) => ().into_any(),
            None => view! { <Skeleton rows=8 label="Loading the audit" /> }.into_any(),
            Some(0) => view! { <Nothing /> }.into_any(),
            Some(_) => {
                let heads = COLUMNS.map(|name| view! { <th scope="col" role="columnheader">{name}</th> }).collect_view();
                view! {
                    <div class="audit-entries">
                        <Table caption="What was done, newest first">
                            <thead role="rowgroup">
                                <tr role="row">{heads}</tr>
                            </thead>
                            <tbody role="rowgroup">
                                {list(rows, |line| line.hash.clone(), |line| view! { <Entry line /> })}
                            </tbody>
                        </Table>
                    </div>
                }
                    .into_any()
            }
        })}
        <Show when=move || has_more.get()>
            <p class="audit-older">
                <Button on_press=move |()| state.fetch_older() busy=is_pending>
                    "Show older entries"
                </Button>
            </p>
        </Show>
    }
}

/// No entry: because of the filter. Without one there is always that of the start.
#[component]
fn Nothing() -> impl IntoView {
    let state = State::expect();
    let title = if state.view.with_untracked(AuditView::is_filtered) {
        "Nothing matches the filters"
    } else {
        "Nothing was done yet"
    };
    view! {
        <EmptyState title icon=Icon::Search>
            <Button on_press=move |()| state.show(false, |view| *view = AuditView::default())>
                "Show everything"
            </Button>
        </EmptyState>
    }
}

#[component]
fn Entry(line: AuditLine) -> impl IntoView {
    let [row, time, who, what, on, result, details] = COLUMNS;
    let AuditLine { seq, at, actor, address, action, object, dump_id, details: said, hash, .. } = line;
    let object = match dump_id {
        Some(dump_id) => {
            let href = details_of(&dump_id);
            let (id, start) =
                (dump_id.to_string(), dump_id.to_string().chars().take(SHOWN_OF_ID).collect::<String>());
            view! {
                <a href=href>{object}</a>
                <span class="audit-address" title=id>{start}</span>
            }
            .into_any()
        }
        None => object.into_any(),
    };
    let title = format!("SHA-256 {hash}");
    view! {
        <tr role="row">
            <td role="cell" data-label=row class="number" title=title>{seq}</td>
            <td role="cell" data-label=time class="number"><Instant instant=at /></td>
            <td role="cell" data-label=who>
                {actor}
                {(!address.is_empty()).then(|| view! { <span class="audit-address">{address}</span> })}
            </td>
            <td role="cell" data-label=what>{action}</td>
            <td role="cell" data-label=on class="audit-object">{object}</td>
            <td role="cell" data-label=result><Outcome result=line.result /></td>
            <td role="cell" data-label=details class="audit-details">{said}</td>
        </tr>
    }
}

#[component]
fn Outcome(result: AuditResult) -> impl IntoView {
    let (tone, icon) = match result {
        AuditResult::Begun => (Tone::Active, Icon::Activity),
        AuditResult::Succeeded => (Tone::Good, Icon::Check),
        AuditResult::Unchanged => (Tone::Neutral, Icon::Info),
        AuditResult::Refused | AuditResult::Cancelled => (Tone::Waiting, Icon::Ban),
        AuditResult::Failed => (Tone::Bad, Icon::Alert),
        AuditResult::CutOff | AuditResult::Unknown => (Tone::Waiting, Icon::Alert),
    };
    view! {
        <Badge tone icon>
            {result.label()}
        </Badge>
    }
}

//! How often each pattern was found, and how often anything was in each dump.

use leptos::prelude::*;
use memdeck_model::{HuntDetails, HuntDump, HuntedPattern};

use super::state::State;
use crate::pages::dump_links::details_of;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Card, Instant, Table, list};
use crate::words::{grouped, sentence, shown};

#[component]
pub fn Tallies() -> impl IntoView {
    let state = State::expect();
    let patterns = memo(move || state.with_shown(|details| details.patterns.clone()).unwrap_or_default());
    let dumps = memo(move || state.with_shown(|details| details.dumps.clone()).unwrap_or_default());
    let is_final =
        memo(move || state.with_shown(|details| details.hunt.state.is_final()).unwrap_or_default());
    let left_out = move |read: fn(&HuntDetails) -> (u32, usize), what: &'static str| {
        let (all, told) = state.with_shown(read)?;
        let more = u64::from(all).checked_sub(u64::try_from(told).ok()?).filter(|more| *more > 0)?;
        Some(view! { <p class="secondary">{format!("{} more {what} are not shown.", grouped(more))}</p> })
    };
    let of_patterns = |details: &HuntDetails| (details.hunt.pattern_count, details.patterns.len());
    let of_dumps = |details: &HuntDetails| (details.hunt.dump_count, details.dumps.len());
    view! {
        <div class="hunt-tallies">
            <Card id="hunt-dumps" title="By dump" class="hunt-table">
                <Table caption="What was found in each dump">
                    <thead role="rowgroup">
                        <tr role="row">
                            {["VM", "Dump", "Searched", "Hits"].map(heading).collect_view()}
                        </tr>
                    </thead>
                    <tbody role="rowgroup">
                        {list(move || dumps.get(), key_of_dump, move |dump| dump_row(&dump, is_final))}
                    </tbody>
                </Table>
                {dynamic(move || left_out(of_dumps, "dumps"))}
            </Card>
            <Card id="hunt-by-pattern" title="By pattern" class="hunt-table">
                <Table caption="How often each pattern was found">
                    <thead role="rowgroup">
                        <tr role="row">
                            {["Pattern", "Hits"].map(heading).collect_view()}
                        </tr>
                    </thead>
                    <tbody role="rowgroup">
                        {list(
                            move || patterns.get().into_iter().enumerate().collect(),
                            |(place, pattern)| format!("{place} {} {}", pattern.hits, pattern.pattern),
                            |(_, pattern)| pattern_row(&pattern),
                        )}
                    </tbody>
                </Table>
                {dynamic(move || left_out(of_patterns, "patterns"))}
            </Card>
        </div>
    }
}

fn heading(name: &'static str) -> AnyView {
    view! { <th scope="col" role="columnheader">{name}</th> }.into_any()
}

fn pattern_row(pattern: &HuntedPattern) -> AnyView {
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" class="hunt-pattern"><code>{pattern.pattern.clone()}</code></th>
            <td role="cell" data-label="Hits" class="number">{grouped(pattern.hits)}</td>
        </tr>
    }
    .into_any()
}

/// While a hunt runs, only rows are made anew that have changed.
fn key_of_dump(dump: &HuntDump) -> String {
    let HuntDump { dump_id, searched_bytes, hits, problem, .. } = dump;
    let searched = searched_bytes.map(|bytes| bytes.0);
    format!("{dump_id} {hits} {searched:?} {}", problem.is_some())
}

fn dump_row(dump: &HuntDump, is_over: Memo<bool>) -> AnyView {
    let searched = dump.searched_bytes.map(|bytes| bytes.to_string());
    let not_searched = move || if is_over.get() { "Not reached" } else { "Not yet" };
    let searched = searched.map_or_else(|| dynamic(not_searched), IntoAny::into_any);
    let problem = dump.problem.as_ref().map(|problem| sentence(&problem.to_string()));
    view! {
        <tr role="row">
            <th scope="row" role="rowheader">{shown(&dump.guest.0)}</th>
            <td role="cell" data-label="Dump" class="number">
                <a href=details_of(&dump.dump_id)><Instant instant=dump.taken_at /></a>
            </td>
            <td role="cell" data-label="Searched" class="number">
                <span>
                    {searched}
                    {problem.map(|problem| view! { <span class="hunt-problem">{problem}</span> })}
                </span>
            </td>
            <td role="cell" data-label="Hits" class="number">{grouped(dump.hits.into())}</td>
        </tr>
    }
    .into_any()
}

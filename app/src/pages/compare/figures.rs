//! What changed, in sentences and as a table.

use leptos::prelude::*;
use memdeck_model::{ByteCount, ClassChange, Comparison};

use super::state::State;
use crate::ui::erase::dynamic;
use crate::ui::{Card, Table};
use crate::words::{class_name, grouped, share};

#[component]
pub fn Figures() -> impl IntoView {
    let state = State::expect();
    let comparison = move || {
        state.drawn.with_data(|drawn| {
            let comparison = &drawn.comparison;
            let sentences = comparison.summary();
            let sentences = sentences.into_iter().map(|sentence| view! { <p>{sentence}</p> }).collect_view();
            view! {
                <div class="compare-summary">{sentences}</div>
                {classes(comparison)}
            }
        })
    };
    view! {
        <Card id="compare-figures" title="In figures" class="compare-figures">
            {dynamic(comparison)}
        </Card>
    }
}

/// Into what pages turned that are not as they were.
fn classes(comparison: &Comparison) -> Option<AnyView> {
    let mut changes: Vec<&ClassChange> =
        comparison.classes.iter().filter(|change| change.pages.different() > 0).collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.pages.different()));
    if changes.is_empty() {
        return None;
    }
    let all = comparison.pages.different();
    let row = |change: &ClassChange| {
        let pages = change.pages.different();
        let bytes = ByteCount(pages.saturating_mul(comparison.page_bytes.0));
        view! {
            <tr>
                <th scope="row" class="compare-classes">{class_name(change.from)} " → " {class_name(change.to)}</th>
                <td class="number">{grouped(pages)}</td>
                <td class="number compare-size">{bytes.to_string()}</td>
                <td class="number">{share(pages, all)}</td>
            </tr>
        }
    };
    let rows = changes.into_iter().map(row).collect_view();
    let table = view! {
        <Table caption="Changed pages by what they held before and hold now">
            <thead>
                <tr>
                    <th scope="col">"Before → after"</th>
                    <th scope="col">"Pages"</th>
                    <th scope="col" class="compare-size">"Size"</th>
                    <th scope="col">"Share"</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </Table>
    };
    Some(table.into_any())
}

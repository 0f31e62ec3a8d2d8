//! What changed, in sentences and as a table.

use leptos::prelude::*;
use memdeck_model::{ByteCount, ClassChange, Comparison, DumpId, Permission};

use super::state::State;
use super::view::CompareView;
use crate::base;
use crate::data::Data;
use crate::ui::erase::dynamic;
use crate::ui::{Card, Table};
use crate::words::{class_name, grouped, share};

#[component]
pub fn Figures() -> impl IntoView {
    let state = State::expect();
    let may_read = Data::expect().overview.may(Permission::ReadMemory);
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
            {dynamic(move || {
                let pair = state.view.with(CompareView::pair).filter(|_| may_read.get());
                pair.map(|(first, second)| export(&first, &second))
            })}
        </Card>
    }
}

/// The pages that differ, as files.
fn export(first: &DumpId, second: &DumpId) -> AnyView {
    let href =
        |form: &str| base::href(&format!("/api/memory-dumps/{first}/compare/{second}/pages?format={form}"));
    view! {
        <p class="details-study">
            <a href=href("csv") download="">"Changed pages as a list"</a>
            " · "
            <a href=href("lime") download="">"Changed pages as LiME"</a>
        </p>
    }
    .into_any()
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

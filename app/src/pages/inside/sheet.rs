//! One table: its rows, or why there are none.

use leptos::prelude::*;

use super::state::State;
use crate::pages::sheet_row::sheet_row;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Button, ButtonSize, EmptyState, Icon, Show, Table};
use crate::words::grouped;

/// Rows that are shown at first, and that are added at once.
const ROWS: usize = 300;

#[component]
pub fn SheetView(
    /// Which table, counted from 0.
    place: usize,
    name: &'static str,
) -> impl IntoView {
    let state = State::expect();
    let sheet = memo(move || {
        let sheet = state.with_known(|known| known.read.as_ref()?.sheets.get(place).cloned());
        sheet.flatten().unwrap_or_default()
    });
    let search = memo(move || state.view.with(|view| view.search.clone()));
    let limit = RwSignal::new(ROWS);
    let found = memo(move || {
        let search = search.get();
        sheet.with(|sheet| sheet.matching(&search).into_iter().cloned().collect::<Vec<_>>())
    });
    let count = memo(move || found.with(Vec::len));
    let all = memo(move || sheet.with(|sheet| sheet.rows.len()));
    let columns = move || sheet.with(|sheet| sheet.columns.clone());
    let rows = move || {
        let (columns, limit) = (columns(), limit.get());
        found.with(|found| found.iter().take(limit).map(|row| sheet_row(row, &columns, None)).collect_view())
    };
    let nothing = move || {
        let absent = sheet.with(|sheet| sheet.absent.clone());
        match (absent, all.get()) {
            (Some(absent), 0) => view! {
                <EmptyState title=absent.title icon=Icon::Ban>
                    <p>{absent.detail}</p>
                </EmptyState>
            }
            .into_any(),
            (_, 0) => view! {
                <EmptyState title="There are none" icon=Icon::Check>
                    <p>"The guest had none when it was dumped, as far as its kernel says."</p>
                </EmptyState>
            }
            .into_any(),
            _ => view! {
                <EmptyState title="No row matches your search" icon=Icon::Search>
                    <Button size=ButtonSize::Small on_press=move |()| state.change(true, |view| view.search.clear())>
                        "Clear the search"
                    </Button>
                </EmptyState>
            }
            .into_any(),
        }
    };
    let told = move || {
        let (count, all) = (count.get(), all.get());
        let numbers = if count == all {
            format!("{} rows.", in_words(all))
        } else {
            format!("{} of {} rows.", in_words(count), in_words(all))
        };
        let notes = sheet.with(|sheet| sheet.notes.clone());
        std::iter::once(numbers).chain(notes).collect::<Vec<_>>().join(" ")
    };
    view! {
        <p class="secondary" role="status">{dynamic(told)}</p>
        <Show when=move || { count.get() > 0 } fallback=move || dynamic(nothing)>
            <div class="inside-sheet">
                <Table caption=name>
                    <thead>
                        <tr role="row">
                            {dynamic(move || {
                                let heading = |name: String| view! { <th scope="col" role="columnheader">{name}</th> };
                                columns().into_iter().map(heading).collect_view()
                            })}
                        </tr>
                    </thead>
                    <tbody>{dynamic(rows)}</tbody>
                </Table>
            </div>
            <Show when=move || { count.get() > limit.get() }>
                <div class="inside-more">
                    <Button size=ButtonSize::Small on_press=move |()| limit.update(|limit| *limit += ROWS)>
                        {dynamic(move || {
                            let left = count.get().saturating_sub(limit.get());
                            format!("Show {} of {} more rows", in_words(left.min(ROWS)), in_words(left))
                        })}
                    </Button>
                </div>
            </Show>
        </Show>
    }
}

fn in_words(count: usize) -> String {
    grouped(u64::try_from(count).unwrap_or(u64::MAX))
}

//! What came and went inside of the guest: processes, modules, connections, open files.

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use memdeck_model::{DumpId, Permission};

use super::state::State;
use crate::api;
use crate::data::{Data, Loader};
use crate::pages::sheet_row::sheet_row;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Badge, Button, Card, Failure, Icon, Show, Table, Tone};
use crate::words::{ChangedRow, ChangedSheet, InsideCompared};

/// Between two questions how far the readings are.
const LOOK_INTERVAL_MS: u32 = 1_000;
/// Rows of a table that are shown.
const ROWS: usize = 100;

/// For who may read memory.
#[component]
pub fn Inside() -> impl IntoView {
    let may_read = Data::expect().overview.may(Permission::ReadMemory);
    view! {
        <Show when=move || may_read.get()>
            <Changes />
        </Show>
    }
}

#[component]
fn Changes() -> impl IntoView {
    let view = State::expect().view;
    let pair = memo(move || view.with(super::view::CompareView::pair));
    let known = Loader::<((DumpId, DumpId), InsideCompared)>::new();
    let look = move |begin: bool| {
        let Some((first, second)) = pair.try_get_untracked().flatten() else { return };
        let asked = api::compare_inside(first.clone(), second.clone(), begin);
        known.fetch(async move { asked.await.map(|compared| ((first, second), compared)) });
    };
    effect(move || {
        pair.track();
        look(false);
    });
    // What is known of another pair is not shown for this one.
    let compared = memo(move || {
        let pair = pair.get()?;
        known.with_data(|(of, compared)| (*of == pair).then(|| compared.clone())).flatten()
    });
    let go_on = move || {
        let is_active = compared.get_untracked().is_some_and(|compared| compared.is_active);
        // An answer that a later question overtakes is not taken.
        if is_active && !untrack(|| known.is_pending()) && !document().hidden() {
            look(false);
        }
    };
    let timer = StoredValue::new_local(Some(Interval::new(LOOK_INTERVAL_MS, go_on)));
    on_cleanup(move || timer.set_value(None));
    let problem = known.why_failed();
    let can_begin =
        memo(move || compared.with(|compared| compared.as_ref().is_some_and(|compared| compared.can_begin)));
    let told = move || {
        let InsideCompared { notes, sheets, .. } = compared.get()?;
        let notes = notes.into_iter().map(|note| view! { <p>{note}</p> }).collect_view();
        let sheets = sheets.unwrap_or_default().into_iter().map(sheet).collect_view();
        Some(view! {
            <div role="status">{notes}</div>
            {sheets}
        })
    };
    view! {
        <Card id="compare-inside" title="What came and went inside" class="compare-inside">
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="What is inside could not be compared."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| look(false)
                />
            </Show>
            {dynamic(told)}
            <Show when=move || can_begin.get()>
                <p>
                    <Button on_press=move |()| look(true)>"Read the images"</Button>
                </p>
            </Show>
        </Card>
    }
}

fn sheet(sheet: ChangedSheet) -> AnyView {
    let ChangedSheet { title, columns, rows, notes } = sheet;
    let more = rows.len().saturating_sub(ROWS);
    let more = (more > 0).then(|| format!("{more} more stand in the answer of the API."));
    let notes =
        notes.into_iter().chain(more).map(|note| view! { <p class="secondary">{note}</p> }).collect_view();
    let heading = |name: &String| view! { <th scope="col" role="columnheader">{name.clone()}</th> };
    let table = (!rows.is_empty()).then(|| {
        let rows = rows.iter().take(ROWS).map(|ChangedRow { came, row }| {
            let (tone, icon, word) = if *came {
                (Tone::Waiting, Icon::Check, "Came")
            } else {
                (Tone::Neutral, Icon::Close, "Went")
            };
            let mark = view! {
                " "
                <Badge tone icon>
                    {word}
                </Badge>
            };
            sheet_row(row, &columns, Some(mark.into_any()))
        });
        let rows = rows.collect_view();
        view! {
            <div class="inside-sheet">
                <Table caption=title.clone()>
                    <thead>
                        <tr role="row">{columns.iter().map(heading).collect_view()}</tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </Table>
            </div>
        }
    });
    view! {
        <h3 class="compare-inside-title">{title}</h3>
        {notes}
        {table}
    }
    .into_any()
}

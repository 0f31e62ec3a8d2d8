//! The table of finished dumps.

use leptos::html;
use leptos::prelude::*;
use leptos_router::components::A;
use memdeck_model::{Problem, RecordColumn, SortOrder};

use super::super::state::DumpsState;
use super::filters::Filters;
use super::import_notice::ImportNotice;
use super::options::{TableActions, TableOptions};
use super::pager::Pager;
use super::paging;
use super::row::RecordRow;
use super::view::{RecordsView, SizeShown};
use super::{History, Records};
use crate::base;
use crate::ui::erase::{dynamic, follow, memo};
use crate::ui::{
    self, Button, ButtonKind, ButtonSize, Card, EmptyState, Failure, Icon, IconView, Select, Show, Skeleton,
    SortHeader, list,
};

/// The columns that can be sorted by, as the customer of the table knows them, but for the size.
pub const COLUMNS: [(RecordColumn, &str); 6] = [
    (RecordColumn::Vmid, "VM ID"),
    (RecordColumn::Dom, "VM name"),
    (RecordColumn::Timestamp, "Timestamp"),
    (RecordColumn::DurationSec, "Duration"),
    (RecordColumn::Sha256, "SHA-256"),
    (RecordColumn::DumpPath, "Dump path"),
];

/// The name of the column with what can be done.
pub const ACTIONS: &str = "Actions";

/// The name of the column of sizes.
pub fn size_column(size: SizeShown) -> &'static str {
    match size {
        SizeShown::Compressed => "Size (compressed)",
        SizeShown::Raw => "Size (raw)",
    }
}

/// The same in two parts: if there is little room, the switch above the table shows the second.
fn size_heading(size: SizeShown) -> impl IntoView {
    let (size, which) = size_column(size).split_once(' ').unwrap_or_default();
    view! {
        {size}
        <span class="size-which">{format!(" {which}")}</span>
    }
}

/// What stands where the rows are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Loading,
    Failed,
    /// The days of the filter are the wrong way round: nothing is asked for.
    Reversed,
    Rows,
    Empty,
    EmptyByFilter,
    PastTheEnd {
        last_page: u64,
    },
}

impl Shape {
    fn of(records: Records) -> Self {
        if records.filter_error().is_some() {
            return Self::Reversed;
        }
        let failed = records.page.problem().is_some();
        // Which page and filter the rows belong to is known when they are there; the address may be ahead.
        let (is_filtered, page_size) = records.view.with(|view| (view.is_filtered(), view.page_size));
        let shape = records.page.with_data(|page| match (page.records.is_empty(), page.total) {
            (false, _) => Self::Rows,
            (true, 0) if is_filtered => Self::EmptyByFilter,
            (true, 0) => Self::Empty,
            (true, total) => Self::PastTheEnd { last_page: paging::page_count(total, page_size) },
        });
        shape.unwrap_or(if failed { Self::Failed } else { Self::Loading })
    }
}

/// The table with its filters and pages.
#[component]
pub fn RecordsTable() -> impl IntoView {
    let records = DumpsState::expect().records;
    let problem = memo(move || records.page.problem().as_ref().map(in_words));
    let shape = memo(move || Shape::of(records));
    let frame = NodeRef::<html::Div>::new();
    let show_unseen = move |()| {
        records.show_unseen();
        // The button goes; the operator goes on from the table's beginning.
        if let Some(frame) = frame.get_untracked() {
            let _ = frame.focus();
        }
    };
    let swap_days = move |()| {
        records.show(History::Push, |view| {
            std::mem::swap(&mut view.from, &mut view.to);
            view.page = 1;
        });
    };
    let clear = move |()| records.show(History::Push, RecordsView::clear_filter);
    view! {
        <Card id="recorded-dumps" title="Recorded dumps" aside=|| view! { <TableOptions /> <TableActions /> }>
            <Filters />
            <Meaningless />
            <ImportNotice />
            <SortSelect />
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The records could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| records.fetch()
                />
            </Show>
            <div class="table-place" tabindex="-1" role="group" aria-label="Recorded dumps" node_ref=frame>
                // Lies over the edge of the table: when it appears, no row moves.
                <div class="table-news">
                    <Show when=move || { records.unseen.get() > 0 }>
                        <Button kind=ButtonKind::Primary size=ButtonSize::Small on_press=show_unseen>
                            {dynamic(move || news(records.unseen.get()))}
                        </Button>
                    </Show>
                </div>
                {dynamic(move || match shape.get() {
                    Shape::Failed => ().into_any(),
                    Shape::Loading => view! { <Skeleton rows=5 label="Loading the records" /> }.into_any(),
                    Shape::Reversed => {
                        view! {
                            <EmptyState title="The last day is before the first" icon=Icon::Search>
                                <Button on_press=swap_days>"Swap the days"</Button>
                                " "
                                <Button on_press=clear>"Clear the filters"</Button>
                            </EmptyState>
                        }
                            .into_any()
                    }
                    Shape::Rows => view! { <Rows /> }.into_any(),
                    Shape::Empty => {
                        view! {
                            <EmptyState title="No dumps yet">
                                "Select a guest above and press “Dump selected”. The dump appears here with its hash."
                            </EmptyState>
                        }
                            .into_any()
                    }
                    Shape::EmptyByFilter => {
                        view! {
                            <EmptyState title="No dumps match these filters">
                                <Button on_press=clear>"Clear the filters"</Button>
                            </EmptyState>
                        }
                            .into_any()
                    }
                    Shape::PastTheEnd { last_page } => {
                        let href = move || {
                            base::href(&records.view.with(|view| view.at_page(last_page).href()))
                        };
                        view! {
                            <EmptyState title="This page is past the end of the table">
                                <A href=href>{format!("Go to page {last_page}")}</A>
                            </EmptyState>
                        }
                            .into_any()
                    }
                })}
            </div>
            <Pager />
        </Card>
    }
}

/// Says which parts of the address mean nothing, and takes them out of it.
#[component]
fn Meaningless() -> impl IntoView {
    let records = DumpsState::expect().records;
    let sentence = memo(move || records.view.with(|view| not_understood(&view.meaningless)));
    let tidy = move |()| records.show(History::Replace, |view| view.meaningless.clear());
    view! {
        <Show when=move || sentence.with(Option::is_some)>
            <div class="table-note" role="status">
                <IconView icon=Icon::Info />
                <p>{sentence}</p>
                <Button size=ButtonSize::Small on_press=tidy>
                    "Remove from the address"
                </Button>
            </div>
        </Show>
    }
}

/// `None` if every part of the address means something.
fn not_understood(parts: &[&str]) -> Option<String> {
    let (last, others) = parts.split_last()?;
    Some(if others.is_empty() {
        format!("The address has an unknown value of “{last}”. It is ignored.")
    } else {
        let others = others.iter().map(|part| format!("“{part}”")).collect::<Vec<_>>().join(", ");
        format!("The address has unknown values of {others} and “{last}”. They are ignored.")
    })
}

/// The eight columns and their rows.
#[component]
fn Rows() -> impl IntoView {
    let records = DumpsState::expect().records;
    let rows = move || records.page.with_data(|page| page.records.clone()).unwrap_or_default();
    let size = memo(move || records.view.with(|view| view.size));
    // The roles are those the elements have anyway: as cards on a narrow screen they would lose them.
    view! {
        <div class="table-frame">
            <table class="records" role="table" aria-busy=follow(move || records.is_loading().to_string())>
                <caption class="visually-hidden">"Recorded dumps"</caption>
                <thead role="rowgroup">
                    <tr role="row">
                        {COLUMNS
                            .into_iter()
                            .map(|(column, name)| view! { <Heading column=move || column>{name}</Heading> })
                            .collect_view()} <Heading column=move || size.get().column()>
                            {dynamic(move || size_heading(size.get()))}
                        </Heading> <th scope="col" role="columnheader">
                            {ACTIONS}
                        </th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {list(rows, paging::key_of, |record| view! { <RecordRow record /> })}
                </tbody>
            </table>
        </div>
    }
}

/// A column's heading, which sorts by it.
#[component]
fn Heading(
    column: impl Fn() -> RecordColumn + Copy + Send + Sync + 'static,
    children: Children,
) -> impl IntoView {
    let records = DumpsState::expect().records;
    let order = Signal::derive(move || {
        let sort = records.view.with(|view| view.sort);
        (sort.by == column()).then_some(match sort.order {
            SortOrder::Asc => ui::SortOrder::Ascending,
            SortOrder::Desc => ui::SortOrder::Descending,
        })
    });
    let sort = move |()| records.show(History::Push, |view| view.sort_by(untrack(column)));
    view! {
        <SortHeader order on_sort=sort>
            {children()}
        </SortHeader>
    }
}

/// The order, where rows are cards and no column has a heading.
#[component]
fn SortSelect() -> impl IntoView {
    let records = DumpsState::expect().records;
    let word = |column: RecordColumn, order: SortOrder| format!("{} {}", column.as_str(), order.as_str());
    let chosen = Signal::derive(move || records.view.with(|view| word(view.sort.by, view.sort.order)));
    let options = Signal::derive(move || {
        let size = records.view.with(|view| view.size);
        let columns = COLUMNS.into_iter().chain([(size.column(), size_column(size))]);
        let both = columns.flat_map(|(column, name)| {
            [SortOrder::Asc, SortOrder::Desc].map(|order| {
                let direction = match order {
                    SortOrder::Asc => "ascending",
                    SortOrder::Desc => "descending",
                };
                (word(column, order), format!("{name}, {direction}"))
            })
        });
        both.collect::<Vec<_>>()
    });
    let choose = move |words: String| {
        let Some((column, order)) = words.split_once(' ') else { return };
        let (Ok(by), Ok(order)) = (column.parse(), order.parse()) else { return };
        records.show(History::Push, |view| {
            view.sort = memdeck_model::RecordSort { by, order };
            view.page = 1;
        });
    };
    view! {
        <div class="sort-select">
            <Select id="records-sort" label="Sort by" value=chosen options on_choose=choose />
        </div>
    }
}

fn news(unseen: u64) -> String {
    if unseen == 1 { "1 new dump – show".to_owned() } else { format!("{unseen} new dumps – show") }
}

/// What failed, and by what name the server's log has it.
fn in_words(problem: &Problem) -> String {
    match &problem.request_id {
        Some(id) => format!("{} (Request {id}.)", problem.detail),
        None => problem.detail.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_address_that_mean_nothing_are_named() {
        let told = [&[][..], &["rows"], &["from", "to", "sort"]].map(not_understood);
        assert_eq!(
            told.map(Option::unwrap_or_default),
            [
                "",
                "The address has an unknown value of “rows”. It is ignored.",
                "The address has unknown values of “from”, “to” and “sort”. They are ignored.",
            ]
        );
    }
}

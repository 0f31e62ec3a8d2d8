//! Parts of tables: the frame that scrolls, and headings that sort.

use leptos::prelude::*;

use super::erase::{follow, handler};
use super::icon::{Icon, IconView};

/// The order of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// Smallest, earliest or first letter on top.
    Ascending,
    /// The other way round.
    Descending,
}

impl SortOrder {
    fn as_aria(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        }
    }
}

/// A table with a caption for screen readers. A narrow screen scrolls the table, not the page.
#[component]
pub fn Table(
    /// What the table holds.
    #[prop(into)]
    caption: String,
    /// Head and body.
    children: Children,
) -> impl IntoView {
    let label = caption.clone();
    view! {
        // Focusable, because what scrolls is scrolled with the keyboard too.
        <div class="table-scroll" tabindex="0" role="group" aria-label=label>
            <table class="table">
                <caption class="visually-hidden">{caption}</caption>
                {children()}
            </table>
        </div>
    }
}

/// The heading of a column that can be sorted by.
#[component]
pub fn SortHeader(
    /// The order it is sorted in now; `None` while the table is sorted by another column.
    #[prop(into)]
    order: Signal<Option<SortOrder>>,
    /// Asks for the table to be sorted by this column, or the other way round.
    #[prop(into)]
    on_sort: Callback<()>,
    children: Children,
) -> impl IntoView {
    let icon = Signal::derive(move || match order.get() {
        Some(SortOrder::Descending) => Icon::SortDescending,
        Some(SortOrder::Ascending) | None => Icon::SortAscending,
    });
    view! {
        <th scope="col" role="columnheader" aria-sort=follow(move || order.get().map(SortOrder::as_aria))>
            <button type="button" class="sort-button" on:click=handler(move |_| on_sort.run(()))>
                {children()}
                <IconView icon />
            </button>
        </th>
    }
}

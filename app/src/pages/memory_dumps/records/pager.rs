//! Going from page to page of the table, and how much of it a page holds.

use leptos::prelude::*;

use super::super::state::DumpsState;
use super::History;
use super::paging::page_count;
use super::view::PAGE_SIZES;
use crate::ui::erase::memo;
use crate::ui::{Pagination, Select, Show};
use crate::words::grouped;

/// Rows per page, the number of records, Previous, page x of y, Next. The page is in the address.
#[component]
pub fn Pager() -> impl IntoView {
    let records = DumpsState::expect().records;
    let view = records.view;
    let total = memo(move || records.page.with_data(|page| page.total));
    let page = memo(move || view.with(|view| view.page));
    let page_size = memo(move || view.with(|view| view.page_size));
    let pages = memo(move || page_count(total.get().unwrap_or(0), page_size.get()));
    let is_shown = move || {
        records.filter_error().is_none()
            && total.get().is_some_and(|total| total > 0)
            && page.get() <= pages.get()
    };
    let in_words = Signal::derive(move || match total.get() {
        Some(1) => "1 record".to_owned(),
        Some(total) => format!("{} records", grouped(total)),
        None => String::new(),
    });
    let sizes: Vec<(String, String)> = PAGE_SIZES.map(|size| (size.to_string(), size.to_string())).into();
    let sizes = Signal::stored(sizes);
    let choose_size = move |size: String| {
        let Ok(size) = size.parse::<u32>() else { return };
        records.show(History::Push, |view| {
            // The row on top stays on the page.
            let first_row = view.page.saturating_sub(1).saturating_mul(u64::from(view.page_size));
            view.page_size = size;
            view.page = first_row.checked_div(u64::from(size)).unwrap_or(0).saturating_add(1);
        });
    };
    view! {
        <Show when=is_shown>
            <div class="pager">
                <div class="pager-size">
                    <Select
                        id="records-rows"
                        label="Rows per page"
                        value=Signal::derive(move || page_size.get().to_string())
                        options=sizes
                        on_choose=choose_size
                    />
                </div>
                <Pagination
                    label="Pages of recorded dumps"
                    page=page
                    pages=pages
                    total=in_words
                    on_go=move |page| records.show(History::Push, |view| view.page = page)
                />
            </div>
        </Show>
    }
}

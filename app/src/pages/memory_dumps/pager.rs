//! Going from page to page of the table, and how much of it a page holds.

use leptos::prelude::*;

use super::paging::page_count;
use super::records::History;
use super::records_view::PAGE_SIZES;
use super::state::State;
use crate::ui::{Pagination, Select};

/// Rows per page, the number of records, Previous, page x of y, Next. The page is in the address.
#[component]
pub fn Pager() -> impl IntoView {
    let records = State::expect().records;
    let view = records.view;
    let total = Memo::new(move |_| records.page.with_data(|page| page.total));
    let page = Memo::new(move |_| view.with(|view| view.page));
    let page_size = Memo::new(move |_| view.with(|view| view.page_size));
    let pages = Memo::new(move |_| page_count(total.get().unwrap_or(0), page_size.get()));
    let is_shown = move || total.get().is_some_and(|total| total > 0) && page.get() <= pages.get();
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

/// `100,000`: long numbers are read in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 100_000, 12_345_678].map(grouped),
            ["0", "999", "1,000", "100,000", "12,345,678"]
        );
    }
}

//! What the pages of a guest's memory hold, class by class.

use leptos::prelude::*;

use super::super::numbers::{grouped, percent, share};
use crate::api::{ImageFacts, PageTotals};

/// One class of pages.
struct Class {
    name: &'static str,
    hint: &'static str,
    pages: u64,
}

/// The classes, in the order in which the first that holds is a page's.
fn classes(pages: &PageTotals) -> [Class; 6] {
    let class = |name, hint, pages| Class { name, hint, pages };
    [
        class("Zero", "only zeroes", pages.zero),
        class("Uniform", "one byte, repeated", pages.uniform),
        class("Text", "readable characters", pages.text),
        class("Sparse", "mostly zeroes", pages.sparse),
        class("High entropy", "compressed, encrypted or random", pages.high_entropy),
        class("Binary", "code, tables, heaps", pages.binary),
    ]
}

/// All of it in one sentence.
fn summary(pages: &PageTotals, page_bytes: memdeck_model::ByteCount, millibits: u64) -> String {
    let total = grouped(pages.total);
    let zero = share(pages.zero, pages.total);
    let (bits, rest) = (millibits / 1000, millibits % 1000 / 10);
    format!(
        "{total} pages of {page_bytes}; {zero} hold only zeroes, the others {bits}.{rest:02} bits of entropy per byte on average."
    )
}

/// The statistics of an image that has a page map; else why there are none.
#[component]
pub fn PageStatistics(image: ImageFacts) -> impl IntoView {
    let map = image.manifest.and_then(|manifest| manifest.page_map);
    let content = match map {
        None => view! { <p class="secondary">"This image has no page map, from which they are counted."</p> }
            .into_any(),
        Some(map) => {
            let total = map.pages.total;
            let row = move |class: Class| {
                let Class { name, hint, pages } = class;
                let width = format!("{:.2}%", percent(pages, total));
                view! {
                    <tr>
                        <th scope="row">
                            {name} " " <span class="secondary page-class-hint">{hint}</span>
                        </th>
                        <td class="number">{grouped(pages)}</td>
                        <td class="number">{share(pages, total)}</td>
                        <td class="page-share" aria-hidden="true">
                            <span class="page-share-bar" style:width=width></span>
                        </td>
                    </tr>
                }
            };
            view! {
                <p class="secondary">{summary(&map.pages, map.page_bytes, map.mean_entropy_millibits)}</p>
                <table class="page-classes">
                    <caption class="visually-hidden">"Pages by what they hold"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"What it holds"</th>
                            <th scope="col">"Pages"</th>
                            <th scope="col">"Share"</th>
                            <td aria-hidden="true"></td>
                        </tr>
                    </thead>
                    <tbody>{classes(&map.pages).into_iter().map(row).collect_view()}</tbody>
                </table>
            }
            .into_any()
        }
    };
    view! {
        <section class="details-group details-group-wide" aria-label="Page statistics">
            <h3>"Page statistics"</h3>
            {content}
        </section>
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::ByteCount;

    use super::*;

    #[test]
    fn the_classes_are_all_of_the_pages() {
        let pages =
            PageTotals { total: 21, zero: 1, uniform: 2, text: 3, sparse: 4, high_entropy: 5, binary: 6 };
        assert_eq!(classes(&pages).iter().map(|class| class.pages).sum::<u64>(), pages.total);
    }

    #[test]
    fn the_numbers_are_summed_up_in_a_sentence() {
        let pages = PageTotals { total: 131_072, zero: 114_294, ..PageTotals::default() };
        assert_eq!(
            summary(&pages, ByteCount(4096), 5_071),
            "131,072 pages of 4.00 KiB; 87.2 % hold only zeroes, the others 5.07 bits of entropy per byte on average."
        );
    }
}

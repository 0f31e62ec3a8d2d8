//! What the pages of a guest's memory hold, class by class, on screen.

use leptos::prelude::*;
use memdeck_model::decimal;

use crate::words::{PageClass, PageStatistics};
use crate::words::{grouped, percent, share};

/// A sentence, and a table with a bar for each class.
#[component]
pub fn PageTable(statistics: PageStatistics) -> impl IntoView {
    let PageStatistics { summary, classes } = statistics;
    let total = classes.iter().map(|class| class.pages).sum();
    let row = move |class: PageClass| {
        let PageClass { name, hint, pages } = class;
        let width = format!("{}%", decimal(percent(pages, total), 2));
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
        <section class="details-group details-group-wide" aria-label="Page statistics">
            <h3>"Page statistics"</h3>
            <p class="secondary">{summary}</p>
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
                <tbody>{classes.into_iter().map(row).collect_view()}</tbody>
            </table>
        </section>
    }
}

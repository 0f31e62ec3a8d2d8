//! The numbers of a chart as a table, newest first, in a part of fixed size that scrolls.

use leptos::prelude::*;
use memdeck_model::telemetry::{Bucket, Metric, Series};

use super::chart_card::scale_of;
use super::scale::Scale;
use crate::data::Loader;
use crate::time::local_time;
use crate::ui::{Table, list};
use crate::words::grouped;

#[component]
pub fn NumbersTable(metric: Metric, series: Loader<Series>, caption: String) -> impl IntoView {
    // In another unit every row is another one.
    let rows = move || {
        let rows = series.with_data(|series| {
            let scale = scale_of(metric, &series.buckets);
            series.buckets.iter().rev().map(|bucket| (*bucket, scale)).collect::<Vec<_>>()
        });
        rows.unwrap_or_default()
    };
    let is_counter = metric.is_counter();
    view! {
        <div class="numbers">
            <Table caption>
                <thead>
                    <tr>
                        <th scope="col">"Time"</th>
                        <th scope="col">"Mean"</th>
                        <th scope="col">"Lowest"</th>
                        <th scope="col">"Highest"</th>
                        {is_counter.then(|| view! { <th scope="col">"Counted"</th> })}
                    </tr>
                </thead>
                <tbody>
                    {list(rows, key_of, move |(bucket, scale)| view! { <Row bucket scale is_counter /> })}
                </tbody>
            </Table>
        </div>
    }
}

fn key_of((bucket, scale): &(Bucket, Scale)) -> String {
    format!("{} {:x} {}", bucket.at.unix_micros(), bucket.mean.to_bits(), scale.unit)
}

#[component]
fn Row(bucket: Bucket, scale: Scale, is_counter: bool) -> impl IntoView {
    let at = local_time(bucket.at);
    let cell = move |value| view! { <td class="number">{scale.text(value)}</td> };
    view! {
        <tr>
            <th scope="row">
                <time datetime=bucket.at.to_string() title=at.long>
                    {at.date}
                    " "
                    {at.clock}
                </time>
            </th>
            {cell(bucket.mean)}
            {cell(bucket.min)}
            {cell(bucket.max)}
            {is_counter.then(|| view! { <td class="number">{bucket.raw.map_or("unknown".to_owned(), grouped)}</td> })}
        </tr>
    }
}

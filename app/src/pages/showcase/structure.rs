//! What holds other things, and pictures of values: tabs, tables, pages of tables, cards, gauges.

use leptos::prelude::*;

use super::Specimen;
use crate::ui::{Card, Gauge, Mark, Pagination, SortHeader, SortOrder, Sparkline, Tab, Table, Tabs};

const GUESTS: [(&str, u32); 3] = [("db-01", 512), ("mail", 1024), ("web-01", 256)];

const SHARE: &[Mark] = &[(0.0, "0"), (45.0, "50"), (90.0, "100")];

/// Containers.
#[component]
pub fn Structure() -> impl IntoView {
    let page = RwSignal::new(2);
    let tab = RwSignal::new(0);
    let tabs = vec![
        Tab::new("Guest", || view! { <p>"web-01, 256 MiB, running"</p> }),
        Tab::new("Capture", || view! { <p>"Live, 5 passes, stopped for 13 ms"</p> }),
        Tab::new("File", || view! { <p>"28.9 MiB, zstd"</p> }),
    ];
    view! {
        <Card id="showcase-structure" title="Structure" aside=|| view! { <span class="count">"3"</span> }>
            <Specimen name="Tabs">
                <Tabs id="showcase-tabs" label="Parts of a dump" tabs chosen=tab />
            </Specimen>
            <Specimen name="Table">
                <Guests />
            </Specimen>
            <Specimen name="Gauges">
                <Gauge degrees=Some(30.0) label="CPU: 33 %" marks=SHARE />
                <Gauge degrees=None label="CPU: unknown" marks=SHARE />
            </Specimen>
            <Specimen name="Sparkline">
                <Sparkline
                    values=Signal::stored(vec![Some(1.0), Some(3.0), Some(2.0), None, None, None, Some(4.0), Some(1.0)])
                    label="Network, last 5 minutes: highest 4 MiB/s"
                />
            </Specimen>
            <Specimen name="Pagination">
                <Pagination
                    label="Pages of nothing"
                    page
                    pages=3
                    total="61 records"
                    on_go=move |target| page.set(target)
                />
            </Specimen>
        </Card>
    }
}

#[component]
fn Guests() -> impl IntoView {
    let by_memory = RwSignal::new(false);
    let order = RwSignal::new(SortOrder::Ascending);
    let sort = move |memory: bool| {
        let turn = by_memory.get_untracked() == memory && order.get_untracked() == SortOrder::Ascending;
        order.set(if turn { SortOrder::Descending } else { SortOrder::Ascending });
        by_memory.set(memory);
    };
    let order_of =
        move |memory: bool| Signal::derive(move || (by_memory.get() == memory).then(|| order.get()));
    let rows = move || {
        let mut guests = GUESTS;
        if by_memory.get() {
            guests.sort_by_key(|&(_, mib)| mib);
        }
        if order.get() == SortOrder::Descending {
            guests.reverse();
        }
        guests
            .map(|(name, mib)| {
                view! {
                    <tr>
                        <td>{name}</td>
                        <td class="number">{format!("{mib} MiB")}</td>
                    </tr>
                }
            })
            .collect_view()
    };
    view! {
        <Table caption="Some guests">
            <thead>
                <tr>
                    <SortHeader order=order_of(false) on_sort=move |()| sort(false)>"Name"</SortHeader>
                    <SortHeader order=order_of(true) on_sort=move |()| sort(true)>"Memory"</SortHeader>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </Table>
    }
}

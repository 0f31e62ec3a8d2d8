//! The guests that are measured, and how well.

use leptos::prelude::*;
use memdeck_model::Guest;

use super::guest_row::GuestRow;
use crate::data::{Data, TelemetryStore};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Card, EmptyState, Failure, Icon, Show, Skeleton, Table, list};

/// Every guest in a part of fixed size that scrolls.
#[component]
pub fn MonitoredGuests() -> impl IntoView {
    let Data { guests, .. } = Data::expect();
    TelemetryStore::watch_all();
    let problem = guests.why_failed();
    let is_empty = memo(move || guests.with(<[Guest]>::is_empty));
    let uuids = move || {
        guests
            .with(|guests| guests.iter().map(|guest| guest.uuid.clone()).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    view! {
        <Card id="monitored" title="Monitored guests" class="telemetry-guests">
            {dynamic(move || match is_empty.get() {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=4 label="Loading the guests" /> }.into_any(),
                Some(true) => {
                    view! {
                        <EmptyState title="No guests" icon=Icon::Monitor>
                            "The hypervisor has none. A guest appears here as soon as it is defined."
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(false) => {
                    view! {
                        <Table caption="Monitored guests">
                            <thead role="rowgroup">
                                <tr role="row">
                                    <th scope="col" role="columnheader">"VM name"</th>
                                    <th scope="col" role="columnheader">"State"</th>
                                    <th scope="col" role="columnheader">"vCPUs"</th>
                                    <th scope="col" role="columnheader">"Memory"</th>
                                    <th scope="col" role="columnheader">"CPU"</th>
                                    <th scope="col" role="columnheader">"In use"</th>
                                    <th scope="col" role="columnheader">"Values"</th>
                                </tr>
                            </thead>
                            <tbody role="rowgroup">{list(uuids, Clone::clone, |uuid| view! { <GuestRow uuid /> })}</tbody>
                        </Table>
                    }
                        .into_any()
                }
            })}
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The guests could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| guests.fetch()
                />
            </Show>
        </Card>
    }
}

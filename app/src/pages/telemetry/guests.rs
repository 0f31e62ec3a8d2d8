//! The guests that are measured, and how well.

use leptos::prelude::*;
use memdeck_model::Guest;

use super::guest_row::GuestRow;
use super::state::TelemetryState;
use crate::data::{Data, TelemetryStore};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Card, EmptyState, Failure, Icon, Show, Skeleton, Table, list};

/// Every guest in a part of fixed size that scrolls.
#[component]
pub fn MonitoredGuests() -> impl IntoView {
    let Data { guests, .. } = Data::expect();
    TelemetryStore::watch_all();
    let problem = guests.why_failed();
    let host = TelemetryState::expect().host;
    // Of several hosts those of the one that is shown.
    let references = memo(move || {
        let host = host.get();
        let is_here = |guest: &&Guest| guest.host.is_none() || guest.host == host;
        guests.with(|guests| guests.iter().filter(is_here).map(Guest::reference).collect::<Vec<_>>())
    });
    let is_empty = memo(move || references.with(|references| references.as_ref().map(Vec::is_empty)));
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
                            <tbody role="rowgroup">{list(move || references.get().unwrap_or_default(), Clone::clone, |reference| view! { <GuestRow reference /> })}</tbody>
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

//! The collectors of several hosts, of which one is shown below.

use leptos::prelude::*;
use leptos_router::components::A;
use memdeck_model::HostId;
use memdeck_model::telemetry::HostCollector;

use super::state::TelemetryState;
use super::words::standing;
use crate::base;
use crate::routes::Page;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Card, Icon, Moment, Show, Table, Tone, Unknown, list};
use crate::words::{grouped, sentence};

/// A row for each host. Nothing where there is one host only.
#[component]
pub fn Hosts() -> impl IntoView {
    let state = TelemetryState::expect();
    let are_many = memo(move || state.hosts.with_data(|hosts| hosts.len() > 1) == Some(true));
    let names = move || {
        let names = |hosts: &Vec<HostCollector>| hosts.iter().map(|of| of.host.clone()).collect::<Vec<_>>();
        state.hosts.with_data(names).unwrap_or_default()
    };
    view! {
        <Show when=move || are_many.get()>
            <Card id="collectors" title="Hosts" class="telemetry-hosts">
                <Table caption="Collectors of the hosts">
                    <thead role="rowgroup">
                        <tr role="row">
                            <th scope="col" role="columnheader">"Host"</th>
                            <th scope="col" role="columnheader">"Collector"</th>
                            <th scope="col" role="columnheader">"VMs measured"</th>
                            <th scope="col" role="columnheader">"Last collection"</th>
                        </tr>
                    </thead>
                    <tbody role="rowgroup">{list(names, ToString::to_string, |host| view! { <HostRow host /> })}</tbody>
                </Table>
            </Card>
        </Show>
    }
}

#[component]
fn HostRow(host: HostId) -> impl IntoView {
    let state = TelemetryState::expect();
    let name = host.to_string();
    let href = base::href(&format!("{}?host={name}", Page::Telemetry.path()));
    let shown = host.clone();
    let is_shown = memo(move || state.host.with(|chosen| chosen.as_ref() == Some(&shown)));
    let of_host = memo(move || {
        state.hosts.with_data(|hosts| hosts.iter().find(|of| of.host == host).cloned()).flatten()
    });
    view! {
        <tr role="row">
            <th scope="row" role="rowheader">
                <A href=href>{name}</A>
                {dynamic(move || is_shown.get().then(|| view! { <span class="secondary">" shown below"</span> }))}
            </th>
            {dynamic(move || {
                let HostCollector { status, problem, .. } = of_host.get()?;
                let (tone, icon, word) = status.as_ref().map_or((Tone::Neutral, Icon::Ban, "Not known"), standing);
                let vms = match &status {
                    Some(status) => grouped(status.vms_monitored).into_any(),
                    None => view! { <Unknown what="number of VMs" /> }.into_any(),
                };
                let last = match status.and_then(|status| status.last_collection_time) {
                    Some(instant) => view! { <Moment instant /> }.into_any(),
                    None => view! { <Unknown what="last collection" /> }.into_any(),
                };
                Some(view! {
                    <td role="cell">
                        <Badge tone icon>
                            {word}
                        </Badge>
                        {problem.map(|why| view! { <p class="telemetry-note secondary">{sentence(&why.to_string())}</p> })}
                    </td>
                    <td role="cell" class="number">{vms}</td>
                    <td role="cell" class="number">{last}</td>
                })
            })}
        </tr>
    }
}

//! Hosts: the machines whose guests are dumped, how each stands, and whether it takes new dumps.

mod add;
mod confirm;
mod row;
mod state;
mod words;

use leptos::prelude::*;
use memdeck_model::HostList;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::erase::memo;
use crate::ui::{Card, Failure, Show, Skeleton, Table, list};
use add::AddHost;
use confirm::Confirm;
use row::HostRow;
use state::HostsState;

#[component]
pub fn Hosts() -> impl IntoView {
    set_title(Page::Hosts.name());
    let state = HostsState::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.refresh());
    let hosts = state.hosts;
    let problem = hosts.why_failed();
    let has_data = memo(move || hosts.has_data());
    let sum = memo(move || hosts.with_data(|list| words::sum_of(&list.hosts)));
    let names = move || {
        let names = |list: &HostList| list.hosts.iter().map(|host| host.name.to_string()).collect();
        hosts.with_data(names).unwrap_or_default()
    };
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Hosts.name()}</h1>
                <p class="page-lead">"The machines whose VMs are dumped, and whether they can be used now."</p>
            </div>
        </header>
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The hosts could not be loaded."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| state.fetch()
            />
        </Show>
        <Show when=move || !has_data.get() && problem.with(Option::is_none)>
            <Skeleton rows=4 label="Loading the hosts" />
        </Show>
        <Show when=move || has_data.get()>
            <Card id="hosts" title="Hosts" class="hosts">
                <p class="secondary number" role="status">{sum}</p>
                <Table caption="Hosts">
                    <thead role="rowgroup">
                        <tr role="row">
                            {row::COLUMNS.map(|column| view! { <th scope="col" role="columnheader">{column}</th> }).collect_view()}
                        </tr>
                    </thead>
                    <tbody role="rowgroup">{list(names, Clone::clone, |name| view! { <HostRow name /> })}</tbody>
                </Table>
            </Card>
            <AddHost />
        </Show>
        <Confirm />
    }
}

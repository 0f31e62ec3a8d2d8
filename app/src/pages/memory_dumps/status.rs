//! The figures.

use leptos::prelude::*;
use memdeck_model::{Guest, GuestState};

use super::state::State;
use crate::api::Overview;
use crate::ui::{Card, Failure, Moment, Unknown};

/// Total VMs, total dumps, last dump, stored bytes.
#[component]
pub fn Status() -> impl IntoView {
    let state = State::expect();
    let problem = Memo::new(move |_| {
        state.overview.with(|overview| overview.problem.as_ref().map(|problem| problem.detail.clone()))
    });
    let is_loading = Memo::new(move |_| {
        state.overview.with(|overview| overview.data.is_none() && overview.problem.is_none())
    });
    let vms = Memo::new(move |_| state.guests.with_data(|guests| guests.len().to_string()));
    let running =
        Memo::new(move |_| state.guests.with_data(|guests| format!("{} running", running_count(guests))));
    let overview = move |read: fn(&Overview) -> String| Memo::new(move |_| state.overview.with_data(read));
    let dumps = overview(|overview| overview.stats.total_dumps.to_string());
    let stored = overview(|overview| overview.stats.total_size_bytes.to_string());
    let last = Memo::new(move |_| state.overview.with_data(|overview| overview.stats.last_dump));
    let footnote = overview(|overview| {
        let service = match overview.service.service.as_str() {
            "local" => "dumps taken on this host",
            url => url,
        };
        format!("memdeck {} · {} · {service}", overview.version, overview.hypervisor_uri)
    });
    let retry = move |()| state.fetch_overview();
    let missing = move |what| {
        if is_loading.get() {
            view! { <span class="figure-skeleton"></span> }.into_any()
        } else {
            view! { <Unknown what /> }.into_any()
        }
    };
    let figure = move |value: Memo<Option<String>>, what| {
        move || value.get().map_or_else(|| missing(what), IntoAny::into_any)
    };
    view! {
        <Card id="status" title="Status">
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The figures could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=retry
                />
            </Show>
            <dl class="figures">
                <div class="figure">
                    <dt>
                        "Total VMs "
                        <span class="figure-detail">{running}</span>
                    </dt>
                    <dd>{figure(vms, "number of VMs")}</dd>
                </div>
                <div class="figure">
                    <dt>"Total dumps"</dt>
                    <dd>{figure(dumps, "number of dumps")}</dd>
                </div>
                <div class="figure">
                    <dt>"Last dump"</dt>
                    <dd>
                        {move || match last.get() {
                            Some(Some(instant)) => view! { <Moment instant /> }.into_any(),
                            Some(None) => "none yet".into_any(),
                            None => missing("last dump"),
                        }}
                    </dd>
                </div>
                <div class="figure">
                    <dt>"Stored"</dt>
                    <dd>{figure(stored, "stored bytes")}</dd>
                </div>
            </dl>
            <p class="footnote">{footnote}</p>
        </Card>
    }
}

fn running_count(guests: &[Guest]) -> usize {
    guests.iter().filter(|guest| guest.state == GuestState::Running).count()
}

//! The figures.

use leptos::prelude::*;
use memdeck_model::{Guest, GuestState, Millis, Stats};

use crate::data::{Data, Jobs};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Failure, Moment, Show, Unknown};

/// Total VMs, total dumps, stored bytes, last dump, average duration, active and queued dumps.
#[component]
pub fn Status() -> impl IntoView {
    let Data { guests, overview, dumps, .. } = Data::expect();
    let problem = overview.why_failed();
    let is_loading = memo(move || overview.is_loading());
    let vms = memo(move || guests.with(|guests| guests.len().to_string()));
    let running = memo(move || guests.with(|guests| format!("{} running", running_count(guests))));
    let total = overview.find(|overview| Some(overview.stats.total_dumps.to_string()));
    let stored = overview.find(|overview| Some(overview.stats.total_size_bytes.to_string()));
    let average = memo(move || overview.with(|overview| average_of(&overview.stats)));
    let last = memo(move || overview.with(|overview| overview.stats.last_dump));
    let counts = memo(move || dumps.with(Jobs::counts));
    let active = memo(move || counts.get().map(|counts| counts.running.to_string()));
    let queued = memo(move || counts.get().map(|counts| format!("{} queued", counts.queued)));
    let catalog = overview.find(|overview| overview.catalog.as_ref().map(ToString::to_string));
    let storage = overview.find(|overview| overview.storage.as_ref().map(ToString::to_string));
    let retry = move |()| overview.fetch();
    let missing = move |what| {
        if is_loading.get() {
            view! { <span class="figure-skeleton"></span> }.into_any()
        } else {
            view! { <Unknown what /> }.into_any()
        }
    };
    let figure = move |value: Memo<Option<String>>, what| {
        dynamic(move || value.get().map_or_else(|| missing(what), IntoAny::into_any))
    };
    let detail = |text: Memo<Option<String>>| view! { <span class="figure-detail">{text}</span> };
    view! {
        <section class="status" aria-labelledby="status">
            <h2 class="visually-hidden" id="status">
                "Status"
            </h2>
            <dl class="figures">
                <div class="figure">
                    <dt>"Total VMs"</dt>
                    <dd>{figure(vms, "number of VMs")} {detail(running)}</dd>
                </div>
                <div class="figure">
                    <dt>"Active dumps"</dt>
                    <dd>{figure(active, "number of active dumps")} {detail(queued)}</dd>
                </div>
                <div class="figure">
                    <dt>"Total dumps"</dt>
                    <dd>{figure(total, "number of dumps")}</dd>
                </div>
                <div class="figure">
                    <dt>"Last dump"</dt>
                    <dd>
                        {dynamic(move || match last.get() {
                            Some(Some(instant)) => view! { <Moment instant /> }.into_any(),
                            Some(None) => none_yet(),
                            None => missing("last dump"),
                        })}
                    </dd>
                </div>
                <div class="figure">
                    <dt>"Avg. duration"</dt>
                    <dd>
                        {dynamic(move || match average.get() {
                            Some(Some(average)) => average.into_any(),
                            Some(None) => none_yet(),
                            None => missing("average duration"),
                        })}
                    </dd>
                </div>
                <div class="figure">
                    <dt>"Stored"</dt>
                    <dd>{figure(stored, "stored bytes")}</dd>
                </div>
            </dl>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The figures could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=retry
                />
            </Show>
            <Show when=move || storage.with(Option::is_some)>
                <Failure
                    title="Dumps cannot be stored now."
                    detail=Signal::derive(move || storage.get().unwrap_or_default())
                />
            </Show>
            <Show when=move || catalog.with(Option::is_some)>
                <Failure
                    title="The catalog needs your attention."
                    detail=Signal::derive(move || catalog.get().unwrap_or_default())
                />
            </Show>
        </section>
    }
}

fn running_count(guests: &[Guest]) -> usize {
    guests.iter().filter(|guest| guest.state == GuestState::Running).count()
}

fn none_yet() -> AnyView {
    view! { <span class="figure-none">"none yet"</span> }.into_any()
}

/// `None` without a dump whose duration is known.
fn average_of(stats: &Stats) -> Option<String> {
    let average = std::time::Duration::try_from_secs_f64(stats.avg_duration_sec).ok()?;
    (stats.total_dumps > 0).then(|| Millis::from(average).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_of_nothing_is_none() {
        let of = |total_dumps, avg_duration_sec| {
            average_of(&Stats { total_dumps, avg_duration_sec, ..Stats::default() })
        };
        let told = |text: &str| Some(text.to_owned());
        assert_eq!([of(3, 4.567), of(3, 0.25)], [told("4.57 s"), told("250 ms")]);
        assert_eq!([of(0, 0.0), of(3, f64::NAN)], [None, None]);
    }
}

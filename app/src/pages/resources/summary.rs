//! The guest at a glance.

use leptos::prelude::*;
use memdeck_model::telemetry::{LiveSample, Metric};
use memdeck_model::{Millis, bounded};

use super::state::ResourcesState;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Moment, Unknown};
use crate::words::{share, shown};

/// State, vCPUs, CPU time, last update, CPU and memory in use.
#[component]
pub fn Summary() -> impl IntoView {
    let state = ResourcesState::expect();
    let live = move |read: fn(&LiveSample) -> Option<String>| {
        memo(move || state.sample.with(|sample| sample.as_ref().and_then(read)))
    };
    let title = memo(move || state.name().map(|name| shown(&name)).unwrap_or_default());
    let now = live(|sample| Some(sample.state.as_str().to_owned()));
    let doing = memo(move || now.get().or_else(|| state.with_guest(|guest| guest.state.as_str().to_owned())));
    let quality = live(|sample| quality(sample).map(str::to_owned));
    let vcpus = memo(move || state.with_guest(|guest| guest.vcpus.to_string()));
    let measured = live(|sample| sample.totals.get(Metric::CpuTime).map(cpu_time));
    let cpu_time =
        memo(move || measured.get().or_else(|| state.with_guest(|guest| cpu_time(guest.cpu_time_ns))));
    let cpu = live(|sample| sample.cpu_pct.map(percent));
    let memory = live(|sample| sample.memory_pct.map(percent));
    let memory_max = memo(move || state.with_guest(|guest| format!("of {}", guest.memory_max)));
    let at = memo(move || state.sample.with(|sample| sample.as_ref().map(|sample| sample.at)));
    let figure = |name: &'static str, value: Memo<Option<String>>, detail: Option<Memo<Option<String>>>| {
        view! {
            <div class="figure">
                <dt>{name}</dt>
                <dd>
                    {dynamic(move || match value.get() {
                        Some(value) => value.into_any(),
                        None => view! { <Unknown what=name /> }.into_any(),
                    })}
                    {detail.map(|detail| view! { <span class="figure-detail">{detail}</span> })}
                </dd>
            </div>
        }
    };
    view! {
        <section class="status" aria-labelledby="summary">
            <h2 class="visually-hidden" id="summary">
                "Summary of "
                {title}
            </h2>
            <dl class="figures">
                {figure("State", doing, Some(quality))}
                {figure("vCPUs", vcpus, None)}
                {figure("CPU time", cpu_time, None)}
                <div class="figure">
                    <dt>"Last update"</dt>
                    <dd>
                        {dynamic(move || match at.get() {
                            Some(instant) => view! { <Moment instant /> }.into_any(),
                            None => view! { <Unknown what="last update" /> }.into_any(),
                        })}
                    </dd>
                </div>
                {figure("CPU in use", cpu, None)}
                {figure("Memory in use", memory, Some(memory_max))}
            </dl>
        </section>
    }
}

fn quality(sample: &LiveSample) -> Option<&'static str> {
    match (sample.stale, sample.partial) {
        (true, _) => Some("stale: it does not answer"),
        (false, true) => Some("partly known"),
        (false, false) => None,
    }
}

/// Since the guest started.
fn cpu_time(ns: u64) -> String {
    Millis(ns / 1_000_000).to_string()
}

fn percent(percent: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    let thousandths = (bounded(percent, 0.0, 100.0) * 1000.0) as u64;
    share(thousandths, 100_000)
}

#[cfg(test)]
mod tests {
    use super::super::chart_data::tests::sample;
    use super::*;

    #[test]
    fn values_that_are_old_are_told_as_old_first() {
        assert_eq!(quality(&sample()), None);
        let told = |stale, partial| quality(&LiveSample { stale, partial, ..sample() });
        assert_eq!(
            [told(false, true), told(true, true)],
            [Some("partly known"), Some("stale: it does not answer")]
        );
    }

    #[test]
    fn figures_are_short() {
        assert_eq!([percent(12.345), percent(0.0), percent(100.0)], ["12.3 %", "0.0 %", "100.0 %"]);
        assert_eq!(cpu_time(3_723_000_000_000), "1 h 02 min");
    }
}

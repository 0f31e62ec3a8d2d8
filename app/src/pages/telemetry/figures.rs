//! The figures of the collector.

use leptos::prelude::*;
use memdeck_model::ByteCount;
use memdeck_model::telemetry::CollectorStatus;

use super::state::TelemetryState;
use super::words::counted;
use crate::ui::erase::dynamic;
use crate::ui::{Moment, Unknown};
use crate::words::grouped;

/// Collections, guests, missed intervals, the last collection, points for `InfluxDB`, the store of its own.
#[component]
pub fn Figures() -> impl IntoView {
    let state = TelemetryState::expect();
    let is_pending = move || !state.report.has_data() && state.report.problem().is_none();
    let missing = move |what: &'static str| {
        if is_pending() {
            view! { <span class="figure-skeleton"></span> }.into_any()
        } else {
            view! { <Unknown what /> }.into_any()
        }
    };
    let figure = move |name: &'static str,
                       value: fn(&CollectorStatus) -> String,
                       detail: fn(&CollectorStatus) -> String| {
        let (value, detail) = (state.find(value), state.find(detail));
        view! {
            <div class="figure">
                <dt>{name}</dt>
                <dd>
                    {dynamic(move || value.get().map_or_else(|| missing(name), IntoAny::into_any))}
                    <span class="figure-detail">{detail}</span>
                </dd>
            </div>
        }
    };
    let last = state.find(|status| status.last_collection_time);
    let took = state.find(took);
    view! {
        <section class="status" aria-labelledby="status">
            <h2 class="visually-hidden" id="status">
                "Figures"
            </h2>
            <dl class="figures">
                {figure("Collections", |status| grouped(status.total_collections), failed)}
                {figure("Guests measured", |status| grouped(status.vms_monitored), in_part)}
                {figure("Missed intervals", |status| grouped(status.missed_intervals), every)}
                <div class="figure">
                    <dt>"Last collection"</dt>
                    <dd>
                        {dynamic(move || match last.get() {
                            Some(Some(instant)) => view! { <Moment instant /> }.into_any(),
                            Some(None) => view! { <span class="figure-none">"none yet"</span> }.into_any(),
                            None => missing("last collection"),
                        })}
                        <span class="figure-detail">{took}</span>
                    </dd>
                </div>
                {figure("Points written", |status| grouped(status.total_metrics_written), queue)}
                {figure("Own store", |status| ByteCount(status.store_bytes).to_string(), |_| String::new())}
            </dl>
        </section>
    }
}

fn failed(status: &CollectorStatus) -> String {
    match status.total_errors {
        0 => "none failed".to_owned(),
        count => format!("{} failed", grouped(count)),
    }
}

fn in_part(status: &CollectorStatus) -> String {
    let parts = [(status.stale_vms, "stale"), (status.partial_vms, "partly known")];
    let told = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)));
    told.collect::<Vec<_>>().join(", ")
}

fn every(status: &CollectorStatus) -> String {
    format!("of {} each", status.interval_ms)
}

fn took(status: &CollectorStatus) -> String {
    match (status.last_duration_ms, status.max_duration_ms) {
        (Some(last), Some(max)) => format!("took {last}, max {max}"),
        (Some(last), None) => format!("took {last}"),
        (None, _) => String::new(),
    }
}

fn queue(status: &CollectorStatus) -> String {
    let waiting = match status.influx_queue_size {
        0 => "none waits".to_owned(),
        count => counted(count, "waits", "wait"),
    };
    match status.influx_queue_dropped {
        0 => waiting,
        dropped => format!("{waiting}, {} dropped", grouped(dropped)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::happened::tests::running;
    use super::*;

    #[test]
    fn what_goes_wrong_stands_beside_its_figure() {
        let well = running();
        assert_eq!([failed(&well), in_part(&well), queue(&well)], ["none failed", "", "none waits"]);
        let troubled = CollectorStatus {
            total_errors: 1200,
            stale_vms: 1,
            partial_vms: 2,
            influx_queue_size: 1,
            influx_queue_dropped: 5,
            ..well
        };
        assert_eq!(
            [failed(&troubled), in_part(&troubled), queue(&troubled)],
            ["1,200 failed", "1 stale, 2 partly known", "1 waits, 5 dropped"]
        );
        assert_eq!(took(&troubled), "took 3 ms, max 9 ms");
    }
}

//! The gauges of one guest.

use leptos::prelude::*;
use memdeck_model::Millis;
use memdeck_model::telemetry::{LiveSample, SeriesQuery};

use super::dial::DIALS;
use super::dial_card::{DialCard, SCALE};
use super::history::{SPAN_S, STEP_S};
use super::trace::Trace;
use crate::api::{self, ApiError};
use crate::data::Data;
use crate::feed::Feed;
use crate::pages::guest::{Freshness, FreshnessBadge};
use crate::time::Clock;
use crate::ui::erase::{dynamic, effect};
use crate::ui::{Failure, Show};

type Traces = [RwSignal<Trace>; DIALS.len()];

/// The eight gauges of the guest `uuid`, which follow it once a second.
#[component]
pub fn GuestGauges(uuid: String) -> impl IntoView {
    let sample = Data::expect().telemetry.watch_guest(&uuid);
    let traces: Traces = DIALS.map(|dial| RwSignal::new(Trace::of(dial)));
    let freshness = RwSignal::new(Freshness::default());
    let before = StoredValue::new(None::<LiveSample>);
    effect(move || {
        let Some(sample) = sample.get() else { return };
        let mut is_new = false;
        freshness.update(|freshness| is_new = freshness.take(sample.at, sample.stale, sample.partial));
        if is_new {
            before.with_value(|before| {
                for trace in traces {
                    trace.update(|trace| trace.take(&sample, before.as_ref()));
                }
            });
            before.set_value(Some(sample));
        }
    });
    let problem = RwSignal::new(None::<String>);
    let uuid = StoredValue::new(uuid);
    let recall = move || recall(&uuid.get_value(), traces, problem);
    Feed::expect().on_connected(recall);
    view! {
        <p class="dials-freshness">
            <FreshnessBadge freshness />
            {dynamic(move || freshness.get().at.is_none().then_some("Waiting for the first values …"))}
        </p>
        <div class="dials">{traces.map(|trace| view! { <DialCard trace /> }).collect_view()}</div>
        <p class="footnote" id=SCALE>
            "Each needle shows the size of the change per second on a scale of powers of ten: 0° is 1 or less, 45° is 100,000, "
            "and 90° is never reached. It counts in bytes, nanoseconds, KiB or requests; the number beside it has the unit you "
            "work with."
        </p>
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The last 5 minutes could not be loaded."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| recall()
            />
        </Show>
    }
}

/// Asks the server for what it kept of the last minutes.
fn recall(uuid: &str, traces: Traces, problem: RwSignal<Option<String>>) {
    let to = Clock::expect().now_untracked();
    problem.set(None);
    for trace in traces {
        let query = SeriesQuery {
            uuid: uuid.to_owned(),
            metric: trace.with_untracked(|trace| trace.dial.metric),
            device: None,
            from: to.minus(Millis(SPAN_S.unsigned_abs() * 1000)),
            to,
            step_ms: Some(Millis(STEP_S.unsigned_abs() * 1000)),
        };
        leptos::task::spawn_local(async move {
            match api::fetch_series(query).await {
                Ok(series) => drop(trace.try_update(|trace| trace.recall(&series))),
                Err(ApiError(refused)) => drop(problem.try_set(Some(refused.detail.to_string()))),
            }
        });
    }
}

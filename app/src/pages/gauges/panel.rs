//! The gauges of one guest.

use leptos::prelude::*;
use memdeck_model::telemetry::{LiveSample, SeriesQuery};
use memdeck_model::{Guest, Millis, Timestamp};

use super::dial::DIALS;
use super::dial_card::{DialCard, SCALE};
use super::history::{SPAN_S, STEP_S};
use super::trace::Trace;
use crate::api::{self, ApiError};
use crate::data::Data;
use crate::feed::Feed;
use crate::pages::guest::{Freshness, FreshnessBadge, StateBadge};
use crate::time::Clock;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Failure, Show};
use crate::words::shown;

type Traces = [RwSignal<Trace>; DIALS.len()];

/// The eight gauges of a guest, which follow it once a second.
#[component]
pub fn GuestGauges(
    /// As [`Guest::reference`] says.
    reference: String,
    /// The guest as the hypervisor knows it.
    guest: Memo<Option<Guest>>,
) -> impl IntoView {
    let sample = Data::expect().telemetry.watch_guest(&reference);
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
    let is_waiting = memo(move || {
        let is_measured = guest.with(|guest| guest.as_ref().is_some_and(|guest| guest.state.has_memory()));
        is_measured && freshness.get().at.is_none()
    });
    let problem = RwSignal::new(None::<String>);
    let reference = StoredValue::new(reference);
    let clock = Clock::expect();
    let recall = move || recall(&reference.get_value(), clock.now_untracked(), traces, problem);
    Feed::expect().on_connected(recall);
    view! {
        <p class="guest-line">
            {dynamic(move || guest.with(|guest| guest.as_ref().map(facts_of)))}
            <FreshnessBadge freshness />
            {dynamic(move || is_waiting.get().then(|| view! { <span class="secondary">"Waiting for the first values …"</span> }))}
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
fn recall(reference: &str, to: Timestamp, traces: Traces, problem: RwSignal<Option<String>>) {
    problem.set(None);
    let (host, uuid) = SeriesQuery::guest(reference);
    for trace in traces {
        let query = SeriesQuery {
            host: host.clone(),
            uuid: uuid.clone(),
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

/// What the guest is: name, state, vCPUs, memory. One that does not run says why nothing is measured.
fn facts_of(guest: &Guest) -> impl IntoView + use<> {
    let has_memory = guest.state.has_memory();
    let id = guest.id.map(|id| format!("id {id}"));
    let vcpus = if guest.vcpus == 1 { "1 vCPU".to_owned() } else { format!("{} vCPUs", guest.vcpus) };
    let facts = id.into_iter().chain([vcpus, guest.memory_max.to_string()]).collect::<Vec<_>>().join(" · ");
    view! {
        <strong class="guest-name">{shown(&guest.name.0)}</strong>
        <StateBadge state=guest.state />
        <span class="secondary">{facts}</span>
        {(!has_memory).then_some(view! { <span class="secondary">"Not running: nothing is measured."</span> })}
    }
}

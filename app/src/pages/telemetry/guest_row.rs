//! One guest that is measured.

use leptos::prelude::*;
use memdeck_model::telemetry::{LiveSummary, SeriesQuery, TelemetryReport};
use memdeck_model::{Guest, GuestState, Timestamp, decimal};

use super::state::TelemetryState;
use super::words::without_balloon;
use crate::base;
use crate::data::Data;
use crate::routes::Page;
use crate::time::{Clock, relative};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Icon, Tone, Unknown};
use crate::words::shown;

/// After this many seconds values are old, whatever the interval.
const OLD_AFTER_S: i64 = 10;

/// How good the newest values of a guest are.
#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// None came yet.
    None,
    /// They are of the last collection.
    Current,
    /// A part is missing: a job has the guest.
    Partial,
    /// They are old.
    Old(Timestamp),
}

fn values_of(summary: Option<&LiveSummary>, now: Timestamp) -> Values {
    let Some(summary) = summary else { return Values::None };
    if summary.stale || now.unix_seconds() - summary.at.unix_seconds() > OLD_AFTER_S {
        Values::Old(summary.at)
    } else if summary.partial {
        Values::Partial
    } else {
        Values::Current
    }
}

/// The row of a guest.
#[component]
pub fn GuestRow(
    /// As [`Guest::reference`] says.
    reference: String,
) -> impl IntoView {
    let Data { guests, telemetry, .. } = Data::expect();
    let state = TelemetryState::expect();
    let clock = Clock::expect();
    let summary = telemetry.summary(&reference);
    let href = base::href(&format!("{}?guest={reference}", Page::Resources.path()));
    let reference = StoredValue::new(reference);
    let of_guest = move |read: fn(&Guest) -> String| {
        memo(move || {
            reference.with_value(|reference| {
                let is_it = |guest: &&Guest| guest.reference() == *reference;
                guests.with(|guests| guests.iter().find(is_it).map(read)).flatten()
            })
        })
    };
    let name = of_guest(|guest| shown(&guest.name.0));
    let doing = of_guest(|guest| guest.state.as_str().to_owned());
    let vcpus = of_guest(|guest| guest.vcpus.to_string());
    let memory_max = of_guest(|guest| guest.memory_max.to_string());
    let why_no_memory = memo(move || {
        let why = |report: &TelemetryReport| {
            reference.with_value(|reference| {
                // Only guests of the host that is shown stand here.
                let (_, uuid) = SeriesQuery::guest(reference);
                let unmeasured = report.status.unmeasured.iter().find(|guest| guest.uuid == uuid)?;
                without_balloon(&unmeasured.balloon)
            })
        };
        state.report.with_data(why).flatten()
    });
    let of = summary.clone();
    let values = memo(move || of.with(|summary| values_of(summary.as_ref(), clock.now())));
    let cpu = percent(summary.clone(), |summary| summary.cpu_pct, "CPU usage");
    let memory = percent(summary, |summary| summary.memory_pct, "memory usage");
    view! {
        <tr role="row">
            <th scope="row" role="rowheader">
                <a href=href>{name}</a>
            </th>
            <td role="cell" data-label="State">{doing}</td>
            <td role="cell" data-label="vCPUs" class="number">{vcpus}</td>
            <td role="cell" data-label="Memory" class="number">{memory_max}</td>
            <td role="cell" data-label="CPU" class="number">{cpu}</td>
            <td role="cell" data-label="In use" class="number">{memory}</td>
            <td role="cell" data-label="Values">
                {dynamic(move || {
                    let runs = doing.with(|doing| doing.as_deref() == Some(GuestState::Running.as_str()));
                    badge(&values.get(), runs, clock)
                })}
                {dynamic(move || {
                    why_no_memory.get().map(|why| view! { <span class="telemetry-note secondary">{why}</span> })
                })}
            </td>
        </tr>
    }
}

fn percent(
    summary: ArcRwSignal<Option<LiveSummary>>,
    read: fn(&LiveSummary) -> Option<f64>,
    what: &'static str,
) -> AnyView {
    let text = memo(move || {
        summary
            .with(|summary| summary.as_ref().and_then(read))
            .map(|percent| format!("{} %", decimal(percent, 1)))
    });
    dynamic(move || match text.get() {
        Some(text) => text.into_any(),
        None => view! { <Unknown what /> }.into_any(),
    })
}

fn badge(values: &Values, runs: bool, clock: Clock) -> AnyView {
    match values {
        Values::None if runs => view! { <Badge icon=Icon::Clock>"none yet"</Badge> }.into_any(),
        Values::None => view! { <Badge icon=Icon::Power>"none: not running"</Badge> }.into_any(),
        Values::Current => view! {
            <Badge tone=Tone::Good icon=Icon::Check>
                "current"
            </Badge>
        }
        .into_any(),
        Values::Partial => view! {
            <Badge tone=Tone::Waiting icon=Icon::Fork>
                "partly known"
            </Badge>
        }
        .into_any(),
        Values::Old(at) => {
            let at = *at;
            view! {
                <Badge tone=Tone::Bad icon=Icon::Alert>
                    "stale, from "
                    {dynamic(move || relative(at, clock.now()))}
                </Badge>
            }
            .into_any()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_current_only_while_new_ones_come() {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let summary = LiveSummary::unmeasured("a", GuestState::Running, at(100));
        assert_eq!(values_of(None, at(100)), Values::None);
        assert_eq!(values_of(Some(&summary), at(101)), Values::Current);
        assert_eq!(values_of(Some(&summary), at(111)), Values::Old(at(100)), "the collector is silent");
        let partial = LiveSummary { partial: true, ..summary.clone() };
        assert_eq!(values_of(Some(&partial), at(101)), Values::Partial);
        let stale = LiveSummary { stale: true, ..partial };
        assert_eq!(values_of(Some(&stale), at(101)), Values::Old(at(100)), "what is worse is told");
    }
}

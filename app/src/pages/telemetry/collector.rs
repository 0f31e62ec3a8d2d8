//! Whether the collector runs, and the buttons that start, stop and ask it.

use leptos::prelude::*;
use memdeck_model::telemetry::TelemetryReport;

use super::state::TelemetryState;
use super::words::{outage, standing, told};
use crate::time::Clock;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Button, ButtonKind, Card, Failure, Icon, IconView, Moment, Show, Skeleton, Unknown};
use crate::words::sentence;

#[component]
pub fn CollectorPanel() -> impl IntoView {
    let state = TelemetryState::expect();
    let clock = Clock::expect();
    let is_known = memo(move || state.report.has_data());
    let runs = state.find(|status| status.running);
    // Changes when the collector does, and not with its figures.
    let stands = state.find(standing);
    let sentence_of = state.find(told);
    let started = state.find(|status| status.started_at);
    let away = memo(move || {
        let outage = |report: &TelemetryReport| {
            let status = Some(&report.status).filter(|status| status.running)?;
            outage(&status.connection, clock.now())
        };
        state.report.with_data(outage).flatten()
    });
    let store = memo(move || {
        let error = |report: &TelemetryReport| report.status.store_error.as_ref().map(ToString::to_string);
        state.report.with_data(error).flatten().map(|error| sentence(&error))
    });
    let why_failed = state.report.why_failed();
    view! {
        <Card id="collector" title="Collector">
            {dynamic(move || match is_known.get() {
                false if why_failed.with(Option::is_some) => {
                    view! {
                        <p class="quiet-line">
                            "Whether the collector runs is " <Unknown what="state of the collector" /> "."
                        </p>
                    }
                        .into_any()
                }
                false => view! { <Skeleton rows=1 label="Loading the state of the collector" /> }.into_any(),
                true => {
                    view! {
                        <div class="collector">
                            <div class="collector-state">
                                {dynamic(move || {
                                    let (tone, icon, word) = stands.get()?;
                                    Some(view! {
                                        <Badge tone icon>
                                            {word}
                                        </Badge>
                                    })
                                })}
                                <p>
                                    {sentence_of} " "
                                    {dynamic(move || started.get().flatten().map(|instant| view! {
                                        <span class="secondary">"Started " <Moment instant /> "."</span>
                                    }))}
                                </p>
                            </div>
                            <div class="collector-buttons">
                                <Button
                                    kind=ButtonKind::Primary
                                    disabled=Signal::derive(move || runs.get() == Some(true))
                                    busy=Signal::derive(move || state.is_switching.get() && runs.get() == Some(false))
                                    on_press=move |()| state.run(true)
                                >
                                    <IconView icon=Icon::Play />
                                    "Start"
                                </Button>
                                <Button
                                    disabled=Signal::derive(move || runs.get() == Some(false))
                                    busy=Signal::derive(move || state.is_switching.get() && runs.get() == Some(true))
                                    on_press=move |()| state.run(false)
                                >
                                    <IconView icon=Icon::Pause />
                                    "Stop"
                                </Button>
                                <Button on_press=move |()| state.refresh()>
                                    <IconView icon=Icon::Refresh />
                                    "Refresh"
                                </Button>
                            </div>
                        </div>
                    }
                        .into_any()
                }
            })}
            <Show when=move || away.with(Option::is_some)>
                <Failure
                    title="The hypervisor does not answer the collector."
                    detail=Signal::derive(move || away.get().unwrap_or_default())
                />
            </Show>
            <Show when=move || store.with(Option::is_some)>
                <Failure
                    title="Values cannot be stored now."
                    detail=Signal::derive(move || store.get().unwrap_or_default())
                />
            </Show>
        </Card>
    }
}

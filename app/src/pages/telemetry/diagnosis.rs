//! What telemetry needs, tried one after the other, with what can be done about it.

use leptos::prelude::*;
use memdeck_model::telemetry::Check;

use super::state::TelemetryState;
use super::words::found;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Button, Card, Failure, Icon, IconView, Moment, Show, Skeleton};
use crate::words::sentence;

/// The panel. Nothing is tried before the operator asks for it: a try writes a point.
#[component]
pub fn DiagnosisPanel() -> impl IntoView {
    let state = TelemetryState::expect();
    let problem = state.diagnosis.why_failed();
    let was_asked = memo(move || state.asked_at.get().is_some());
    let is_busy = memo(move || was_asked.get() && state.diagnosis.is_pending());
    let has_result = memo(move || state.diagnosis.has_data());
    view! {
        <Card id="diagnosis" title="Diagnosis">
            <div class="diagnosis-head">
                <p class="secondary">
                    "Connects to the hypervisor and to InfluxDB, writes and reads a point, and explains what to do if a step fails."
                </p>
                <Button busy=is_busy on_press=move |()| state.diagnose()>
                    <IconView icon=Icon::Search />
                    "Run the diagnosis"
                </Button>
            </div>
            {dynamic(move || {
                if has_result.get() {
                    view! {
                        <ul class="diagnosis-checks" aria-label="What was tried">
                            {dynamic(move || {
                                let checks = state.diagnosis.with_data(|diagnosis| diagnosis.checks.clone());
                                checks.unwrap_or_default().into_iter().map(|check| view! { <CheckView check /> }).collect_view()
                            })}
                        </ul>
                        {dynamic(move || state.asked_at.get().map(|instant| view! {
                            <p class="footnote">"Asked for " <Moment instant /> "."</p>
                        }))}
                    }
                        .into_any()
                } else if is_busy.get() {
                    view! { <Skeleton rows=3 label="Running the diagnosis" /> }.into_any()
                } else {
                    ().into_any()
                }
            })}
            <Show when=move || was_asked.get() && problem.with(Option::is_some)>
                <Failure
                    title="The diagnosis could not be run."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.diagnose()
                />
            </Show>
        </Card>
    }
}

#[component]
fn CheckView(check: Check) -> impl IntoView {
    let (tone, icon, word) = found(check.state);
    view! {
        <li class="diagnosis-check">
            <div class="diagnosis-check-state">
                <Badge tone icon>
                    {word}
                </Badge>
            </div>
            <div class="diagnosis-check-text">
                <p class="diagnosis-check-name">{check.name}</p>
                <p>{sentence(&check.finding.to_string())}</p>
                {check
                    .remedy
                    .map(|remedy| view! {
                        <p class="diagnosis-check-remedy">
                            <strong>"What to do: "</strong>
                            {sentence(&remedy.to_string())}
                        </p>
                    })}
            </div>
        </li>
    }
}

//! The verification of an image: how far it is, what it found, and the button for it.

use leptos::prelude::*;
use memdeck_model::{DumpId, Verification, VerificationState};

use super::super::state::DumpsState;
use crate::data::{percent_of, verification_in_words};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Button, ButtonSize, Icon, IconView, Moment, ProgressBar, Show};
use crate::words::sentence;

/// Findings that are shown; there may be one for every frame.
const MOST_FINDINGS: usize = 20;

/// The state of the newest verification, and "Verify now".
#[component]
pub fn VerificationPanel(
    /// Which dump.
    #[prop(into)]
    id: DumpId,
    /// Whose.
    guest: String,
    /// Why the image cannot be verified, if that is known.
    #[prop(into)]
    obstacle: Signal<bool>,
) -> impl IntoView {
    let state = DumpsState::expect();
    let id = StoredValue::new(id);
    let newest =
        memo(move || id.with_value(|id| state.data.verifications.with(|known| known.of(id).cloned())));
    let busy = memo(move || id.with_value(|id| state.data.verifications.with(|known| known.is_busy(id))));
    let refusal = memo(move || {
        id.with_value(|id| state.data.verifications.with(|known| known.refusal(id).map(sentence)))
    });
    let name = guest.clone();
    let verify = move |()| state.data.verifications.begin(id.get_value(), name.clone());
    let is_running = memo(move || {
        newest.with(|newest| newest.as_ref().is_some_and(|known| known.state == VerificationState::Running))
    });
    let progress = Signal::derive(move || newest.with(|newest| newest.as_ref().and_then(percent_of)));
    view! {
        <section class="verification" aria-label="Verification">
            <div class="verification-head">
                <div class="verification-text">
                    {dynamic(move || newest.with(|newest| newest.as_ref().and_then(result)).unwrap_or_else(none_yet))}
                </div>
                <Button size=ButtonSize::Small on_press=verify disabled=obstacle busy>
                    <IconView icon=Icon::Check />
                    {dynamic(move || if busy.get() { "Verifying" } else { "Verify now" })}
                </Button>
            </div>
            <Show when=move || is_running.get()>
                <ProgressBar percent=progress label=format!("Verification of {guest}") />
            </Show>
            {dynamic(move || refusal.get().map(|why| view! {
                <p class="verification-refusal" role="alert">{format!("The verification did not start. {why}")}</p>
            }))}
        </section>
    }
}

fn none_yet() -> AnyView {
    view! {
        <p>
            <span class="secondary">
                "Not verified yet. Verification reads the whole image and checks every hash."
            </span>
        </p>
    }
    .into_any()
}

fn result(newest: &Verification) -> Option<AnyView> {
    let told = verification_in_words(newest)?;
    let findings = newest.findings.iter().take(MOST_FINDINGS).map(|finding| sentence(&finding.to_string()));
    let findings = findings.map(|finding| view! { <li>{finding}</li> }).collect_view();
    let more = newest.findings.len().saturating_sub(MOST_FINDINGS);
    let list = (!newest.findings.is_empty()).then(|| {
        view! {
            <ul class="verification-findings">
                {findings} {(more > 0).then(|| view! { <li>{format!("And {more} more.")}</li> })}
            </ul>
        }
    });
    Some(
        view! {
            <p>
                <Badge tone=told.tone icon=told.icon>
                    {told.word}
                </Badge>
                " "
                <span class="number">{told.sentence}</span>
                {newest.finished_at.map(|instant| view! { " " <span class="secondary"><Moment instant /></span> })}
            </p>
            {list}
        }
        .into_any(),
    )
}

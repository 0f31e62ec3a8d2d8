//! Checks the whole audit, and says what was found.

use leptos::prelude::*;
use memdeck_model::audit::AuditVerdict;

use super::state::State;
use crate::api;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Button, Card, Failure, Icon, Show, Tone};

/// How many findings are shown at once; the rest is said to be there.
const SHOWN: usize = 20;

/// A button, and what came of it.
#[component]
pub fn Check() -> impl IntoView {
    let verdict = State::expect().verdict;
    let problem = verdict.why_failed();
    // Before it is asked for the first time, a loader waits.
    let asked = RwSignal::new(false);
    let is_pending = memo(move || asked.get() && verdict.is_pending());
    let found = memo(move || verdict.with_data(Clone::clone));
    let check = move || {
        asked.set(true);
        verdict.fetch(api::check_audit());
    };
    view! {
        <Card id="audit-check" title="Nothing changed afterwards?">
            <p class="audit-explained">
                "Each entry has the hash of the one before it, and every image’s manifest the newest of its time. The check reads all of \
                 them and names entries that were changed, removed, inserted or reordered."
            </p>
            <div class="audit-check">
                <Button on_press=move |()| check() busy=is_pending>
                    "Check the audit"
                </Button>
                <div role="status">{dynamic(move || found.get().map(|found| view! { <Verdict found /> }))}</div>
            </div>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The audit could not be checked."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| check()
                />
            </Show>
        </Card>
    }
}

#[component]
fn Verdict(found: AuditVerdict) -> impl IntoView {
    let AuditVerdict { intact, sentence, findings } = found;
    let (tone, icon, word) =
        if intact { (Tone::Good, Icon::Check, "Intact") } else { (Tone::Bad, Icon::Alert, "Manipulated") };
    let more = findings.len().saturating_sub(SHOWN);
    let shown = findings.into_iter().take(SHOWN).map(|finding| view! { <li>{finding}</li> }).collect_view();
    view! {
        <p>
            <Badge tone icon>
                {word}
            </Badge>
            " "
            {sentence}
        </p>
        <ul class="audit-findings">{shown}</ul>
        {(more > 0).then(|| view! { <p>{format!("and {more} more; memdeck audit verify lists all.")}</p> })}
    }
}

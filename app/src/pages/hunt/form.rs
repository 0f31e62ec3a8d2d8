//! The form for a new hunt.

use leptos::prelude::*;
use memdeck_model::Problem;

use super::patterns::Patterns;
use super::places::Places;
use super::state::State;
use crate::api::{self, ApiError};
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Button, ButtonKind, Card, Icon, IconView, TextField};

/// What is looked for, in which images, and the button that begins.
#[component]
pub fn Form() -> impl IntoView {
    let state = State::expect();
    let draft = state.draft;
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let cannot = memo(move || draft.asked().err());
    // What was refused is not what the form holds now.
    effect(move || {
        draft.patterns.track();
        draft.limit.track();
        draft.choice.track();
        problem.set(None);
    });
    let hunt = move |()| {
        let Ok(asked) = untrack(|| draft.asked()) else { return };
        pending.set(true);
        problem.set(None);
        leptos::task::spawn_local(async move {
            let answer = api::request_hunt(asked).await;
            if pending.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(hunt) => state.show_new(&hunt),
                Err(ApiError(refused)) => problem.set(Some(refused)),
            }
        });
    };
    view! {
        <Card id="new-hunt" title="New hunt" class="hunt-form">
            <div class="hunt-fields">
                <Patterns />
                <div class="hunt-where">
                    <Places />
                    <TextField id="hunt-limit" label="Ends after hits" value=draft.limit hint="1 to 10,000" />
                </div>
            </div>
            <Refusal title="The hunt was not queued." problem />
            <div class="hunt-go">
                <Button
                    kind=ButtonKind::Primary
                    on_press=hunt
                    disabled=Signal::derive(move || cannot.with(Option::is_some))
                    busy=pending
                    described_by="hunt-cannot"
                >
                    <IconView icon=Icon::Search />
                    "Hunt"
                </Button>
                <p class="secondary" id="hunt-cannot">
                    {dynamic(move || cannot.get().unwrap_or_else(|| {
                        "It runs in the background. The audit notes each image that is read.".to_owned()
                    }))}
                </p>
            </div>
        </Card>
    }
}

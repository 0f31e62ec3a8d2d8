//! What nobody may delete.

use leptos::prelude::*;
use memdeck_model::retention::Hold;

use super::hold_dialogs::{AddHold, LiftHold};
use super::state::State;
use crate::ui::erase::dynamic;
use crate::ui::{Badge, Button, ButtonSize, Card, EmptyState, Failure, Icon, Moment, Show, Skeleton, Tone};
use crate::words::{by_whom, upper_first};

#[component]
pub fn Holds() -> impl IntoView {
    let state = State::expect();
    let adding = RwSignal::new(false);
    let lifting = RwSignal::new(None::<Hold>);
    let problem = state.holds.why_failed();
    view! {
        <Card id="retention-holds" title="Legal holds">
            <p class="secondary">
                "A hold keeps the images of a case, or of a dump, from being deleted by rules and by people, until it is lifted."
            </p>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The holds could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch()
                />
            </Show>
            {dynamic(move || match state.holds.with_data(|list| list.holds.clone()) {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=2 label="Loading the holds" /> }.into_any(),
                Some(holds) if holds.is_empty() => {
                    view! { <EmptyState title="No holds">"Nothing is kept from being deleted but by rules."</EmptyState> }.into_any()
                }
                Some(holds) => {
                    view! {
                        <ul class="retention-rules">
                            {holds.into_iter().map(|hold| of_hold(&hold, lifting)).collect_view()}
                        </ul>
                    }
                        .into_any()
                }
            })}
            <div class="schedule-buttons">
                <Button on_press=move |()| adding.set(true)>"Add a hold…"</Button>
            </div>
        </Card>
        <AddHold open=adding />
        <LiftHold lifting />
    }
}

fn of_hold(hold: &Hold, lifting: RwSignal<Option<Hold>>) -> AnyView {
    let kept = StoredValue::new(hold.clone());
    let label = format!("Lift the hold on {}", hold.of);
    let end = hold.lifted_at.map(|at| {
        let by = hold.lifted_by.as_ref().map(by_whom).unwrap_or_default();
        let why = hold.lift_reason.as_ref().map(ToString::to_string).unwrap_or_default();
        view! { <p class="secondary">"Lifted " <Moment instant=at /> {format!(" {by}: {why}")}</p> }
    });
    let is_held = hold.lifted_at.is_none();
    let (word, tone, icon) =
        if is_held { ("Held", Tone::Waiting, Icon::Pause) } else { ("Lifted", Tone::Neutral, Icon::Check) };
    view! {
        <li class="retention-rule">
            <div>
                <p class="retention-whom">
                    <Badge tone icon>{word}</Badge>
                    {format!(" {}", upper_first(&hold.of.to_string()))}
                </p>
                <p>{hold.reason.as_str().to_owned()}</p>
                <p class="secondary">"Placed " <Moment instant=hold.at /> {format!(" {}", by_whom(&hold.by))}</p>
                {end}
            </div>
            {is_held.then(|| view! {
                <Button size=ButtonSize::Small label=label on_press=move |()| lifting.set(Some(kept.get_value()))>
                    "Lift…"
                </Button>
            })}
        </li>
    }
    .into_any()
}

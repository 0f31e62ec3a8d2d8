//! The rules as they are written.

use leptos::prelude::*;

use super::rule_dialog::RuleDialog;
use super::save_dialog::SaveDialog;
use super::state::State;
use super::words::{keeps, rule_for};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Button, ButtonKind, ButtonSize, Card, Show, TextField};
use crate::words::sentence;

/// The rules in their order, room to keep free, and what can be done with them.
#[component]
pub fn Rules() -> impl IntoView {
    let state = State::expect();
    // The place of the rule that is edited; one behind the last is a new one.
    let editing = RwSignal::new(None::<usize>);
    let saving = RwSignal::new(false);
    let is_changed = memo(move || state.is_changed());
    let obstacle = memo(move || {
        let written = state.written().err();
        written
            .or_else(|| state.preview.problem().map(|problem| problem.detail.to_string()))
            .map(|why| sentence(&why))
    });
    view! {
        <Card id="retention-rules" title="Rules">
            <p class="secondary">
                "Of several rules that mean a guest, the first counts. Images of other guests are kept."
            </p>
            {dynamic(move || {
                let rules = state.rules.get();
                if rules.is_empty() {
                    return view! { <p>"No rules: no image is removed."</p> }.into_any();
                }
                let rows = rules.into_iter().enumerate().map(|(place, rule)| {
                    let whom = rule.guests.to_string();
                    let label = move |what: &str| format!("{what} the rule for {whom}");
                    let (edit, up, remove) = (label("Edit"), label("Move up"), label("Remove"));
                    view! {
                        <li class="retention-rule">
                            <div>
                                <p class="retention-whom">{rule_for(&rule.guests)}</p>
                                <p class="secondary">{keeps(&rule)}</p>
                            </div>
                            <div class="schedule-buttons">
                                <Button size=ButtonSize::Small label=edit on_press=move |()| editing.set(Some(place))>
                                    "Edit…"
                                </Button>
                                <Button
                                    size=ButtonSize::Small
                                    label=up
                                    disabled=Signal::stored(place == 0)
                                    on_press=move |()| state.rules.update(|rules| rules.swap(place - 1, place))
                                >
                                    "Move up"
                                </Button>
                                <Button
                                    size=ButtonSize::Small
                                    kind=ButtonKind::Quiet
                                    label=remove
                                    on_press=move |()| state.rules.update(|rules| {
                                        rules.remove(place);
                                    })
                                >
                                    "Remove"
                                </Button>
                            </div>
                        </li>
                    }
                });
                view! { <ol class="retention-rules">{rows.collect_view()}</ol> }.into_any()
            })}
            <div class="retention-floor">
                <TextField
                    id="retention-floor"
                    label="Free space to keep, GiB"
                    value=state.floor
                    hint="Below it the oldest images that a rule means go. Empty for none."
                />
            </div>
            <Show when=move || obstacle.with(Option::is_some)>
                <p class="field-error" role="status">{move || obstacle.get()}</p>
            </Show>
            <div class="schedule-buttons">
                <Button on_press=move |()| editing.set(Some(state.rules.with_untracked(Vec::len)))>"Add a rule…"</Button>
                <Button
                    kind=ButtonKind::Primary
                    disabled=Signal::derive(move || !is_changed.get() || obstacle.with(Option::is_some))
                    on_press=move |()| saving.set(true)
                >
                    "Save the rules…"
                </Button>
                <Show when=move || is_changed.get()>
                    <Button
                        kind=ButtonKind::Quiet
                        on_press=move |()| {
                            if let Some(policy) = untrack(|| state.kept.with_data(Clone::clone)) {
                                state.begin_with(&policy);
                            }
                        }
                    >
                        "Discard changes"
                    </Button>
                </Show>
            </div>
        </Card>
        <RuleDialog editing />
        <SaveDialog open=saving />
    }
}

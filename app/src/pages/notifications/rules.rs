//! What is told to whom.

use leptos::prelude::*;
use memdeck_model::notice::Rule;

use super::rule_dialog::RuleDialog;
use super::state::{Removing, State};
use super::words::{of_whom, what};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Button, ButtonKind, ButtonSize, Card, EmptyState, Failure, Icon, Show, Skeleton, list};

#[component]
pub fn Rules() -> impl IntoView {
    let state = State::expect();
    let adding = RwSignal::new(false);
    let problem = state.rules.why_failed();
    let is_empty = memo(move || state.rules.with_data(|list| list.rules.is_empty()));
    let has_targets = memo(move || state.targets.with_data(|list| list.count > 0) == Some(true));
    let rules = move || state.rules.with_data(|list| list.rules.clone()).unwrap_or_default();
    let aside = move || {
        view! {
            <Button
                size=ButtonSize::Small
                disabled=Signal::derive(move || !has_targets.get())
                described_by="notice-rules-about"
                on_press=move |()| adding.set(true)
            >
                "Add a rule…"
            </Button>
        }
    };
    view! {
        <Card id="notice-rules" title="Rules" aside>
            <p class="secondary" id="notice-rules-about">
                {move || if has_targets.get() {
                    "A target is told once of whatever any of its rules names."
                } else {
                    "A rule says what a target is told: add a target first."
                }}
            </p>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The rules could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch()
                />
            </Show>
            {dynamic(move || match is_empty.get() {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=2 label="Loading the rules" /> }.into_any(),
                Some(true) => {
                    view! { <EmptyState title="No rules" icon=Icon::Info>"Nobody is told anything."</EmptyState> }.into_any()
                }
                Some(false) => {
                    view! {
                        <ul class="retention-rules">
                            {list(rules, |rule| rule.id.to_string(), move |rule| row(state, &rule))}
                        </ul>
                    }
                        .into_any()
                }
            })}
        </Card>
        <RuleDialog open=adding />
    }
}

fn row(state: State, rule: &Rule) -> AnyView {
    let label = format!("Remove the rule: {} to {}", what(&rule.rule), rule.rule.target);
    let removed = rule.clone();
    view! {
        <li class="retention-rule">
            <div>
                <p class="retention-whom">{format!("{} → {}", what(&rule.rule), rule.rule.target)}</p>
                <p class="secondary">{of_whom(&rule.rule)}</p>
            </div>
            <Button
                size=ButtonSize::Small
                kind=ButtonKind::Quiet
                label
                on_press=move |()| state.removing.set(Some(Removing::Rule(removed.clone())))
            >
                "Remove…"
            </Button>
        </li>
    }
    .into_any()
}

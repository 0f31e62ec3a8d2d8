//! The question before a target or a rule is removed.

use leptos::prelude::*;
use memdeck_model::Problem;

use super::state::{Removing, State};
use super::words::{lost_with, of_whom, what};
use crate::api::{self, ApiError};
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect};
use crate::ui::{Button, ButtonKind, Dialog};

/// Says what is lost, and removes it when that is confirmed.
#[component]
pub fn RemoveDialog() -> impl IntoView {
    let state = State::expect();
    let open = RwSignal::new(false);
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    effect(move || {
        if state.removing.with(Option::is_some) {
            problem.set(None);
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            state.removing.set(None);
        }
    });
    let title = Signal::derive(move || match state.removing.get() {
        Some(Removing::Target(target)) => format!("Remove {}?", target.name),
        Some(Removing::Rule(rule)) => format!("Remove this rule of {}?", rule.rule.target),
        None => String::new(),
    });
    let consequence = move || match state.removing.get()? {
        Removing::Target(target) => {
            let of_it = state
                .rules
                .with_data(|list| list.rules.iter().filter(|rule| rule.rule.target == target.name).count());
            Some(lost_with(&target, of_it.unwrap_or(0)))
        }
        Removing::Rule(rule) => Some(format!(
            "{} is not told of this any more: {} ({}). Messages that wait are still sent.",
            rule.rule.target,
            what(&rule.rule),
            of_whom(&rule.rule)
        )),
    };
    let remove = move |()| {
        let Some(removing) = state.removing.get_untracked() else { return };
        pending.set(true);
        leptos::task::spawn_local(async move {
            let answer = match removing {
                Removing::Target(target) => {
                    let said = format!("{} is removed.", target.name);
                    api::remove_notice_target(target.name).await.map(|_| said)
                }
                Removing::Rule(rule) => {
                    api::remove_notice_rule(rule.id).await.map(|_| "The rule is removed.".to_owned())
                }
            };
            pending.set(false);
            match answer {
                Ok(said) => {
                    open.set(false);
                    state.tell(&said);
                }
                Err(ApiError(refused)) => problem.set(Some(refused)),
            }
        });
    };
    view! {
        <Dialog open id="notice-remove" title>
            <p class="dialog-consequence">{dynamic(consequence)}</p>
            <Refusal title="Nothing was removed." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>"Keep it"</Button>
                <Button kind=ButtonKind::Danger on_press=remove busy=pending>"Remove"</Button>
            </div>
        </Dialog>
    }
}

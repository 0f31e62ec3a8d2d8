//! The question before a target or a rule is removed.

use leptos::prelude::*;

use super::state::{Removing, State};
use super::words::{lost_with, of_whom, what};
use crate::api::{self, ApiError};
use crate::pages::question::{Deed, Question, open_while};

#[component]
pub fn RemoveDialog() -> impl IntoView {
    let state = State::expect();
    let removing = state.removing;
    let open = open_while(removing, |_| {});
    let title = move || match removing.get() {
        Some(Removing::Target(target)) => format!("Remove {}?", target.name),
        Some(Removing::Rule(rule)) => format!("Remove this rule of {}?", rule.rule.target),
        None => String::new(),
    };
    let consequence = move |removing: &Removing| match removing {
        Removing::Target(target) => {
            let of_it = state
                .rules
                .with_data(|list| list.rules.iter().filter(|rule| rule.rule.target == target.name).count());
            lost_with(target, of_it.unwrap_or(0))
        }
        Removing::Rule(rule) => format!(
            "{} is not told of this any more: {} ({}). Messages that wait are still sent.",
            rule.rule.target,
            what(&rule.rule),
            of_whom(&rule.rule)
        ),
    };
    view! {
        <Question
            open
            id="notice-remove"
            title=Signal::derive(title)
            consequences=Signal::derive(move || removing.with(|removing| removing.iter().map(consequence).collect()))
            refused="Nothing was removed."
            keep="Keep it"
            act="Remove"
            takes_away=true
            begin=move |()| remove(state)
        />
    }
}

fn remove(state: State) -> Option<Deed> {
    let removing = state.removing.get_untracked()?;
    Some(Box::pin(async move {
        let done = match removing {
            Removing::Target(target) => {
                let said = format!("{} is removed.", target.name);
                api::remove_notice_target(target.name).await.map(|_| said)
            }
            Removing::Rule(rule) => {
                api::remove_notice_rule(rule.id).await.map(|_| "The rule is removed.".to_owned())
            }
        };
        state.tell(&done.map_err(|ApiError(problem)| problem)?);
        Ok(())
    }))
}

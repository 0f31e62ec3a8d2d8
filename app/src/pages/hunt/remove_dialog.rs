//! The question before a hunt is removed.

use leptos::prelude::*;
use memdeck_model::Hunt;

use super::state::State;
use super::words::{counted, sought};
use crate::api::{self, ApiError};
use crate::pages::question::{Deed, Question, open_while};

#[component]
pub fn RemoveDialog() -> impl IntoView {
    let state = State::expect();
    let removing = state.removing;
    let open = open_while(removing, |_| {});
    let consequence = |hunt: &Hunt| {
        let hits = counted(hunt.tally.hits, "hit");
        format!(
            "The hunt for {} goes, with {hits} and the bytes around. What the audit notes of it stays, and so do all images.",
            sought(hunt)
        )
    };
    view! {
        <Question
            open
            id="hunt-remove"
            title="Remove the hunt?"
            consequences=Signal::derive(move || removing.with(|hunt| hunt.iter().map(consequence).collect()))
            refused="The hunt was not removed."
            keep="Keep it"
            act="Remove the hunt"
            takes_away=true
            begin=move |()| remove(&state)
        />
    }
}

fn remove(state: &State) -> Option<Deed> {
    let state = *state;
    let id = state.removing.get_untracked()?.id;
    Some(Box::pin(async move {
        api::remove_hunt(id.clone()).await.map_err(|ApiError(problem)| problem)?;
        state.forget(&id);
        Ok(())
    }))
}

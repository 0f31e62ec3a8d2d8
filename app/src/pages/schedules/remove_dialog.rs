//! The question before a schedule is removed.

use leptos::prelude::*;
use memdeck_model::schedule::Schedule;

use super::state::State;
use crate::api::{self, ApiError};
use crate::pages::question::{Deed, Question, open_while};

#[component]
pub fn RemoveDialog() -> impl IntoView {
    let state = State::expect();
    let removing = state.removing;
    let open = open_while(removing, |_| {});
    let name =
        |schedule: &Option<Schedule>| schedule.as_ref().map(|schedule| format!("Remove {}?", schedule.name));
    let consequence = "No more dumps are taken by it, and the history of its runs is lost. Dumps that it took remain, and one \
                       that runs goes on. Pause it to keep the history.";
    view! {
        <Question
            open
            id="schedule-remove"
            title=Signal::derive(move || removing.with(name).unwrap_or_default())
            consequences=Signal::stored(vec![consequence.to_owned()])
            refused="The schedule was not removed."
            keep="Keep it"
            act="Remove the schedule"
            takes_away=true
            begin=move |()| remove(state)
        />
    }
}

fn remove(state: State) -> Option<Deed> {
    let schedule = state.removing.get_untracked()?;
    Some(Box::pin(async move {
        let removed = api::remove_schedule(schedule.name).await.map_err(|ApiError(problem)| problem)?;
        state.tell(&format!("{} is removed.", removed.name));
        Ok(())
    }))
}

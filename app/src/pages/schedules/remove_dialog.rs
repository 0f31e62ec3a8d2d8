//! The question before a schedule is removed.

use leptos::prelude::*;
use memdeck_model::Problem;

use super::state::State;
use crate::api::{self, ApiError};
use crate::pages::refusal::Refusal;
use crate::ui::erase::effect;
use crate::ui::{Button, ButtonKind, Dialog};

/// Says what is lost, and removes the schedule when that is confirmed.
#[component]
pub fn RemoveDialog() -> impl IntoView {
    let state = State::expect();
    let open = RwSignal::new(false);
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    effect(move || {
        let asks = state.removing.with(Option::is_some);
        problem.set(None);
        open.set(asks);
    });
    effect(move || {
        if !open.get() && state.removing.with_untracked(Option::is_some) {
            state.removing.set(None);
        }
    });
    let title = Signal::derive(move || {
        state
            .removing
            .with(|schedule| schedule.as_ref().map(|schedule| format!("Remove {}?", schedule.name)))
            .unwrap_or_default()
    });
    let remove = move |()| {
        let Some(name) =
            state.removing.with_untracked(|schedule| schedule.as_ref().map(|one| one.name.clone()))
        else {
            return;
        };
        pending.set(true);
        leptos::task::spawn_local(async move {
            let answer = api::remove_schedule(name).await;
            pending.set(false);
            match answer {
                Ok(removed) => {
                    open.set(false);
                    state.tell(&format!("{} is removed.", removed.name));
                }
                Err(ApiError(refused)) => problem.set(Some(refused)),
            }
        });
    };
    view! {
        <Dialog open id="schedule-remove" title>
            <p class="dialog-consequence">
                "No more dumps are taken by it, and the history of its runs is lost. Dumps that it took remain, and one that \
                 runs goes on. Pause it to keep the history."
            </p>
            <Refusal title="The schedule was not removed." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>"Keep it"</Button>
                <Button kind=ButtonKind::Danger on_press=remove busy=pending>"Remove the schedule"</Button>
            </div>
        </Dialog>
    }
}

//! The question before a hunt is removed.

use leptos::prelude::*;
use memdeck_model::Problem;

use super::state::State;
use super::words::{counted, sought};
use crate::api::{self, ApiError};
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect};
use crate::ui::{Button, ButtonKind, Dialog};

/// Says what is lost, and removes the hunt when that is confirmed.
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
    let consequence = move || {
        state.removing.with(|hunt| {
            let hunt = hunt.as_ref()?;
            let hits = counted(hunt.tally.hits, "hit");
            Some(format!(
                "The hunt for {} goes, with {hits} and the bytes around. What the audit notes of it stays, and so do all images.",
                sought(hunt)
            ))
        })
    };
    let remove = move |()| {
        let Some(id) = state.removing.with_untracked(|hunt| hunt.as_ref().map(|hunt| hunt.id.clone())) else {
            return;
        };
        pending.set(true);
        leptos::task::spawn_local(async move {
            let answer = api::remove_hunt(id.clone()).await;
            if pending.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(()) => {
                    open.set(false);
                    state.forget(&id);
                }
                Err(ApiError(refused)) => problem.set(Some(refused)),
            }
        });
    };
    view! {
        <Dialog open id="hunt-remove" title="Remove the hunt?">
            <p class="dialog-consequence">{dynamic(consequence)}</p>
            <Refusal title="The hunt was not removed." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>"Keep it"</Button>
                <Button kind=ButtonKind::Danger on_press=remove busy=pending>"Remove the hunt"</Button>
            </div>
        </Dialog>
    }
}

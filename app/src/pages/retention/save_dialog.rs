//! The question before rules are kept: they delete.

use leptos::prelude::*;
use memdeck_model::Problem;

use super::state::State;
use crate::api::{self, ApiError};
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect};
use crate::ui::{Button, ButtonKind, Dialog};

#[component]
pub fn SaveDialog(open: RwSignal<bool>) -> impl IntoView {
    let state = State::expect();
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    effect(move || {
        if open.get() {
            problem.set(None);
        }
    });
    let consequence = move || {
        state
            .preview
            .with_data(|report| match report.gone {
                0 => "No image goes now. As images get older, the rules remove them without asking again.".to_owned(),
                gone => format!(
                    "{gone} images, {}, are deleted for good within a minute. Their records stay. Later ones go without \
                     asking again.",
                    report.gone_bytes
                ),
            })
            .unwrap_or_default()
    };
    let save = move |()| {
        let Ok(policy) = untrack(|| state.written()) else { return };
        pending.set(true);
        leptos::task::spawn_local(async move {
            let answer = api::save_retention(policy).await;
            pending.set(false);
            match answer {
                Ok(report) => {
                    state.kept.put(report.policy.clone());
                    state.preview.put(report);
                    open.set(false);
                    state.tell("The rules are kept.");
                }
                Err(ApiError(refused)) => problem.set(Some(refused)),
            }
        });
    };
    view! {
        <Dialog open id="retention-save" title="Keep these rules?">
            <p class="dialog-consequence">{dynamic(consequence)}</p>
            <Refusal title="The rules were not kept." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>"Leave them as they were"</Button>
                <Button kind=ButtonKind::Danger on_press=save busy=pending>"Keep the rules"</Button>
            </div>
        </Dialog>
    }
}

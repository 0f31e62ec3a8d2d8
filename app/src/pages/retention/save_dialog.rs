//! The question before rules are kept: they delete.

use leptos::prelude::*;

use super::state::State;
use crate::api::{self, ApiError};
use crate::pages::question::{Deed, Question};

#[component]
pub fn SaveDialog(open: RwSignal<bool>) -> impl IntoView {
    let state = State::expect();
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
    view! {
        <Question
            open
            id="retention-save"
            title="Keep these rules?"
            consequences=Signal::derive(move || vec![consequence()])
            refused="The rules were not kept."
            keep="Leave them as they were"
            act="Keep the rules"
            takes_away=true
            begin=move |()| keep(state)
        />
    }
}

fn keep(state: State) -> Option<Deed> {
    let policy = untrack(|| state.written()).ok()?;
    Some(Box::pin(async move {
        let report = api::save_retention(policy).await.map_err(|ApiError(problem)| problem)?;
        state.kept.put(report.policy.clone());
        state.preview.put(report);
        state.tell("The rules are kept.");
        Ok(())
    }))
}

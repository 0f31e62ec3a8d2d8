//! Choosing guests and how to dump them, dumping them, and the figures beside it.

use leptos::prelude::*;

use super::guest_selector::GuestSelector;
use super::mode_selector::ModeSelector;
use super::remark_fields::RemarkFields;
use super::state::State;
use super::status::Status;
use super::trigger::TriggerButtons;
use crate::ui::{Card, Failure};

/// The panel.
#[component]
pub fn ControlPanel() -> impl IntoView {
    let state = State::expect();
    let service_error = Memo::new(move |_| {
        let told = |overview: &crate::api::Overview| {
            let error = overview.service.error.as_ref()?;
            Some(format!("{}: {error}", overview.service.service))
        };
        state.overview.with_data(told).flatten()
    });
    let retry = move |()| state.fetch_overview();
    view! {
        <div class="panel">
            <Card id="take-a-dump" title="Take a dump">
                <Show when=move || service_error.with(Option::is_some)>
                    <Failure
                        title="The dump service does not answer."
                        detail=Signal::derive(move || service_error.get().unwrap_or_default())
                        on_retry=retry
                    />
                </Show>
                <GuestSelector />
                <ModeSelector />
                <RemarkFields />
                <TriggerButtons />
            </Card>
            <Status />
        </div>
    }
}

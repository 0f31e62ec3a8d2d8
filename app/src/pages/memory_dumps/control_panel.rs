//! Choosing guests and dumping them; what is being dumped; what happened.

use leptos::prelude::*;

use super::activity::ActivityLog;
use super::jobs::ActiveDumps;
use super::trigger::TriggerPanel;

/// The panel. What grows by itself has a place of its own size, so that nothing moves under the pointer.
#[component]
pub fn ControlPanel() -> impl IntoView {
    view! {
        <div class="control-panel">
            <div class="panel">
                <TriggerPanel />
                <ActiveDumps />
                <ActivityLog />
            </div>
        </div>
    }
}

//! The figures; choosing guests and dumping them; what is being dumped; what happened.

use leptos::prelude::*;

use super::activity_log::ActivityLog;
use super::guest_selector::GuestSelector;
use super::jobs::ActiveDumps;
use super::mode_selector::ModeSelector;
use super::remark_fields::RemarkFields;
use super::status::Status;
use super::trigger::TriggerButtons;
use crate::ui::Card;

/// The id of the part that dumps are asked for in.
pub const TRIGGER_PANEL: &str = "dump-panel";

/// The panel. What grows by itself has a place of its own size, so that nothing moves under the pointer.
#[component]
pub fn ControlPanel() -> impl IntoView {
    view! {
        <div class="control-panel">
            <Status />
            <div class="panel">
                // Where the shortcut for dumping leads to.
                <div class="panel-trigger" id=TRIGGER_PANEL tabindex="-1">
                    <Card id="trigger-dump" title="Trigger dump">
                        <GuestSelector />
                        <ModeSelector />
                        <RemarkFields />
                        <TriggerButtons />
                    </Card>
                </div>
                <ActiveDumps />
                <ActivityLog />
            </div>
        </div>
    }
}

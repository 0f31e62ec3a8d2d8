//! Choosing guests and dumping them; what is being dumped; what happened.

use leptos::prelude::*;

use super::activity_log::ActivityLog;
use super::guest_selector::GuestSelector;
use super::jobs::ActiveDumps;
use super::mode_selector::ModeSelector;
use super::remark_fields::RemarkFields;
use super::trigger::TriggerButtons;
use crate::ui::Card;

/// The id of the part that dumps are asked for in.
pub const TRIGGER_PANEL: &str = "dump-panel";

/// The panel. What grows by itself has a place of its own size, so that nothing moves under the pointer.
#[component]
pub fn ControlPanel() -> impl IntoView {
    view! {
        <div class="control-panel">
            <div class="panel">
                // Where the shortcut for dumping leads to.
                <div class="panel-trigger" id=TRIGGER_PANEL tabindex="-1">
                    <Card id="trigger-dump" title="Trigger dump">
                        <div class="trigger-parts">
                            <GuestSelector />
                            <ModeSelector />
                            <RemarkFields />
                            <TriggerButtons />
                        </div>
                    </Card>
                </div>
                <ActiveDumps />
                <ActivityLog />
            </div>
        </div>
    }
}

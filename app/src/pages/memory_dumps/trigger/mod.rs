//! The panel in which dumps are asked for: which guests, how, and what is kept with them.

mod buttons;
mod choice;
mod dump_all_dialog;
mod from_address;
mod guest_option;
mod guest_selector;
mod mode_selector;
mod mode_words;
mod options;
mod pause_warning;
mod remark_fields;

use leptos::prelude::*;

use crate::ui::Card;
use buttons::TriggerButtons;
use guest_selector::GuestSelector;
use mode_selector::ModeSelector;
use remark_fields::RemarkFields;

pub use choice::reference;
pub use from_address::choose_from_address;
pub use options::Options;

/// The id of the panel.
pub const TRIGGER_PANEL: &str = "dump-panel";

/// Guests to choose from, options, and the buttons that ask for dumps.
#[component]
pub fn TriggerPanel() -> impl IntoView {
    view! {
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
    }
}

//! Memory Dumps: take dumps of guests, watch them being taken, find them again.

mod abilities;
mod activity_log;
mod activity_words;
mod choice;
mod control_panel;
mod delete_dialog;
mod details;
mod downloads;
mod dump_all_dialog;
mod guest_option;
mod guest_selector;
mod jobs;
mod mode_selector;
mod mode_words;
mod options;
mod pause_warning;
mod records;
mod remark_fields;
mod state;
mod status;
mod trigger;
mod verification;

use leptos::prelude::*;

use super::title::set_title;
use crate::shortcuts::{Shortcuts, focus_on};
use control_panel::{ControlPanel, TRIGGER_PANEL};
use delete_dialog::DeleteDialog;
use details::DetailsDialog;
use records::RecordsTable;
use state::State;
use status::Status;

#[cfg(feature = "fuzzing")]
pub use records::RecordsView;

/// The id of the field that the table is searched with.
const RECORDS_SEARCH: &str = "records-search";

/// The page.
#[component]
pub fn MemoryDumps() -> impl IntoView {
    set_title("Memory Dumps");
    let state = State::provide();
    let shortcuts = Shortcuts::expect();
    shortcuts.add("/", "Search the recorded dumps", || focus_on(RECORDS_SEARCH));
    shortcuts.add("r", "Load everything again", move || state.refresh());
    shortcuts.add("d", "Go to the dump panel", || focus_on(TRIGGER_PANEL));
    view! {
        <header class="page-head">
            <div>
                <h1>"Memory Dumps"</h1>
                <p class="page-lead">"Take a guest’s memory, watch it being read, and keep it with its hash."</p>
            </div>
            <Status />
        </header>
        <ControlPanel />
        <RecordsTable />
        <DetailsDialog />
        <DeleteDialog />
    }
}

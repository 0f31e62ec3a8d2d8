//! Memory Dumps: take dumps of guests, watch them being taken, find them again.

mod active_dumps;
mod activity_log;
mod activity_words;
mod choice;
mod control_panel;
mod dump_all_dialog;
mod filters;
mod guest_option;
mod guest_selector;
mod job_button;
mod job_row;
mod job_words;
mod jobs;
mod mode_selector;
mod mode_words;
mod options;
mod pager;
mod paging;
mod rate;
mod record_row;
mod records;
mod records_table;
mod records_view;
mod remark_fields;
mod state;
mod status;
mod table_options;
mod trigger;

use leptos::prelude::*;

use super::title::set_title;
use crate::shortcuts::{Shortcuts, focus_on};
use control_panel::{ControlPanel, TRIGGER_PANEL};
use records_table::RecordsTable;
use state::State;

#[cfg(feature = "fuzzing")]
pub use records_view::RecordsView;

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
            <h1>"Memory Dumps"</h1>
            <p class="page-lead">"Take a guest’s memory, watch it being read, and keep it with its hash."</p>
        </header>
        <ControlPanel />
        <RecordsTable />
    }
}

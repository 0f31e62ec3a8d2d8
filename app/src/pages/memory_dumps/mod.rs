//! Memory Dumps: take dumps of guests, watch them being taken, find them again.

mod activity;
mod control_panel;
mod delete_dialog;
mod details;
mod downloads;
mod holds;
mod jobs;
mod records;
mod state;
mod status;
mod trigger;

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::{Shortcuts, focus_on};
use control_panel::ControlPanel;
use delete_dialog::DeleteDialog;
use details::DetailsDialog;
use holds::HoldDialog;
use records::RecordsTable;
use state::DumpsState;
use status::Status;
use trigger::{TRIGGER_PANEL, choose_from_address};

#[cfg(feature = "fuzzing")]
pub use records::RecordsView;

/// The id of the field that the table is searched with.
const RECORDS_SEARCH: &str = "records-search";

#[component]
pub fn MemoryDumps() -> impl IntoView {
    set_title(Page::MemoryDumps.name());
    let state = DumpsState::provide();
    choose_from_address(state.chosen);
    let shortcuts = Shortcuts::expect();
    shortcuts.add("/", "Search recorded dumps", || focus_on(RECORDS_SEARCH));
    shortcuts.add("r", "Reload everything", move || state.refresh());
    shortcuts.add("d", "Go to the dump panel", || focus_on(TRIGGER_PANEL));
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::MemoryDumps.name()}</h1>
                <p class="page-lead">"Take memory dumps of guests, watch their progress, and keep each image with its hash."</p>
            </div>
            <Status />
        </header>
        <ControlPanel />
        <RecordsTable />
        <DetailsDialog />
        <DeleteDialog />
        <HoldDialog />
    }
}

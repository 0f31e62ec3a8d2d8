//! VMs: every guest with its load and its last dump.

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;

/// The page.
#[component]
pub fn Vms() -> impl IntoView {
    set_title(Page::Vms.name());
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Vms.name()}</h1>
                <p class="page-lead">"Every guest, how busy it is, and when it was last dumped."</p>
            </div>
        </header>
    }
}

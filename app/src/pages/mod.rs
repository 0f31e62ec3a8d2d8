//! The pages, one folder each.

mod gauges;
mod guest;
mod memory_dumps;
mod not_found;
mod resources;
#[cfg(feature = "showcase")]
mod showcase;
mod telemetry;
mod title;
mod vms;

pub use gauges::Gauges;
pub use memory_dumps::MemoryDumps;
pub use resources::Resources;
pub use telemetry::Telemetry;
pub use vms::Vms;

use leptos::prelude::*;
use not_found::NotFound;

/// What an address shows that is none of the pages above. In development builds `/ui` shows every component.
#[component]
pub fn Elsewhere() -> impl IntoView {
    #[cfg(feature = "showcase")]
    if leptos_router::hooks::use_location().pathname.get_untracked().ends_with(crate::routes::SHOWCASE) {
        return view! { <showcase::Showcase /> }.into_any();
    }
    view! { <NotFound /> }.into_any()
}

#[cfg(feature = "fuzzing")]
pub use memory_dumps::RecordsView;

//! The pages, one folder each.

mod audit;
mod compare;
mod dump_links;
mod gauges;
mod guest;
mod hosts;
mod hunt;
mod inside;
mod memory_dumps;
mod not_found;
mod notifications;
mod part;
mod question;
mod refusal;
mod resources;
mod retention;
mod schedules;
mod sheet_row;
#[cfg(feature = "showcase")]
mod showcase;
mod telemetry;
mod title;
mod trends;
mod users;
mod vms;

use leptos::prelude::*;

use crate::routes::Page;
use not_found::NotFound;
use part::{Part, parts};

parts! {
    guests / gauges: Gauges => gauges::Gauges,
    guests / vms: Vms => vms::Vms,
    service / telemetry: Telemetry => telemetry::Telemetry,
    service / resource_monitoring: Resources => resources::Resources,
    dumps / memory_dumps: MemoryDumps => memory_dumps::MemoryDumps,
    service / trends: Trends => trends::Trends,
    manage / compare: Compare => compare::Compare,
    service / inside: Inside => inside::Inside,
    guests / hunt: Hunt => hunt::Hunt,
    manage / hosts: Hosts => hosts::Hosts,
    rules / schedules: Schedules => schedules::Schedules,
    rules / retention: Retention => retention::Retention,
    rules / notifications: Notifications => notifications::Notifications,
    manage / users: Users => users::Users,
    manage / audit: Audit => audit::Audit,
}

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

//! The app: what every part of the page shares, and which page an address leads to.

use leptos::prelude::*;
use leptos_router::StaticSegment;
use leptos_router::components::{FlatRoutes, Route, Router};

use crate::base;
use crate::data::Data;
use crate::feed::Feed;
use crate::frame::Frame;
use crate::pages::{Elsewhere, Gauges, MemoryDumps, Resources, Telemetry, Vms};
use crate::routes::Page;
use crate::session::SignOutButton;
use crate::shortcuts::Shortcuts;
use crate::time::Clock;
use crate::ui::{Announcer, Toaster};

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    Clock::provide();
    Announcer::provide();
    Toaster::provide();
    Shortcuts::provide();
    Feed::provide();
    Data::provide();
    view! {
        <Router base=base::path()>
            <Frame session=SignOutButton>
                <FlatRoutes fallback=Elsewhere>
                    <Route path=StaticSegment("") view=Gauges />
                    <Route path=StaticSegment(Page::Vms.path()) view=Vms />
                    <Route path=StaticSegment(Page::Telemetry.path()) view=Telemetry />
                    <Route path=StaticSegment(Page::Resources.path()) view=Resources />
                    <Route path=StaticSegment(Page::MemoryDumps.path()) view=MemoryDumps />
                </FlatRoutes>
            </Frame>
        </Router>
    }
}

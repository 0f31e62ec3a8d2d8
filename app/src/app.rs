//! The app: what every part of the page shares, and which page an address leads to.

use leptos::prelude::*;
use leptos_router::StaticSegment;
use leptos_router::components::{FlatRoutes, Route, Router};

use crate::base;
use crate::data::Data;
use crate::feed::Feed;
use crate::frame::Frame;
use crate::pages::{Elsewhere, part_of};
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
            <Frame session=SignOutButton on_approach=|page| part_of(page).prepare()>
                <FlatRoutes fallback=Elsewhere>
                    <Route path=StaticSegment("") view=shown(Page::Gauges) />
                    <Route path=StaticSegment(Page::Vms.path()) view=shown(Page::Vms) />
                    <Route path=StaticSegment(Page::Telemetry.path()) view=shown(Page::Telemetry) />
                    <Route path=StaticSegment(Page::Resources.path()) view=shown(Page::Resources) />
                    <Route path=StaticSegment(Page::MemoryDumps.path()) view=shown(Page::MemoryDumps) />
                    <Route path=StaticSegment(Page::Trends.path()) view=shown(Page::Trends) />
                    <Route path=StaticSegment(Page::Compare.path()) view=shown(Page::Compare) />
                    <Route path=StaticSegment(Page::Inside.path()) view=shown(Page::Inside) />
                    <Route path=StaticSegment(Page::Hunt.path()) view=shown(Page::Hunt) />
                    <Route path=StaticSegment(Page::Hosts.path()) view=shown(Page::Hosts) />
                    <Route path=StaticSegment(Page::Schedules.path()) view=shown(Page::Schedules) />
                    <Route path=StaticSegment(Page::Retention.path()) view=shown(Page::Retention) />
                    <Route path=StaticSegment(Page::Notifications.path()) view=shown(Page::Notifications) />
                    <Route path=StaticSegment(Page::Users.path()) view=shown(Page::Users) />
                    <Route path=StaticSegment(Page::Audit.path()) view=shown(Page::Audit) />
                </FlatRoutes>
            </Frame>
        </Router>
    }
}

/// One type of closure for all routes: the router is compiled once for it.
fn shown(page: Page) -> impl Fn() -> AnyView + Clone + Send + Sync + 'static {
    move || part_of(page).show()
}

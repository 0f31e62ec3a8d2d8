//! The app: what every part of the page shares, and which page an address leads to.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::components::{Redirect, Route, Router, Routes};
use leptos_router::path;

use crate::base;
use crate::frame::Frame;
use crate::live::Live;
use crate::pages::{Elsewhere, MemoryDumps};
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
    Live::provide();
    let home = || {
        let options = NavigateOptions { replace: true, ..NavigateOptions::default() };
        view! { <Redirect path="/memory-dumps" options /> }
    };
    view! {
        <Router base=base::path()>
            <Frame session=SignOutButton>
                <Routes fallback=Elsewhere>
                    <Route path=path!("/") view=home />
                    <Route path=path!("/memory-dumps") view=MemoryDumps />
                </Routes>
            </Frame>
        </Router>
    }
}

//! One polite live region for what a screen reader should say and the screen already shows.

use gloo_timers::callback::Timeout;
use leptos::prelude::*;

use super::erase::dynamic;

/// Says things to screen readers.
#[derive(Clone, Copy)]
pub struct Announcer {
    text: RwSignal<String>,
}

impl Announcer {
    /// Provides an announcer to every part of the page.
    pub fn provide() {
        provide_context(Self { text: RwSignal::new(String::new()) });
    }

    /// The announcer that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Says `text` when the reader has finished its present sentence.
    pub fn say(self, text: impl Into<String>) {
        let text = text.into();
        self.text.set(text.clone());
        // An emptied region says the same sentence again next time.
        Timeout::new(3_000, move || {
            if self.text.with_untracked(|present| *present == text) {
                self.text.set(String::new());
            }
        })
        .forget();
    }
}

/// The live region.
#[component]
pub fn Announcements() -> impl IntoView {
    let announcer = Announcer::expect();
    view! {
        <div class="visually-hidden" role="status">
            {dynamic(move || announcer.text.get())}
        </div>
    }
}

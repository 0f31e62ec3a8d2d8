//! A button that copies a text and says that it did.

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;

use super::announcer::Announcer;
use super::clipboard;
use super::erase::{dynamic, follow, handler};
use super::icon::{Icon, IconView};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Copied,
    Refused,
}

/// Copies `text`.
#[component]
pub fn CopyButton(
    /// What is copied.
    text: String,
    /// What it is, for the accessible name: `SHA-256 of web-01`.
    what: String,
    /// What it says on it.
    #[prop(default = "Copy")]
    caption: &'static str,
) -> impl IntoView {
    let announcer = Announcer::expect();
    let outcome = RwSignal::new(None::<Outcome>);
    let label = format!("Copy {what}");
    let copy = move |_| {
        let (text, what) = (text.clone(), what.clone());
        leptos::task::spawn_local(async move {
            let copied = clipboard::copy(&text).await;
            announcer.say(if copied { format!("Copied {what}.") } else { format!("Could not copy {what}.") });
            outcome.try_set(Some(if copied { Outcome::Copied } else { Outcome::Refused }));
            TimeoutFuture::new(2_000).await;
            outcome.try_set(None);
        });
    };
    view! {
        <button
            type="button"
            class="button button-quiet copy-button"
            class:is-done=follow(move || outcome.get() == Some(Outcome::Copied))
            aria-label=label
            on:click=handler(copy)
        >
            {dynamic(move || match outcome.get() {
                None => view! { <IconView icon=Icon::Copy /> {caption} }.into_any(),
                Some(Outcome::Copied) => view! { <IconView icon=Icon::Check /> "Copied" }.into_any(),
                Some(Outcome::Refused) => view! { <IconView icon=Icon::Alert /> "Not copied" }.into_any(),
            })}
        </button>
    }
}

//! Instants on screen.

use leptos::prelude::*;
use memdeck_model::Timestamp;

use super::erase::memo;
use crate::time::{Clock, local_time, relative};

/// An instant in the operator's time zone; in words of their language on hover.
#[component]
pub fn Instant(instant: Timestamp) -> impl IntoView {
    let local = local_time(instant);
    view! {
        <time datetime=instant.to_string() title=local.long>
            <span class="unbroken">{local.date}</span>
            " "
            <span class="unbroken">{local.clock}</span>
        </time>
    }
}

/// How long ago an instant was; the instant itself on hover.
#[component]
pub fn Moment(instant: Timestamp) -> impl IntoView {
    let clock = Clock::expect();
    let text = memo(move || relative(instant, clock.now()));
    view! {
        <time datetime=instant.to_string() title=local_time(instant).long>
            {text}
        </time>
    }
}

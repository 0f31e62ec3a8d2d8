//! Whether what the page shows is current.

use leptos::prelude::*;

use crate::live::{Connection, Live};
use crate::time::local_time;

/// Live, Reconnecting, or Stale since a time.
#[component]
pub fn ConnectionChip() -> impl IntoView {
    let connection = Live::expect().connection();
    let class = move || match connection.get() {
        Connection::Live => "chip chip-live",
        Connection::Connecting | Connection::Reconnecting => "chip chip-waiting",
        Connection::Stale(_) => "chip chip-stale",
    };
    let hint = move || match connection.get() {
        Connection::Live => "Changes appear here as they happen.",
        Connection::Connecting => "The connection for live changes is being made.",
        Connection::Reconnecting | Connection::Stale(_) => {
            "The connection for live changes broke off. It is being made again."
        }
    };
    view! {
        <p class=class role="status" title=hint>
            <span class="chip-dot" aria-hidden="true"></span>
            <span>
                {move || match connection.get() {
                    Connection::Live => "Live".into_any(),
                    Connection::Connecting => "Connecting".into_any(),
                    Connection::Reconnecting => "Reconnecting".into_any(),
                    Connection::Stale(since) => format!("Stale since {}", local_time(since).clock).into_any(),
                }}
            </span>
        </p>
    }
}

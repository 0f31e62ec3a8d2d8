//! Whether what the page shows is current.

use leptos::prelude::*;

use crate::feed::{Connection, Feed};
use crate::time::local_time;
use crate::ui::erase::{dynamic, follow};

/// Live, Reconnecting, or Stale since a time.
#[component]
pub fn ConnectionChip() -> impl IntoView {
    let connection = Feed::expect().connection();
    let class = move || match connection.get() {
        Connection::Current => "chip chip-live",
        Connection::Connecting | Connection::Reconnecting => "chip chip-waiting",
        Connection::Stale(_) => "chip chip-stale",
    };
    let hint = move || match connection.get() {
        Connection::Current => "Changes appear as they happen.",
        Connection::Connecting => "Connecting to the server.",
        Connection::Reconnecting | Connection::Stale(_) => "The connection was lost. Reconnecting.",
    };
    view! {
        <p class=follow(class) role="status" title=follow(hint)>
            <span class="chip-dot" aria-hidden="true"></span>
            <span>
                {dynamic(move || match connection.get() {
                    Connection::Current => "Live".into_any(),
                    Connection::Connecting => "Connecting".into_any(),
                    Connection::Reconnecting => "Reconnecting".into_any(),
                    Connection::Stale(since) => format!("Stale since {}", local_time(since).clock).into_any(),
                })}
            </span>
        </p>
    }
}

//! What happened to the collector, as far as its reports show.

use leptos::prelude::*;

use super::happened::Line;
use super::state::TelemetryState;
use super::words::line_of;
use crate::time::local_time;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Card, EmptyState, Icon, IconView, list};

/// The lines, newest first, in a part of fixed size that scrolls.
#[component]
pub fn CollectorActivity() -> impl IntoView {
    let state = TelemetryState::expect();
    let is_empty = memo(move || state.activity.with(std::collections::VecDeque::is_empty));
    let lines = move || state.activity.with(|lines| lines.iter().cloned().collect::<Vec<_>>());
    view! {
        <Card id="collector-activity" title="Recent activity" class="telemetry-activity">
            <div class="telemetry-scroll" tabindex="0" role="group" aria-label="List of events">
                {dynamic(move || {
                    if is_empty.get() {
                        view! {
                            <EmptyState title="Nothing has happened yet" icon=Icon::Clock>
                                "Starts, stops, failed collections and reconnections appear here while this page is open."
                            </EmptyState>
                        }
                            .into_any()
                    } else {
                        view! { <ol class="activity">{list(lines, key_of, |line| view! { <LineView line /> })}</ol> }
                            .into_any()
                    }
                })}
            </div>
        </Card>
    }
}

/// Of what goes on, the same line is another one when it says more.
fn key_of(line: &Line) -> String {
    format!("{} {}", line.number, line.at.unix_micros())
}

#[component]
fn LineView(line: Line) -> impl IntoView {
    let (class, icon, what, why) = line_of(&line.what);
    let at = local_time(line.at);
    view! {
        <li class=class>
            <span class="activity-icon">
                <IconView icon />
            </span>
            <p class="activity-text">
                {what} {why.map(|why| view! { <span class="activity-why">{why}</span> })}
            </p>
            <time class="activity-time number" datetime=line.at.to_string() title=at.long>
                {at.clock}
            </time>
        </li>
    }
}

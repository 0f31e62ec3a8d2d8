//! Why no values come, where it is not for the guest itself.

use leptos::prelude::*;
use leptos_router::components::A;
use memdeck_model::telemetry::{Connection, TelemetryReport};

use crate::api;
use crate::base;
use crate::data::Loader;
use crate::feed::Feed;
use crate::routes::Page;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Icon, IconView};
use crate::words::sentence;

/// What keeps values from coming: a title, why, and whether the page Telemetry can do something about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Obstacle {
    title: &'static str,
    detail: String,
    is_ours: bool,
}

/// Says that nothing is measured, and why: no guest of this hypervisor is, the collector is stopped, or the hypervisor does not
/// answer it. Nothing if all is well. Asked when the page opens and when its connection is there again.
#[component]
pub fn CollectorNotice() -> impl IntoView {
    let report = Loader::<TelemetryReport>::new();
    Feed::expect().on_connected(move || report.fetch(api::fetch_collector()));
    let obstacle = memo(move || match report.problem() {
        Some(problem) => Some(Obstacle {
            title: "No values are available now.",
            detail: problem.detail.to_string(),
            is_ours: false,
        }),
        None => report.with_data(obstacle_of).flatten(),
    });
    dynamic(move || {
        obstacle.get().map(|Obstacle { title, detail, is_ours }| {
            view! {
                <div class="collector-notice" role="status">
                    <IconView icon=Icon::Info />
                    <p>
                        <strong>{title}</strong>
                        " "
                        {sentence(&detail)}
                        {is_ours.then(|| view! {
                            " "
                            <A href=base::href(Page::Telemetry.path())>"Go to Telemetry"</A>
                            "."
                        })}
                    </p>
                </div>
            }
        })
    })
}

fn obstacle_of(report: &TelemetryReport) -> Option<Obstacle> {
    let obstacle = |title, detail: String| Some(Obstacle { title, detail, is_ours: true });
    match &report.status.connection {
        _ if !report.status.running => {
            obstacle("The collector is stopped.", "Values do not change until it is started".to_owned())
        }
        Connection::Reconnecting { error, .. } => {
            obstacle("The hypervisor does not answer the collector.", error.to_string())
        }
        Connection::Idle | Connection::Connected => None,
    }
}

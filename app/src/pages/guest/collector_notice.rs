//! Why no values come, where it is not for the guest itself.

use leptos::prelude::*;
use leptos_router::components::A;
use memdeck_model::ProblemKind;
use memdeck_model::telemetry::{CollectorStatus, Connection, HostCollector};

use crate::api::{self, ApiError};
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
    let found = Loader::<Option<Obstacle>>::new();
    Feed::expect().on_connected(move || found.fetch(look()));
    let obstacle = memo(move || match found.problem() {
        // Who sees only some guests is told nothing of collectors.
        Some(problem) if problem.kind == ProblemKind::Forbidden => None,
        Some(problem) => Some(Obstacle {
            title: "No values are available now.",
            detail: problem.detail.to_string(),
            is_ours: false,
        }),
        None => found.with_data(Clone::clone).flatten(),
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

/// What keeps values from coming: of the one host, or of some of several.
async fn look() -> Result<Option<Obstacle>, ApiError> {
    let hosts = api::fetch_collectors().await?;
    if hosts.is_empty() {
        return Ok(obstacle_of(&api::fetch_collector(None).await?.status));
    }
    Ok(obstacle_among(&hosts))
}

fn obstacle_among(hosts: &[HostCollector]) -> Option<Obstacle> {
    let why = |of: &HostCollector| match (&of.status, &of.problem) {
        (Some(status), _) => obstacle_of(status).map(|Obstacle { title, .. }| title.to_owned()),
        (None, why) => Some(why.as_ref().map(|why| sentence(&why.to_string())).unwrap_or_default()),
    };
    let told: Vec<String> =
        hosts.iter().filter_map(|of| Some(format!("On {}: {}", of.host, why(of)?))).collect();
    (!told.is_empty()).then(|| Obstacle {
        title: "Some values are not available now.",
        detail: told.join(" "),
        is_ours: true,
    })
}

fn obstacle_of(status: &CollectorStatus) -> Option<Obstacle> {
    let obstacle = |title, detail: String| Some(Obstacle { title, detail, is_ours: true });
    match &status.connection {
        _ if !status.running => {
            obstacle("The collector is stopped.", "Values do not change until it is started".to_owned())
        }
        Connection::Reconnecting { error, .. } => {
            obstacle("The hypervisor does not answer the collector.", error.to_string())
        }
        Connection::Idle | Connection::Connected => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(running: bool) -> CollectorStatus {
        let json = serde_json::json!({
            "running": running, "started_at": null, "total_collections": 1, "total_errors": 0,
            "last_collection_time": null, "vms_monitored": 1, "total_metrics_written": 0, "influx_queue_size": 0,
            "influx_queue_dropped": 0, "interval_ms": 1000, "last_duration_ms": null, "max_duration_ms": null,
            "missed_intervals": 0, "stale_vms": 0, "partial_vms": 0, "connection": {"state": "connected"},
            "last_error": null, "unmeasured": [], "store_bytes": 0, "store_given_up": 0, "store_error": null,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn of_several_hosts_those_are_named_from_which_no_values_come() {
        let of = |host: &str, status, problem: Option<&str>| HostCollector {
            host: host.parse().unwrap(),
            status,
            problem: problem.map(Into::into),
        };
        let well = of("kvm-a", Some(status(true)), None);
        assert_eq!(obstacle_among(std::slice::from_ref(&well)), None);
        let stopped = of("kvm-b", Some(status(false)), None);
        let away = of("kvm-c", None, Some("it does not answer"));
        let told = obstacle_among(&[well, stopped, away]).unwrap();
        assert_eq!(told.detail, "On kvm-b: The collector is stopped. On kvm-c: It does not answer.");
    }
}

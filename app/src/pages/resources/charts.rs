//! The charts of a tab.

use leptos::prelude::*;
use memdeck_model::telemetry::{DeviceKind, Metric, MetricGroup, MetricScope};

use super::chart_card::ChartCard;
use super::state::State;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{EmptyState, Icon, list};

/// A chart for each metric of the guest in `group`.
#[component]
pub fn GroupCharts(group: MetricGroup) -> impl IntoView {
    let charts = metrics(group).into_iter().map(|metric| view! { <ChartCard metric device=None /> });
    view! { <div class="charts">{charts.collect_view()}</div> }
}

/// What is nearly always the same comes last.
fn metrics(group: MetricGroup) -> Vec<Metric> {
    let mut metrics: Vec<Metric> =
        Metric::of(MetricScope::Guest).filter(|metric| metric.group() == group).collect();
    metrics.sort_by_key(|metric| matches!(metric, Metric::State | Metric::Cpus));
    metrics
}

/// A chart for each metric of each device of the guest.
#[component]
pub fn DeviceCharts() -> impl IntoView {
    let state = State::expect();
    // A device that is unplugged keeps its place while the page is open: its charts tell what it did.
    let devices = Memo::new(move |before: Option<&Option<Vec<(DeviceKind, String)>>>| {
        let now = state.sample.with(|sample| {
            let devices = sample.as_ref()?.devices.iter();
            Some(devices.map(|it| (it.stats.kind(), it.stats.device.clone())).collect::<Vec<_>>())
        });
        match (before.cloned().flatten(), now) {
            (Some(mut before), Some(now)) => {
                let new = now.into_iter().filter(|device| !before.contains(device)).collect::<Vec<_>>();
                before.extend(new);
                Some(before)
            }
            (before, now) => now.or(before),
        }
    });
    let count = memo(move || devices.with(|devices| devices.as_ref().map(Vec::len)));
    dynamic(move || {
        match count.get() {
        None => {
            view! {
                <EmptyState title="The devices are not known" icon=Icon::Info>
                    "They are named by the live values of the guest. None came yet: it does not run, or the collector is stopped."
                </EmptyState>
            }
                .into_any()
        }
        Some(0) => {
            view! {
                <EmptyState title="No devices" icon=Icon::Info>
                    "The guest has no network interface and no disk."
                </EmptyState>
            }
                .into_any()
        }
        Some(_) => {
            let all = move || devices.get().unwrap_or_default();
            view! {
                <div class="devices">
                    {list(all, |(kind, name)| format!("{kind} {name}"), |(kind, name)| view! { <Device kind name /> })}
                </div>
            }
                .into_any()
        }
    }
    })
}

#[component]
fn Device(kind: DeviceKind, name: String) -> impl IntoView {
    let what = match kind {
        DeviceKind::Nic => "Network interface ",
        DeviceKind::Disk => "Disk ",
    };
    let charts =
        Metric::of(kind.scope()).map(|metric| view! { <ChartCard metric device=Some(name.clone()) /> });
    let charts = charts.collect_view();
    let id = format!("device-{kind}-{name}");
    let own_id = id.clone();
    view! {
        <section aria-labelledby=id>
            <h2 class="device-title" id=own_id>
                {what}
                <code>{name}</code>
            </h2>
            <div class="charts">{charts}</div>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_a_guest_has_its_chart() {
        let groups = [MetricGroup::CpuAndMemory, MetricGroup::Network, MetricGroup::Disk];
        let shown = groups.map(|group| metrics(group).len());
        assert_eq!(shown.iter().sum::<usize>(), Metric::of(MetricScope::Guest).count());
        assert_eq!(shown, [14, 8, 5]);
        assert_eq!(metrics(MetricGroup::CpuAndMemory).first(), Some(&Metric::CpuTime));
    }
}

//! The charts of a tab.

use leptos::prelude::*;
use memdeck_model::telemetry::{DeviceKind, LiveDevice, Metric, MetricGroup, MetricScope};

use super::chart_card::ChartCard;
use super::state::ResourcesState;
use crate::ui::erase::{dynamic, effect, memo};
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
    let state = ResourcesState::expect();
    // A device that is unplugged keeps its place while the page is open: its charts show what it did.
    let devices = RwSignal::new(None::<Vec<String>>);
    effect(move || {
        let now = state.sample.with(|sample| sample.as_ref().map(|sample| keys(&sample.devices)));
        let Some(now) = now else { return };
        let is_news = devices.with_untracked(|known| {
            known.as_ref().is_none_or(|known| now.iter().any(|device| !known.contains(device)))
        });
        if is_news {
            devices.update(|known| {
                let known = known.get_or_insert_default();
                let new = now.into_iter().filter(|device| !known.contains(device)).collect::<Vec<_>>();
                known.extend(new);
            });
        }
    });
    let count = memo(move || devices.with(|devices| devices.as_ref().map(Vec::len)));
    dynamic(move || {
        match count.get() {
        None => {
            view! {
                <EmptyState title="The devices are not known" icon=Icon::Info>
                    "They are named by the live values of the guest. None have arrived yet: the guest is not running, or the collector is stopped."
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
                    {list(all, Clone::clone, |device| view! { <Device device /> })}
                </div>
            }
                .into_any()
        }
    }
    })
}

/// What distinguishes a device of a guest from the others: its kind and its name.
fn keys(devices: &[LiveDevice]) -> Vec<String> {
    devices.iter().map(|device| format!("{}/{}", device.stats.kind(), device.stats.device)).collect()
}

/// The kind and the name again.
fn parts(key: &str) -> (DeviceKind, &str) {
    let (kind, name) = key.split_once('/').unwrap_or_default();
    (if kind == DeviceKind::Nic.as_str() { DeviceKind::Nic } else { DeviceKind::Disk }, name)
}

#[component]
fn Device(device: String) -> impl IntoView {
    let (kind, name) = parts(&device);
    let what = match kind {
        DeviceKind::Nic => "Network interface ",
        DeviceKind::Disk => "Disk ",
    };
    let name = name.to_owned();
    let id = format!("device-{kind}-{name}");
    drop(device);
    let charts =
        Metric::of(kind.scope()).map(|metric| view! { <ChartCard metric device=Some(name.clone()) /> });
    let charts = charts.collect_view();
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
    fn a_device_is_known_by_kind_and_name_whatever_the_name() {
        assert_eq!(keys(&super::super::chart_data::tests::sample().devices), ["disk/vda"]);
        assert_eq!(parts("disk/vda"), (DeviceKind::Disk, "vda"));
        assert_eq!(parts("nic/a/b"), (DeviceKind::Nic, "a/b"));
    }

    #[test]
    fn every_metric_of_a_guest_has_its_chart() {
        let groups = [MetricGroup::CpuAndMemory, MetricGroup::Network, MetricGroup::Disk];
        let shown = groups.map(|group| metrics(group).len());
        assert_eq!(shown.iter().sum::<usize>(), Metric::of(MetricScope::Guest).count());
        assert_eq!(shown, [14, 8, 5]);
        assert_eq!(metrics(MetricGroup::CpuAndMemory).first(), Some(&Metric::CpuTime));
    }
}

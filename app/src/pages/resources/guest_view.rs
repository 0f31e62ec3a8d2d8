//! Everything of one guest: its summary, its charts, its dumps.

use leptos::prelude::*;

use super::charts::{DeviceCharts, GroupCharts};
use super::dumps::DumpList;
use super::notices::Notices;
use super::state::ResourcesState;
use super::summary::Summary;
use super::view::TABS;
use crate::ui::erase::{effect, memo};
use crate::ui::{Tab, Tabs};
use memdeck_model::telemetry::MetricGroup;

/// The guest that is shown now, which is watched for as long as this is there.
#[component]
pub fn GuestView() -> impl IntoView {
    let state = ResourcesState::expect();
    let guest = state.guest.get_untracked().unwrap_or_default();
    let live = state.data.telemetry.watch_guest(&guest);
    // Of the guest before, nothing is left.
    state.sample.set(None);
    effect(move || state.sample.set(live.get()));
    let name = memo(move || state.name());
    effect(move || {
        state.data.refreshes.track();
        let range = state.range.get();
        let (from, to) = range.at(state.now());
        if let Some(name) = name.get() {
            // While the present moves on, nothing that is older comes into the range, and what is newer arrives as an event.
            untrack(|| state.marks.ask(name, from, (!range.is_live()).then_some(to)));
        }
    });
    let chosen = RwSignal::new(state.view.with_untracked(|view| view.tab));
    effect(move || {
        let tab = state.view.with(|view| view.tab);
        if chosen.get_untracked() != tab {
            chosen.set(tab);
        }
    });
    effect(move || {
        let tab = chosen.get();
        untrack(|| {
            if state.view.with(|view| view.tab != tab) {
                state.show(|view| {
                    view.tab = tab;
                    view.table = None;
                });
            }
        });
    });
    let [cpu, network, disk, devices] = TABS.map(|(_, name)| name);
    view! {
        <Notices />
        <Summary />
        <div class="card resource-charts">
            <Tabs
                id="charts"
                label="Charts"
                chosen
                tabs=vec![
                    Tab::new(cpu, || view! { <GroupCharts group=MetricGroup::CpuAndMemory /> }),
                    Tab::new(network, || view! { <GroupCharts group=MetricGroup::Network /> }),
                    Tab::new(disk, || view! { <GroupCharts group=MetricGroup::Disk /> }),
                    Tab::new(devices, || view! { <DeviceCharts /> }),
                ]
            />
        </div>
        <DumpList />
    }
}

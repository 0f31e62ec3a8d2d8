//! The series of one chart: fetched when the chart is in view, then followed. Of fine steps the new ones come with the live
//! values that the page is sent anyway; of all others, and to put those right, what came since is fetched.

use leptos::prelude::*;
use memdeck_model::telemetry::{DeviceKind, LiveSample, Metric, MetricScope, Series, SeriesQuery};
use memdeck_model::{Millis, Timestamp};

use super::buckets::{append, fetch_interval, is_fed, take_in};
use super::range::Range;
use super::state::ResourcesState;
use crate::api;
use crate::data::Loader;
use crate::ui::erase::effect;

/// A live value this long after the last one leaves a hole that was measured, while the page was hidden or away.
const HOLE: Millis = Millis(5_000);

/// The series of one chart.
#[derive(Clone, Copy)]
pub struct ChartData {
    /// What is known of it.
    pub series: Loader<Series>,
    state: ResourcesState,
    metric: Metric,
    device: StoredValue<Option<String>>,
    /// The guest, by `Guest::reference`.
    guest: StoredValue<String>,
    /// The range that was asked for last, and when.
    asked: StoredValue<Option<(Range, Timestamp)>>,
}

impl ChartData {
    /// Follows the guest that is shown now, for as long as the owner of this call is there.
    pub fn start(metric: Metric, device: Option<String>, seen: RwSignal<bool>) -> Self {
        let state = ResourcesState::expect();
        let data = Self {
            series: Loader::new(),
            state,
            metric,
            device: StoredValue::new(device),
            guest: StoredValue::new(state.guest.get_untracked().unwrap_or_default()),
            asked: StoredValue::new(None),
        };
        let refreshes = state.data.refreshes;
        let answered = StoredValue::new(refreshes.get_untracked());
        effect(move || {
            let range = state.range.get();
            state.looks.track();
            let count = refreshes.get();
            if !seen.get() {
                return;
            }
            let is_asked_again = answered.get_value() != count;
            answered.set_value(count);
            let asked = data.asked.get_value();
            match asked {
                Some((before, at)) if before == range && !is_asked_again => untrack(|| data.look(range, at)),
                _ => data.fetch(),
            }
        });
        effect(move || {
            state.sample.with(|sample| {
                if let Some(sample) = sample
                    && seen.get_untracked()
                {
                    untrack(|| data.hear(sample));
                }
            });
        });
        data
    }

    /// Fetches all of it.
    pub fn fetch(self) {
        let range = self.state.range.get_untracked();
        let now = self.state.now();
        self.asked.set_value(Some((range, now)));
        let (from, to) = range.at(now);
        self.series.fetch(api::fetch_series(self.query(from, to, range.step())));
    }

    /// Fetches what came since, if that is due.
    fn look(self, range: Range, asked_at: Timestamp) {
        let now = self.state.now();
        if !range.is_live() || self.series.is_pending() {
            return;
        }
        let Some((step, last)) =
            self.series.with_data(|series| (series.step_ms, series.buckets.last().map(|bucket| bucket.at)))
        else {
            return;
        };
        if now.since(asked_at) >= fetch_interval(step) {
            self.fetch_since(range, last);
        }
    }

    fn fetch_since(self, range: Range, last: Option<Timestamp>) {
        let now = self.state.now();
        let (from, to) = range.at(now);
        self.asked.set_value(Some((range, now)));
        // The last one was not complete.
        let since = last.map_or(from, |last| last.max(from));
        let query = self.query(since, to, range.step());
        self.series.fetch_with(api::fetch_series(query), move |known, later| match known {
            Some(known) => take_in(known, later, from),
            None => *known = Some(later),
        });
    }

    fn query(self, from: Timestamp, to: Timestamp, step: Millis) -> SeriesQuery {
        let (host, uuid) = self.guest.with_value(|guest| SeriesQuery::guest(guest));
        SeriesQuery {
            host,
            uuid,
            metric: self.metric,
            device: self.device.get_value(),
            from,
            to,
            step_ms: Some(step),
        }
    }

    /// Takes in what was just measured.
    fn hear(self, sample: &LiveSample) {
        let range = self.state.range.get_untracked();
        let is_of_guest = self.guest.with_value(|guest| *guest == sample.reference());
        if !range.is_live() || !is_of_guest || sample.stale || self.series.is_pending() {
            return;
        }
        let known =
            self.series.with_data(|series| (series.step_ms, series.buckets.last().map(|last| last.at)));
        let Some((_, last)) = known.filter(|(step, _)| is_fed(*step)) else { return };
        if let Some(last) = last.filter(|last| sample.at.since(*last) > HOLE)
            && self.asked.get_value().is_none_or(|(_, at)| self.state.now().since(at) > HOLE)
        {
            self.fetch_since(range, Some(last));
            return;
        }
        let value = self.device.with_value(|device| value_of(sample, self.metric, device.as_deref()));
        if let (Some(value), raw) = value {
            let (from, _) = range.at(sample.at);
            self.series.change(|series| append(series, sample.at, value, raw, from));
        }
    }
}

/// The value for a chart, and what was counted. Of a counter the first is its change per second.
fn value_of(sample: &LiveSample, metric: Metric, device: Option<&str>) -> (Option<f64>, Option<u64>) {
    let kind = match metric.scope() {
        MetricScope::Guest => None,
        MetricScope::Nic => Some(DeviceKind::Nic),
        MetricScope::Disk => Some(DeviceKind::Disk),
    };
    let (raw, rate) = match kind {
        None => (sample.totals.get(metric), sample.rates.get(&metric)),
        Some(kind) => {
            let is_it = |it: &&memdeck_model::telemetry::LiveDevice| {
                it.stats.kind() == kind && Some(it.stats.device.as_str()) == device
            };
            let found = sample.devices.iter().find(is_it);
            (found.and_then(|it| it.stats.get(metric)), found.and_then(|it| it.rates.get(&metric)))
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = if metric.is_counter() { rate.copied() } else { raw.map(|raw| raw as f64) };
    (value, raw)
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use memdeck_model::telemetry::{DeviceCounters, DeviceStats, DiskCounters, LiveDevice, VmTotals};
    use memdeck_model::{GuestName, GuestState};

    use super::*;

    /// A guest with one disk.
    pub fn sample() -> LiveSample {
        let counters = DeviceCounters::Disk(DiskCounters { rd_bytes: Some(70), ..DiskCounters::default() });
        LiveSample {
            host: None,
            uuid: "u".to_owned(),
            name: GuestName("web-01".to_owned()),
            id: 1,
            state: GuestState::Running,
            started_at: None,
            at: Timestamp::from_unix_micros(0).unwrap(),
            age_ms: Millis(0),
            stale: false,
            partial: false,
            memory_max: None,
            totals: VmTotals { cputime: Some(5), memrss: Some(9), ..VmTotals::default() },
            rates: BTreeMap::from([(Metric::CpuTime, 2.5)]),
            cpu_pct: None,
            cpu_user_pct: None,
            cpu_system_pct: None,
            memory_pct: None,
            degrees: BTreeMap::new(),
            devices: vec![LiveDevice {
                stats: DeviceStats { device: "vda".to_owned(), counters },
                rates: BTreeMap::from([(Metric::BlockReadBytes, 1.5)]),
            }],
        }
    }

    #[test]
    fn a_counter_is_drawn_by_its_change_and_a_gauge_by_its_value() {
        let of = |metric, device| value_of(&sample(), metric, device);
        assert_eq!(of(Metric::CpuTime, None), (Some(2.5), Some(5)));
        assert_eq!(of(Metric::MemRss, None), (Some(9.0), Some(9)));
        assert_eq!(of(Metric::BlockReadBytes, Some("vda")), (Some(1.5), Some(70)));
    }

    #[test]
    fn what_is_not_known_is_no_value() {
        let of = |metric, device| value_of(&sample(), metric, device);
        assert_eq!(of(Metric::MemUsable, None), (None, None));
        assert_eq!(of(Metric::BlockReadBytes, Some("vdb")), (None, None));
        assert_eq!(of(Metric::NicRxBytes, Some("vda")), (None, None));
    }
}

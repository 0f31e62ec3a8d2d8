//! What an agent has measured, brought into bounds: shares into 0 to 100, angles into their quarter, rates and instants that can
//! be, texts to a length; and no more guests, devices and points than there can be.

use std::collections::BTreeMap;

use memdeck_model::telemetry::{
    BalloonStats, Bucket, CollectorStatus, Connection, Diagnosis, LiveSample, LiveSummary, LiveValues,
    Measured, Measurements, Metric, Series, SeriesQuery, TelemetryReport, VmTelemetry,
};
use memdeck_model::{GuestName, Message, Millis, Timestamp, VmRef};

use super::{MAX_NAME_CHARS, MAX_SENTENCE_CHARS, is_ahead, is_uuid, shorten};

/// The most guests of one host.
const MAX_GUESTS: usize = 10_000;
/// The most devices of one guest.
const MAX_DEVICES: usize = 256;
/// The most settings, checks and names of fields in one answer.
const MAX_LINES: usize = 200;
/// The most guests that are said not to report their memory.
const MAX_UNMEASURED: usize = 1_000;
/// The most points of a series: what any host gives, and those at both ends.
const MAX_BUCKETS: usize = 2_010;
/// The longest interval between two collections.
const MAX_INTERVAL: Millis = Millis(24 * 60 * 60 * 1000);

/// Values that can be shown.
pub fn values(mut told: LiveValues, now: Timestamp) -> LiveValues {
    told.collected_at = told.collected_at.filter(|at| !is_ahead(*at, now));
    if let Some(summaries) = &mut told.summaries {
        summaries.truncate(MAX_GUESTS);
        summaries.retain(|of| is_guest(&of.uuid, &of.name));
        for of in summaries.iter_mut() {
            summary(of, now);
        }
    }
    told.samples.truncate(MAX_GUESTS);
    told.samples.retain(|of| is_guest(&of.uuid, &of.name));
    for of in &mut told.samples {
        sample(of, now);
    }
    told
}

fn summary(of: &mut LiveSummary, now: Timestamp) {
    // Which host it is, whoever asked it knows better.
    of.host = None;
    of.started_at = of.started_at.filter(|at| !is_ahead(*at, now));
    present_if_ahead(&mut of.at, now);
    for share in [&mut of.cpu_pct, &mut of.memory_pct] {
        *share = share.and_then(percent);
    }
    for rate in [&mut of.net_rx, &mut of.net_tx, &mut of.disk_read, &mut of.disk_write] {
        *rate = rate.filter(|rate| is_rate(*rate));
    }
}

fn sample(of: &mut LiveSample, now: Timestamp) {
    of.host = None;
    of.started_at = of.started_at.filter(|at| !is_ahead(*at, now));
    present_if_ahead(&mut of.at, now);
    for share in [&mut of.cpu_pct, &mut of.cpu_user_pct, &mut of.cpu_system_pct, &mut of.memory_pct] {
        *share = share.and_then(percent);
    }
    rates(&mut of.rates);
    of.degrees.retain(|_, angle| angle.is_finite() && (0.0..=90.0).contains(angle));
    of.devices.truncate(MAX_DEVICES);
    for device in &mut of.devices {
        shorten(&mut device.stats.device, MAX_NAME_CHARS);
        rates(&mut device.rates);
    }
}

/// All guests of a host, as they can be shown.
pub fn measurements(mut told: Measurements, now: Timestamp) -> Measurements {
    told.collected_at = told.collected_at.filter(|at| !is_ahead(*at, now));
    told.guests.truncate(MAX_GUESTS);
    told.guests.retain(|of| is_guest(&of.telemetry.vm.uuid, &of.telemetry.vm.name));
    for Measured { telemetry, .. } in &mut told.guests {
        vm_telemetry(telemetry);
    }
    told
}

fn vm_telemetry(of: &mut VmTelemetry) {
    of.vm.host = None;
    for share in [&mut of.cpu_usage_percent, &mut of.memory_usage_percent] {
        *share = percent(*share).unwrap_or_default();
    }
    for angle in [
        &mut of.cpu_rate,
        &mut of.memory_rate,
        &mut of.disk_read_rate,
        &mut of.disk_write_rate,
        &mut of.network_rx_rate,
        &mut of.network_tx_rate,
    ] {
        *angle = if angle.is_finite() { angle.clamp(-90.0, 90.0) } else { 0.0 };
    }
    of.unknown.truncate(MAX_LINES);
    for field in &mut of.unknown {
        shorten(field, MAX_NAME_CHARS);
    }
}

/// How a collector stands and what it works with, as it can be shown.
pub fn report(mut told: TelemetryReport, now: Timestamp) -> TelemetryReport {
    status(&mut told.status, now);
    told.settings.truncate(MAX_LINES);
    for setting in &mut told.settings {
        shorten(&mut setting.name, MAX_NAME_CHARS);
        shorten(&mut setting.value, MAX_SENTENCE_CHARS);
    }
    told
}

fn status(of: &mut CollectorStatus, now: Timestamp) {
    for instant in [&mut of.started_at, &mut of.last_collection_time] {
        *instant = instant.filter(|at| !is_ahead(*at, now));
    }
    of.interval_ms = of.interval_ms.min(MAX_INTERVAL);
    for sentence in [&mut of.last_error, &mut of.store_error].into_iter().flatten() {
        bound(sentence);
    }
    if let Connection::Reconnecting { since, next_attempt, error, .. } = &mut of.connection {
        present_if_ahead(since, now);
        present_if_ahead(next_attempt, now);
        bound(error);
    }
    of.unmeasured.truncate(MAX_UNMEASURED);
    of.unmeasured.retain(|guest| is_guest(&guest.uuid, &guest.name));
    for guest in &mut of.unmeasured {
        if let BalloonStats::Impossible { reason } = &mut guest.balloon {
            bound(reason);
        }
    }
}

/// What was tried, as it can be shown.
pub fn diagnosis(mut told: Diagnosis) -> Diagnosis {
    told.checks.truncate(MAX_LINES);
    for check in &mut told.checks {
        shorten(&mut check.name, MAX_NAME_CHARS);
        bound(&mut check.finding);
        check.remedy.iter_mut().for_each(bound);
    }
    told
}

/// The series that `query` asked for: in order, within the range, and of values that can be.
pub fn series(told: Series, query: &SeriesQuery) -> Series {
    let step_ms = Millis(told.step_ms.0.max(1));
    let mut buckets = told.buckets;
    buckets.truncate(MAX_BUCKETS);
    // The first step may begin before the range.
    let (first, last) = (query.from.minus(step_ms), query.to);
    let can_be = |bucket: &Bucket| {
        let values = [bucket.min, bucket.mean, bucket.max];
        (first..=last).contains(&bucket.at) && values.iter().all(|value| value.is_finite() && *value >= 0.0)
    };
    buckets.retain(can_be);
    buckets.sort_by_key(|bucket| bucket.at);
    buckets.dedup_by_key(|bucket| bucket.at);
    Series {
        uuid: query.uuid.clone(),
        metric: query.metric,
        device: query.device.clone(),
        per_second: query.metric.is_counter(),
        from: query.from,
        to: query.to,
        step_ms,
        source: told.source,
        buckets,
        notice: told.notice.map(|notice| notice.bounded(MAX_SENTENCE_CHARS)),
    }
}

fn is_guest(uuid: &str, name: &GuestName) -> bool {
    is_uuid(uuid) && (1..=VmRef::MAX_BYTES).contains(&name.0.len())
}

fn percent(share: f64) -> Option<f64> {
    share.is_finite().then(|| share.clamp(0.0, 100.0))
}

fn is_rate(rate: f64) -> bool {
    rate.is_finite() && rate >= 0.0
}

fn rates(rates: &mut BTreeMap<Metric, f64>) {
    rates.retain(|_, rate| is_rate(*rate));
}

fn present_if_ahead(instant: &mut Timestamp, now: Timestamp) {
    if is_ahead(*instant, now) {
        *instant = now;
    }
}

fn bound(sentence: &mut Message) {
    *sentence = std::mem::take(sentence).bounded(MAX_SENTENCE_CHARS);
}

#[cfg(test)]
mod tests {
    use memdeck_model::Millis;
    use serde_json::{Value, json};

    use super::*;

    const UUID: &str = "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11";

    fn now() -> Timestamp {
        "2025-11-14T08:58:23Z".parse().unwrap()
    }

    fn read<T: serde::de::DeserializeOwned>(json: Value) -> T {
        serde_json::from_value(json).unwrap()
    }

    fn told_summary(fields: &Value) -> Value {
        let mut json = json!({"uuid": UUID, "name": "web-01", "state": "running", "at": "2025-11-14T08:58:22Z",
                              "stale": false, "partial": false});
        json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json
    }

    #[test]
    fn values_of_an_agent_stay_within_their_bounds() {
        let summaries = json!([
            told_summary(&json!({"cpu_pct": 1e300, "memory_pct": -5.0, "net_rx": -1.0, "net_tx": 7.5,
                                 "at": "2031-01-01T00:00:00Z", "host": "kvm-of-another"})),
            told_summary(&json!({"uuid": "../../etc"})),
            told_summary(&json!({"name": ""})),
        ]);
        let told =
            values(read(json!({"collected_at": "2031-01-01T00:00:00Z", "summaries": summaries})), now());
        assert_eq!(told.collected_at, None);
        let [of] = told.summaries.as_deref().unwrap() else { panic!("{told:?}") };
        assert_eq!((of.cpu_pct, of.memory_pct), (Some(100.0), Some(0.0)));
        assert_eq!((of.net_rx, of.net_tx), (None, Some(7.5)));
        assert_eq!((&of.host, of.at), (&None, now()), "the dashboard knows whose it is");
    }

    #[test]
    fn a_sample_has_no_rate_below_nothing_and_devices_have_an_end() {
        let device = |n: usize| json!({"device": format!("vd\u{1b}{n}"), "devtype": "disk", "rates": {"rd_bytes": -1.0}});
        let sample = json!({
            "uuid": UUID, "name": "web-01", "id": 1, "state": "running", "started_at": null,
            "at": "2025-11-14T08:58:22Z", "age_ms": 0, "stale": false, "partial": false, "memory_max": 1,
            "totals": {}, "rates": {"net_rxbytes": -2.5, "net_txbytes": 2.5}, "cpu_pct": 250.0,
            "cpu_user_pct": null, "cpu_system_pct": null, "memory_pct": null,
            "degrees": {"net_rxbytes": 91.0, "net_txbytes": 45.0},
            "devices": (0..MAX_DEVICES + 5).map(device).collect::<Vec<_>>(),
        });
        let told = values(read(json!({"collected_at": null, "samples": [sample]})), now());
        let [of] = told.samples.as_slice() else { panic!("{told:?}") };
        assert_eq!(of.cpu_pct, Some(100.0));
        assert_eq!(of.rates, BTreeMap::from([(Metric::NetTxBytes, 2.5)]));
        assert_eq!(of.degrees, BTreeMap::from([(Metric::NetTxBytes, 45.0)]));
        assert_eq!((of.devices.len(), of.devices[0].stats.device.as_str()), (MAX_DEVICES, "vd 0"));
        assert!(of.devices.iter().all(|device| device.rates.is_empty()));
    }

    #[test]
    fn shares_and_angles_of_all_guests_are_those_of_the_contract() {
        let vm = json!({
            "host": "kvm-of-another", "id": 1, "name": "web-01", "uuid": UUID, "state": "running", "cpu_count": 1,
            "memory_max": 1, "memory_used": 1, "cputime": 1, "cpu_usage_percent": 1000.0,
            "memory_usage_percent": -1.0, "disk_read_bytes": 0, "disk_write_bytes": 0, "network_rx_bytes": 0,
            "network_tx_bytes": 0, "cpu_rate": 1e9, "memory_rate": -1e9, "disk_read_rate": 1.0,
            "disk_write_rate": 0.0, "network_rx_rate": 0.0, "network_tx_rate": 0.0, "unknown": ["a\nb"],
        });
        let guests = json!([{"telemetry": vm, "totals": {"cputime": 5}}]);
        let told = measurements(read(json!({"collected_at": null, "age_ms": 3, "guests": guests})), now());
        let of = &told.guests[0].telemetry;
        assert_eq!((of.cpu_usage_percent, of.memory_usage_percent), (100.0, 0.0));
        assert_eq!((of.cpu_rate, of.memory_rate, of.disk_read_rate), (90.0, -90.0, 1.0));
        assert_eq!((&of.vm.host, of.unknown.as_slice()), (&None, &["a b".to_owned()][..]));
        assert_eq!((told.age_ms, told.guests[0].totals.cputime), (Some(Millis(3)), Some(5)));
    }

    #[test]
    fn a_series_is_the_one_that_was_asked_for_and_in_order() {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let query = SeriesQuery {
            host: None,
            uuid: UUID.to_owned(),
            metric: Metric::NetRxBytes,
            device: None,
            from: at(100),
            to: at(200),
            step_ms: None,
        };
        let bucket = |second: i64, mean: f64| Bucket { at: at(second), min: 0.0, mean, max: 9.0, raw: None };
        let told = Series {
            uuid: "another".to_owned(),
            metric: Metric::CpuTime,
            device: Some("vda".to_owned()),
            per_second: false,
            from: at(0),
            to: at(1),
            step_ms: Millis(0),
            source: memdeck_model::telemetry::SeriesSource::Embedded,
            buckets: vec![
                bucket(150, 2.0),
                bucket(120, 1.0),
                bucket(120, 7.0),
                bucket(10, 1.0),
                bucket(900, 1.0),
                bucket(160, -1.0),
            ],
            notice: Some(Message::new("x".repeat(100_000))),
        };
        let checked = series(told, &query);
        assert_eq!((&checked.uuid, checked.metric, &checked.device), (&query.uuid, query.metric, &None));
        assert_eq!((checked.from, checked.to, checked.step_ms), (query.from, query.to, Millis(1)));
        assert!(checked.per_second, "a counter");
        let means: Vec<(Timestamp, f64)> = checked.buckets.iter().map(|of| (of.at, of.mean)).collect();
        assert_eq!(means, [(at(120), 1.0), (at(150), 2.0)]);
        assert!(checked.notice.unwrap().to_string().chars().count() <= MAX_SENTENCE_CHARS + 1);
    }

    #[test]
    fn sentences_of_a_collector_have_an_end_and_no_control_characters() {
        let sentence = format!("a\u{1b}{}", "x".repeat(100_000));
        let status = json!({
            "running": true, "started_at": "2031-01-01T00:00:00Z", "total_collections": 1, "total_errors": 0,
            "last_collection_time": null, "vms_monitored": 1, "total_metrics_written": 0, "influx_queue_size": 0,
            "influx_queue_dropped": 0, "interval_ms": u64::MAX, "last_duration_ms": null, "max_duration_ms": null,
            "missed_intervals": 0, "stale_vms": 0, "partial_vms": 0, "connection": {"state": "idle"},
            "last_error": sentence,
            "unmeasured": [{"uuid": "x", "name": "x", "balloon": {"state": "off"}},
                           {"uuid": UUID, "name": "web-01", "balloon": {"state": "impossible", "reason": sentence}}],
            "store_bytes": 1, "store_given_up": 0, "store_error": null,
        });
        let settings = json!([{"name": "A\nB", "value": sentence}]);
        let told = report(read(json!({"status": status, "settings": settings})), now());
        assert_eq!((told.status.started_at, told.status.interval_ms), (None, MAX_INTERVAL));
        assert_eq!((told.status.unmeasured.len(), told.settings[0].name.as_str()), (1, "A B"));
        assert!(told.settings[0].value.chars().count() <= MAX_SENTENCE_CHARS);
        let error = told.status.last_error.unwrap().to_string();
        assert!(error.chars().count() <= MAX_SENTENCE_CHARS + 1 && !error.contains('\u{1b}'));
        let checks = json!([{"part": "store", "name": "a\tb", "state": "ok", "finding": sentence}]);
        let told = diagnosis(read(json!({ "checks": checks })));
        assert_eq!(told.checks[0].name, "a b");
        assert!(told.checks[0].finding.to_string().chars().count() <= MAX_SENTENCE_CHARS + 1);
    }
}

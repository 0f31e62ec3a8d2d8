//! One chart: a metric of the guest or of one of its devices, kept up to date, with its figures in words, its numbers as a
//! table, and what can be done with both.

use leptos::prelude::*;
use memdeck_model::telemetry::{Bucket, Metric, Series, SeriesSource};
use memdeck_model::{Millis, Timestamp};
use serde::Serialize;

use super::buckets::{columns, figures};
use super::chart_data::ChartData;
use super::numbers::NumbersTable;
use super::range::{Range, SPANS};
use super::scale::{Scale, meaning};
use super::state::ResourcesState;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Chart, ChartHandle, Drawing, Failure, Icon, IconView, Menu, MenuItem, Show, charts_failed};

/// What `public/charts.js` calls the settings of a chart.
#[derive(Serialize)]
struct Settings {
    from: f64,
    to: f64,
    unit: &'static str,
    whole: bool,
    flag: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<&'static str>,
}

/// The chart of `metric`, of the guest or of its `device`.
#[component]
pub fn ChartCard(metric: Metric, device: Option<String>) -> impl IntoView {
    let state = ResourcesState::expect();
    let seen = RwSignal::new(false);
    let handle = ChartHandle::new();
    // With the device where more than one has a chart of this metric.
    let key =
        device.as_ref().map_or_else(|| metric.field().to_owned(), |device| format!("{device}/{metric}"));
    let title = device
        .as_ref()
        .map_or_else(|| metric.title().to_owned(), |device| format!("{device}: {}", metric.title()));
    let id = format!("chart-{}", key.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let own_id = id.clone();
    let name = file_name(&untrack(|| state.name()).unwrap_or_default(), device.as_deref(), metric);
    let (csv_name, png_name, png_title) = (format!("{name}.csv"), format!("{name}.png"), title.clone());
    let data = ChartData::start(metric, device, seen);
    let series = data.series;
    let cannot_draw = charts_failed();
    effect(move || {
        // Then nobody says what is in view; figures and tables are there all the same.
        if cannot_draw.get() {
            seen.set(true);
        }
    });
    let problem = series.why_failed();
    let is_empty = memo(move || series.with_data(|series| series.buckets.is_empty()) == Some(true));
    let is_loading = memo(move || seen.get() && !series.has_data() && series.is_pending());
    let summary = memo(move || series.with_data(|series| in_words(metric, series)).unwrap_or_default());
    let about = memo(move || series.with_data(origin).unwrap_or_default());
    let draw = move || {
        let (from, to) = state.window.get();
        let marks = state.marks.drawn();
        series.with_data(|series| drawing(metric, series, (from, to), marks))
    };
    let zoom = Callback::new(move |(from, to): (f64, f64)| {
        if let Some(range) = instant(from).zip(instant(to)).and_then(|(from, to)| Range::between(from, to)) {
            state.show_range(range);
        }
    });
    let reset = Callback::new(move |()| state.show_range(Range::default()));
    let own_key = key.clone();
    let is_table = memo(move || state.view.with(|view| view.table.as_ref() == Some(&own_key)));
    let show_table = move |()| {
        let is_shown = is_table.get_untracked();
        state.show(|view| view.table = (!is_shown).then(|| key.clone()));
    };
    let save_csv = move |()| {
        let text = untrack(|| series.with_data(super::buckets::csv));
        handle.save_text(&csv_name, &text.unwrap_or_default());
    };
    let save_png = move |()| {
        let name = untrack(|| state.name()).unwrap_or_default();
        handle.save_png(&format!("{name}: {png_title}"), &png_name);
    };
    let (show_table, save_csv, save_png) =
        (Callback::new(show_table), Callback::new(save_csv), Callback::new(save_png));
    let label = format!("Numbers and picture of {title}");
    let caption = format!("Numbers of {title}");
    view! {
        <section class="chart-card" aria-labelledby=id>
            <header class="chart-head">
                <h3 class="chart-title" id=own_id>
                    {title}
                </h3>
                {meaning(metric).map(|meaning| view! { <span class="secondary">{meaning}</span> })}
                <Menu label button=|| view! { <IconView icon=Icon::More /> }>
                    <MenuItem on_choose=show_table>
                        {dynamic(move || if is_table.get() { "Hide the table" } else { "Show as a table" })}
                    </MenuItem>
                    <MenuItem on_choose=save_csv>"Save as CSV"</MenuItem>
                    <MenuItem on_choose=save_png>"Save as PNG"</MenuItem>
                </Menu>
            </header>
            <div class="chart-place">
                <Chart handle seen draw=Box::new(draw) on_zoom=zoom on_reset=reset />
                {dynamic(move || {
                    if is_empty.get() {
                        view! { <p class="chart-empty">"Nothing was measured in this range."</p> }.into_any()
                    } else if is_loading.get() {
                        view! { <p class="chart-empty chart-loading" role="status">"Loading …"</p> }.into_any()
                    } else {
                        ().into_any()
                    }
                })}
            </div>
            <p class="chart-summary">
                {summary} " "
                <span class="secondary">{about}</span>
            </p>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The values could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| data.fetch()
                />
            </Show>
            <Show when=move || is_table.get()>
                <NumbersTable metric series caption=caption.clone() />
            </Show>
        </section>
    }
}

fn instant(millis: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds, within 53 bits")]
    let micros = (millis as i64).saturating_mul(1000);
    Timestamp::from_unix_micros(micros).ok()
}

/// The unit for the values of `series`.
pub fn scale_of(metric: Metric, buckets: &[Bucket]) -> Scale {
    Scale::of(metric, buckets.iter().map(|bucket| bucket.max).fold(0.0, f64::max))
}

fn drawing(metric: Metric, series: &Series, window: (Timestamp, Timestamp), marks: String) -> Drawing {
    let scale = scale_of(metric, &series.buckets);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds stay within 53 bits")]
    let seconds = |at: Timestamp| (at.unix_micros() / 1000) as f64 / 1000.0;
    let settings = Settings {
        from: seconds(window.0),
        to: seconds(window.1),
        unit: scale.unit,
        whole: scale.is_whole,
        flag: scale.is_flag,
        counted: metric.is_counter().then(|| metric.unit().sign()),
    };
    let settings = serde_json::to_string(&settings).unwrap_or_default();
    Drawing { settings, columns: columns(series, scale.divisor), marks }
}

/// What the chart shows, for those who do not see it, and at a glance.
fn in_words(metric: Metric, series: &Series) -> String {
    let Some(figures) = figures(&series.buckets) else { return String::new() };
    let scale = scale_of(metric, &series.buckets);
    let last = scale.text(figures.last);
    if scale.is_flag {
        return format!("Last: {last}.");
    }
    let [min, mean, max] = [figures.min, figures.mean, figures.max].map(|value| scale.text(value));
    format!("Last {last}, mean {mean}, lowest {min}, highest {max}.")
}

/// How fine the values are, and where they were kept.
fn origin(series: &Series) -> String {
    let kept = match series.source {
        SeriesSource::Embedded => "memdeck’s own store",
        SeriesSource::Influxdb => "InfluxDB",
        SeriesSource::Both => "InfluxDB, and memdeck’s own store from where that begins",
    };
    let told = format!("Steps of {}, from {kept}.", short(series.step_ms));
    match &series.notice {
        Some(reason) => format!("{told} What is older is missing: {reason}."),
        None => told,
    }
}

fn short(step: Millis) -> String {
    match step.0 / 1000 {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// A name that every file system takes.
fn file_name(guest: &str, device: Option<&str>, metric: Metric) -> String {
    let device = device.map(|device| format!("-{device}")).unwrap_or_default();
    let name = format!("{guest}{device}-{metric}");
    name.replace(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c), "_")
}

/// What the range is called: `the last 15 min`, for sentences.
pub fn range_in_words(range: Range) -> String {
    match range {
        Range::Live(span) => format!("the last {}", SPANS.get(span).map_or("", |(_, words, _)| *words)),
        Range::Fixed(..) => "this range".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(f64, f64, f64)]) -> Series {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        Series {
            uuid: "u".to_owned(),
            metric: Metric::NetRxBytes,
            device: None,
            per_second: true,
            from: at(0),
            to: at(100),
            step_ms: Millis(60_000),
            source: SeriesSource::Influxdb,
            notice: None,
            buckets: (0..)
                .zip(values)
                .map(|(second, (min, mean, max))| Bucket {
                    at: at(second),
                    min: *min,
                    mean: *mean,
                    max: *max,
                    raw: None,
                })
                .collect(),
        }
    }

    #[test]
    fn a_chart_is_told_in_words_in_the_unit_of_its_highest_value() {
        let told = in_words(Metric::NetRxBytes, &series(&[(0.0, 1024.0, 2048.0), (512.0, 3072.0, 4096.0)]));
        assert_eq!(told, "Last 3 KiB/s, mean 2 KiB/s, lowest 0 KiB/s, highest 4 KiB/s.");
        assert_eq!(in_words(Metric::State, &series(&[(1.0, 1.0, 1.0)])), "Last: yes.");
        assert_eq!(in_words(Metric::NetRxBytes, &series(&[])), "");
        assert_eq!(origin(&series(&[])), "Steps of 1 min, from InfluxDB.");
        let partly =
            Series { source: SeriesSource::Embedded, notice: Some("InfluxDB is away".into()), ..series(&[]) };
        assert_eq!(
            origin(&partly),
            "Steps of 1 min, from memdeck’s own store. What is older is missing: InfluxDB is away."
        );
    }

    #[test]
    fn a_file_has_a_name_that_can_be_used_anywhere() {
        assert_eq!(file_name("../web 01", Some("vda"), Metric::BlockReadBytes), ".._web_01-vda-rd_bytes");
    }
}

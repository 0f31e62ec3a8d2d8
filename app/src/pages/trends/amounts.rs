//! What the charts of the page show, made of the trends: the same numbers for the chart, the sentence and the table.

use memdeck_model::{
    Bin, ByteCount, CaptureMode, Distribution, GuestName, Millis, Timestamp, TrendStep, Trends,
};
use serde::Serialize;

use crate::ui::Drawing;
use crate::words::{grouped, shown};

/// What the numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Dumps.
    Dumps,
    /// Bytes.
    Bytes,
    /// Thousandths of a whole.
    Share,
    /// Thousandths of a bit per byte.
    Entropy,
    /// Programs.
    Programs,
}

impl Measure {
    /// A number of it.
    pub fn text(self, amount: u64) -> String {
        match self {
            Self::Dumps | Self::Programs => grouped(amount),
            Self::Bytes => ByteCount(amount).to_string(),
            Self::Share => format!("{}.{} %", amount / 10, amount % 10),
            Self::Entropy => format!("{}.{:02} bits per byte", amount / 1000, amount % 1000 / 10),
        }
    }

    /// What amounts up to `most` are divided by, and the unit of that.
    fn scale(self, most: u64) -> (f64, &'static str) {
        const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        match self {
            Self::Dumps | Self::Programs => (1.0, ""),
            Self::Share => (10.0, "%"),
            Self::Entropy => (1000.0, "bits per byte"),
            Self::Bytes => {
                let power = (most.max(1).ilog2() / 10).min(5);
                let unit =
                    usize::try_from(power).ok().and_then(|power| UNITS.get(power)).unwrap_or(&UNITS[0]);
                (1024_f64.powi(i32::try_from(power).unwrap_or(0)), unit)
            }
        }
    }
}

/// One amount in every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Amount {
    /// What it is.
    pub name: String,
    /// The custom property with its colour.
    pub colour: &'static str,
    /// In each row; `None` where it is not known.
    pub values: Vec<Option<u64>>,
}

/// What a row is called: below the axis, and where it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct RowName {
    pub short: String,
    /// In the table and above the chart.
    pub long: String,
}

/// What one chart shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Amounts {
    /// What is counted.
    pub measure: Measure,
    /// Whether each row goes on from the one before.
    pub is_running: bool,
    /// Whether the rows are stretches of time, which tables tell from the newest on.
    pub is_over_time: bool,
    /// What the rows are.
    pub row: &'static str,
    /// Their names.
    pub rows: Vec<RowName>,
    /// The amounts, the lowest first.
    pub parts: Vec<Amount>,
}

/// Of the guests with the most stored bytes.
const GUESTS: [&str; 8] =
    ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--chart-6", "--chart-7", "--chart-8"];

/// Dumps in each step by how they ended.
pub fn dumps(trends: &Trends, day: fn(Timestamp) -> String) -> Amounts {
    let amount = |name: &str, colour, of: fn(&TrendStep) -> u64| Amount {
        name: name.to_owned(),
        colour,
        values: trends.steps.iter().map(|step| Some(of(step))).collect(),
    };
    Amounts {
        parts: vec![
            amount("completed", "--chart-good", |step| step.completed),
            amount("failed", "--chart-bad", |step| step.failed),
            amount("cancelled", "--chart-rest", |step| step.cancelled),
        ],
        ..by_step(trends, Measure::Dumps, day)
    }
}

/// Stored bytes at the end of each step, by guest.
pub fn stored(trends: &Trends, day: fn(Timestamp) -> String) -> Amounts {
    let all: Vec<u64> = trends.steps.iter().map(|step| step.stored_bytes.0).collect();
    let mut rest = all;
    let mut amounts = Vec::new();
    let on_one_host = trends
        .guests
        .iter()
        .all(|guest| guest.host == trends.guests.first().and_then(|first| first.host.clone()));
    for (guest, colour) in trends.guests.iter().zip(GUESTS) {
        let values: Vec<u64> = guest.stored_bytes.iter().map(|bytes| bytes.0).collect();
        for (rest, value) in rest.iter_mut().zip(&values) {
            *rest = rest.saturating_sub(*value);
        }
        amounts.push(Amount {
            name: guest_name(&guest.dom, guest.host.as_deref().filter(|_| !on_one_host)),
            colour,
            values: known(&values),
        });
    }
    if rest.iter().any(|rest| *rest > 0) {
        amounts.push(Amount { name: "all others".to_owned(), colour: "--chart-rest", values: known(&rest) });
    }
    Amounts { is_running: true, parts: amounts, ..by_step(trends, Measure::Bytes, day) }
}

fn known(values: &[u64]) -> Vec<Option<u64>> {
    values.iter().copied().map(Some).collect()
}

fn guest_name(dom: &GuestName, host: Option<&str>) -> String {
    let dom = shown(&dom.0);
    host.map_or_else(|| dom.clone(), |host| format!("{host}/{dom}"))
}

fn by_step(trends: &Trends, measure: Measure, day: fn(Timestamp) -> String) -> Amounts {
    let name = |step: &TrendStep| {
        let date = day(step.at);
        let long = match trends.step_days {
            1 => date.clone(),
            days => format!("{days} days from {date}"),
        };
        let short = if trends.step_days < 365 { date.get(5..) } else { date.get(..4) };
        RowName { short: short.unwrap_or_default().to_owned(), long }
    };
    Amounts {
        measure,
        is_running: false,
        is_over_time: true,
        row: if trends.step_days == 1 { "Day" } else { "Days" },
        rows: trends.steps.iter().map(name).collect(),
        parts: Vec::new(),
    }
}

/// Dumps by how long guests stood still, for each mode.
pub fn pauses(trends: &Trends) -> Amounts {
    let of = |mode: CaptureMode| {
        trends.pauses.iter().find(|pauses| pauses.mode == mode).map(|pauses| &pauses.pauses)
    };
    let (live, frozen) = (of(CaptureMode::Live), of(CaptureMode::Frozen));
    let told = [("live", "--chart-1", live), ("frozen", "--chart-2", frozen)];
    by_length("Pause", told.into_iter().filter_map(|(name, colour, of)| Some((name, colour, of?))).collect())
}

/// Dumps by how long they took.
pub fn durations(trends: &Trends) -> Amounts {
    by_length("Duration", vec![("dumps", "--chart-1", &trends.durations)])
}

fn by_length(row: &'static str, of: Vec<(&str, &'static str, &Distribution)>) -> Amounts {
    let bins: Vec<Bin> =
        of.iter().flat_map(|(_, _, distribution)| distribution.bins.iter().copied()).collect();
    let mut rows: Vec<Bin> = Vec::new();
    for bin in bins {
        if !rows.iter().any(|row| row.from_ms == bin.from_ms) {
            rows.push(bin);
        }
    }
    rows.sort_by_key(|bin| bin.from_ms);
    let amount = |(name, colour, distribution): (&str, &'static str, &Distribution)| Amount {
        name: name.to_owned(),
        colour,
        values: rows.iter().map(|row| Some(count_of(distribution, *row))).collect(),
    };
    let amounts = of.into_iter().map(amount).collect();
    let name = |bin: &Bin| RowName {
        short: short(bin.from_ms),
        long: if bin.to_ms.0 == u64::MAX {
            format!("{} and more", short(bin.from_ms))
        } else {
            format!("{} to {}", short(bin.from_ms), short(bin.to_ms))
        },
    };
    Amounts {
        measure: Measure::Dumps,
        is_running: false,
        is_over_time: false,
        row,
        rows: rows.iter().map(name).collect(),
        parts: amounts,
    }
}

fn count_of(distribution: &Distribution, row: Bin) -> u64 {
    distribution.bins.iter().find(|bin| bin.from_ms == row.from_ms).map_or(0, |bin| bin.count)
}

/// A bound of a bin, which is a round number.
fn short(time: Millis) -> String {
    match time.0 {
        0 => "0".to_owned(),
        ms @ 1..1_000 => format!("{ms} ms"),
        ms => format!("{} s", grouped(ms / 1_000)),
    }
}

/// What `public/amount-chart.js` calls the settings of a chart.
#[derive(Serialize)]
struct Settings<'a> {
    areas: bool,
    unit: &'static str,
    whole: bool,
    labels: Vec<&'a str>,
    titles: Vec<&'a str>,
    series: Vec<SeriesSettings<'a>>,
}

#[derive(Serialize)]
struct SeriesSettings<'a> {
    name: &'a str,
    colour: &'static str,
}

impl Amounts {
    /// Whether there is nothing to draw. That nothing changed is something, too.
    pub fn is_empty(&self) -> bool {
        let is_nothing = |value: &Option<u64>| match self.measure {
            Measure::Dumps | Measure::Bytes => value.is_none_or(|value| value == 0),
            Measure::Share | Measure::Entropy | Measure::Programs => value.is_none(),
        };
        self.parts.iter().all(|amount| amount.values.iter().all(is_nothing))
    }

    /// What the chart draws; what is not known as not a number.
    pub fn drawing(&self) -> Drawing {
        let sum =
            |row: usize| self.parts.iter().filter_map(|amount| amount.values.get(row).copied()?).sum::<u64>();
        let most = (0..self.rows.len()).map(sum).max().unwrap_or(0);
        let (divisor, unit) = self.measure.scale(most);
        let series =
            self.parts.iter().map(|amount| SeriesSettings { name: &amount.name, colour: amount.colour });
        let settings = Settings {
            areas: self.is_running,
            unit,
            whole: matches!(self.measure, Measure::Dumps | Measure::Programs),
            labels: self.rows.iter().map(|row| row.short.as_str()).collect(),
            titles: self.rows.iter().map(|row| row.long.as_str()).collect(),
            series: series.collect(),
        };
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let drawn = |value: &Option<u64>| value.map_or(f64::NAN, |value| value as f64 / divisor);
        let columns = self.parts.iter().flat_map(|amount| amount.values.iter().map(drawn));
        Drawing {
            settings: serde_json::to_string(&settings).unwrap_or_default(),
            columns: columns.collect(),
            marks: String::new(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use memdeck_model::{PausesByMode, StoredByGuest};

    use super::*;

    pub fn trends() -> Trends {
        let at = |day: i64| Timestamp::from_unix_micros(day * 86_400_000_000).unwrap();
        let step = |day, completed, stored| TrendStep {
            at: at(day),
            completed,
            failed: 1,
            cancelled: 0,
            stored_bytes: ByteCount(stored),
        };
        let guest = |dom: &str, host: &str, bytes: [u64; 2]| StoredByGuest {
            dom: GuestName(dom.to_owned()),
            host: Some(host.to_owned()),
            stored_bytes: bytes.map(ByteCount).to_vec(),
        };
        let bin = |from, to, count| Bin { from_ms: Millis(from), to_ms: Millis(to), count };
        let distribution = |bins: &[Bin]| Distribution {
            count: bins.iter().map(|bin| bin.count).sum(),
            median_ms: Some(Millis(45)),
            p95_ms: Some(Millis(80)),
            max_ms: Some(Millis(90)),
            bins: bins.to_vec(),
        };
        let live = distribution(&[bin(20, 50, 3), bin(50, 100, 1)]);
        let frozen = distribution(&[bin(500, 1_000, 2)]);
        let of = |mode, pauses| PausesByMode { mode, pauses };
        Trends {
            from: at(0),
            to: at(2),
            step_days: 1,
            steps: vec![step(0, 2, 3 << 30), step(1, 5, 4 << 30)],
            guests: vec![
                guest("web-01", "hv1", [1 << 30, 2 << 30]),
                guest("db-01", "hv1", [1 << 30, 1 << 30]),
            ],
            pauses: vec![of(CaptureMode::Live, live), of(CaptureMode::Frozen, frozen)],
            durations: distribution(&[bin(1_000, 2_000, 7)]),
            volumes: Vec::new(),
        }
    }

    fn day(at: Timestamp) -> String {
        at.to_string()[..10].to_owned()
    }

    fn values(amounts: &Amounts) -> Vec<(&str, Vec<u64>)> {
        let known = |amount: &Amount| amount.values.iter().copied().map(Option::unwrap).collect();
        amounts.parts.iter().map(|amount| (amount.name.as_str(), known(amount))).collect()
    }

    #[test]
    fn what_no_guest_of_the_largest_has_is_told_as_all_others() {
        let told = stored(&trends(), day);
        let gib = 1_u64 << 30;
        assert_eq!(
            values(&told),
            [("web-01", vec![gib, 2 * gib]), ("db-01", vec![gib, gib]), ("all others", vec![gib, gib])]
        );
        let drawn = told.drawing();
        assert_eq!(drawn.columns, [1.0, 2.0, 1.0, 1.0, 1.0, 1.0]);
        assert!(
            drawn.settings.contains(r#""areas":true,"unit":"GiB","whole":false,"labels":["01-01","01-02"]"#)
        );
    }

    #[test]
    fn guests_are_told_with_their_hosts_where_there_is_more_than_one() {
        let mut trends = trends();
        trends.guests[1].host = Some("hv2".to_owned());
        assert_eq!(values(&stored(&trends, day))[0].0, "hv1/web-01");
    }

    #[test]
    fn bins_of_both_modes_stand_on_one_axis() {
        let told = pauses(&trends());
        let rows: Vec<_> = told.rows.iter().map(|row| row.long.as_str()).collect();
        assert_eq!(rows, ["20 ms to 50 ms", "50 ms to 100 ms", "500 ms to 1 s"]);
        assert_eq!(values(&told), [("live", vec![3, 1, 0]), ("frozen", vec![0, 0, 2])]);
    }

    #[test]
    fn steps_of_weeks_say_where_they_begin() {
        let trends = Trends { step_days: 7, ..trends() };
        assert_eq!(dumps(&trends, day).rows[1].long, "7 days from 1970-01-02");
        assert_eq!(values(&dumps(&trends, day))[0], ("completed", vec![2, 5]));
    }
}

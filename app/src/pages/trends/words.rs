//! What the charts show, in sentences.

use memdeck_model::{
    ByteCount, CaptureMode, Distribution, LEAST_DAYS, LEAST_DUMPS, Outlook, Timestamp, Trends,
    VolumeForecast, decimal,
};

use crate::words::grouped;

/// How many dumps there were.
pub fn about_dumps(trends: &Trends) -> String {
    let sum = |of: fn(&memdeck_model::TrendStep) -> u64| trends.steps.iter().map(of).sum::<u64>();
    let [completed, failed, cancelled] =
        [sum(|step| step.completed), sum(|step| step.failed), sum(|step| step.cancelled)].map(grouped);
    format!("{completed} completed, {failed} failed, {cancelled} cancelled.")
}

/// How much is kept.
pub fn about_stored(trends: &Trends) -> String {
    let Some(last) = trends.steps.last() else { return String::new() };
    let largest = trends.guests.first().and_then(|guest| Some((guest, guest.stored_bytes.last()?)));
    let guest =
        largest.map(|(guest, bytes)| format!(", {bytes} of it of {}", crate::words::shown(&guest.dom.0)));
    format!("{} kept at the end{}.", last.stored_bytes, guest.unwrap_or_default())
}

/// How long guests stood still.
pub fn about_pauses(trends: &Trends) -> String {
    let told = trends.pauses.iter().filter(|pauses| pauses.pauses.count > 0).map(|pauses| {
        let mode = match pauses.mode {
            CaptureMode::Live => "Live",
            CaptureMode::Frozen => "Frozen",
        };
        format!("{mode}: {}", about_durations(&pauses.pauses))
    });
    told.collect::<Vec<_>>().join(" ")
}

/// How long something took.
pub fn about_durations(distribution: &Distribution) -> String {
    let Distribution { count, median_ms: Some(median), p95_ms: Some(most), max_ms: Some(longest), .. } =
        distribution
    else {
        return String::new();
    };
    format!("half of {} within {median}, 95 % within {most}, the longest {longest}.", counted(*count))
}

/// `1 dump`, `1,200 dumps`.
fn counted(dumps: u64) -> String {
    format!("{} {}", grouped(dumps), if dumps == 1 { "dump" } else { "dumps" })
}

/// What is to be expected of a volume, and what that rests on. `day` writes a day.
pub fn about_volume(volume: &VolumeForecast, day: fn(Timestamp) -> String) -> (String, String) {
    let free = volume.free_bytes;
    let days = decimal(volume.days, usize::from(volume.days < 9.95));
    let dumps = counted(volume.dumps);
    let rests_on = |net: i64| {
        let rate = ByteCount(net.unsigned_abs());
        let change = if net < 0 { "less" } else { "more" };
        format!(
            "Based on {dumps} in {days} days: {rate} a day {change}, deleted images subtracted. {free} is free."
        )
    };
    match (volume.outlook, volume.bytes_per_day, volume.full_at) {
        (Outlook::Fills, Some(net), Some(at)) => (format!("Full about {}", day(at)), rests_on(net)),
        (Outlook::Lasts, Some(net), _) if net <= 0 => ("It does not fill".to_owned(), rests_on(net)),
        (Outlook::Lasts, Some(net), _) => ("Not full within ten years".to_owned(), rests_on(net)),
        _ => (
            "Not enough dumps to say".to_owned(),
            format!(
                "{dumps} in this range; {LEAST_DUMPS} that lie {LEAST_DAYS} days apart are needed. {free} is free."
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::Millis;

    use super::super::amounts::tests::trends;
    use super::*;

    #[test]
    fn every_chart_is_told_in_a_sentence() {
        let trends = trends();
        assert_eq!(about_dumps(&trends), "7 completed, 2 failed, 0 cancelled.");
        assert_eq!(about_stored(&trends), "4.00 GiB kept at the end, 2.00 GiB of it of web-01.");
        assert_eq!(
            about_pauses(&trends),
            "Live: half of 4 dumps within 45 ms, 95 % within 80 ms, the longest 90 ms. \
             Frozen: half of 2 dumps within 45 ms, 95 % within 80 ms, the longest 90 ms."
        );
        assert_eq!(about_durations(&Distribution::default()), "");
    }

    #[test]
    fn a_forecast_says_what_it_rests_on() {
        let fills = VolumeForecast {
            host: "hv1".to_owned(),
            free_bytes: ByteCount(100 << 30),
            outlook: Outlook::Fills,
            bytes_per_day: Some(2 << 30),
            full_at: Some(Timestamp::from_unix_micros(0).unwrap().plus(Millis(50 * 86_400_000))),
            dumps: 45,
            days: 30.0,
        };
        let day = |at: Timestamp| at.to_string()[..10].to_owned();
        assert_eq!(
            about_volume(&fills, day),
            (
                "Full about 1970-02-20".to_owned(),
                "Based on 45 dumps in 30 days: 2.00 GiB a day more, deleted images subtracted. 100 GiB is free."
                    .to_owned()
            )
        );
        let lasts =
            VolumeForecast { outlook: Outlook::Lasts, bytes_per_day: Some(-1024), full_at: None, ..fills };
        assert_eq!(about_volume(&lasts, day).0, "It does not fill");
        let little = VolumeForecast { bytes_per_day: Some(1), ..lasts.clone() };
        assert_eq!(about_volume(&little, day).0, "Not full within ten years");
        let few = VolumeForecast { outlook: Outlook::TooFewDumps, bytes_per_day: None, dumps: 1, ..lasts };
        assert_eq!(
            about_volume(&few, day),
            (
                "Not enough dumps to say".to_owned(),
                "1 dump in this range; 5 that lie 3 days apart are needed. 100 GiB is free.".to_owned()
            )
        );
    }
}

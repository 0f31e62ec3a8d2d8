//! When a volume will be full.

use serde::{Deserialize, Serialize};

use super::range::{DAY, TrendRange};
use crate::{ByteCount, Millis, Timestamp};

/// What was written to a volume and removed from it in a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Growth {
    /// Completed dumps.
    pub dumps: u64,
    /// When the first of them began.
    pub first: Option<Timestamp>,
    /// When the last of them began.
    pub last: Option<Timestamp>,
    /// Bytes that were added, less those that were deleted, in each step of the range.
    pub net: Vec<i64>,
}

/// When a volume will be full, if dumps are taken and deleted as they were in the range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumeForecast {
    /// The host.
    pub host: String,
    /// What is free on the volume now.
    pub free_bytes: ByteCount,
    /// What is to be expected.
    pub outlook: Outlook,
    /// How fast the volume has filled; negative where more was deleted than added. `None` with too few dumps.
    pub bytes_per_day: Option<i64>,
    /// When it will be full.
    pub full_at: Option<Timestamp>,
    /// The dumps that this rests on.
    pub dumps: u64,
    /// The days that this rests on: from the first of those dumps, or the beginning of the range, to its end.
    pub days: f64,
}

/// What is to be expected of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outlook {
    /// It is full at a time that is told.
    Fills,
    /// It does not fill, or not within ten years.
    Lasts,
    /// There are too few dumps, or they lie too near to each other, to say.
    TooFewDumps,
}

/// What a forecast needs at least.
pub const LEAST_DUMPS: u64 = 5;
/// So many days must lie between the first dump and the last one that a forecast rests on.
pub const LEAST_DAYS: u64 = 3;
/// Further ahead nothing is told.
const HORIZON_DAYS: f64 = 3652.0;

impl VolumeForecast {
    /// For the volume of `host` with `free` bytes, at `now`, from what was written to it in `range`.
    #[must_use]
    pub fn of(host: &str, free: ByteCount, growth: &Growth, range: TrendRange, now: Timestamp) -> Self {
        let none = |days| Self {
            host: host.to_owned(),
            free_bytes: free,
            outlook: Outlook::TooFewDumps,
            bytes_per_day: None,
            full_at: None,
            dumps: growth.dumps,
            days,
        };
        let (Some(first), Some(last)) = (growth.first, growth.last) else { return none(0.0) };
        let until = range.to().min(now).max(last);
        let days = in_days(until.since(first));
        if growth.dumps < LEAST_DUMPS || last.since(first).0 < LEAST_DAYS * DAY.0 {
            return none(days);
        }
        #[expect(clippy::cast_precision_loss, reason = "a forecast is no exact number")]
        let (net, room) = (growth.net.iter().map(|net| *net as f64).sum::<f64>(), free.0 as f64);
        let per_day = net / days;
        let left = if per_day > 0.0 { room / per_day } else { f64::INFINITY };
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let bytes_per_day = Some(per_day.round() as i64);
        if left > HORIZON_DAYS {
            return Self { outlook: Outlook::Lasts, bytes_per_day, ..none(days) };
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and ten years"
        )]
        #[expect(clippy::cast_precision_loss, reason = "the length of a day")]
        let left = Millis((left * DAY.0 as f64) as u64);
        Self { outlook: Outlook::Fills, bytes_per_day, full_at: Some(now.plus(left)), ..none(days) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds stay within 53 bits")]
fn in_days(time: Millis) -> f64 {
    time.0 as f64 / DAY.0 as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_unix_micros(day * 86_400_000_000).unwrap()
    }

    fn forecast(dumps: u64, first: i64, last: i64, net: &[i64]) -> VolumeForecast {
        let growth = Growth { dumps, first: Some(day(first)), last: Some(day(last)), net: net.to_vec() };
        let range = TrendRange::new(day(0), day(10)).unwrap();
        VolumeForecast::of("hv1", ByteCount(1000), &growth, range, day(10))
    }

    #[test]
    fn a_volume_is_full_when_what_is_free_is_used_up_at_the_rate_of_the_range() {
        let told = forecast(10, 0, 9, &[100, 100]);
        assert_eq!(
            (told.outlook, told.bytes_per_day, told.full_at),
            (Outlook::Fills, Some(20), Some(day(60)))
        );
        assert_eq!((told.dumps, told.days), (10, 10.0));
        let began_late = forecast(10, 5, 9, &[100]);
        assert_eq!((began_late.bytes_per_day, began_late.days), (Some(20), 5.0));
    }

    #[test]
    fn a_volume_lasts_where_as_much_is_deleted_as_added_or_hardly_anything_is() {
        assert_eq!(forecast(10, 0, 9, &[500, -600]).outlook, Outlook::Lasts);
        assert_eq!(forecast(10, 0, 9, &[500, -600]).bytes_per_day, Some(-10));
        assert_eq!(forecast(10, 0, 9, &[1]).outlook, Outlook::Lasts);
    }

    #[test]
    fn few_dumps_or_dumps_of_a_few_hours_tell_nothing() {
        for told in [forecast(4, 0, 9, &[100]), forecast(100, 0, 2, &[100])] {
            assert_eq!((told.outlook, told.bytes_per_day, told.full_at), (Outlook::TooFewDumps, None, None));
        }
        let range = TrendRange::new(day(0), day(10)).unwrap();
        let none = VolumeForecast::of("hv1", ByteCount(1), &Growth::default(), range, day(10));
        assert_eq!((none.outlook, none.dumps), (Outlook::TooFewDumps, 0));
    }
}

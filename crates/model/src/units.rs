//! Units as types, so that a byte count is never added to a duration.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::calendar::{self, InstantError};
use crate::decimal;

/// A number of bytes. Displays in IEC units (`1.50 GiB`), serialises as a plain integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct ByteCount(pub u64);

impl ByteCount {
    /// The number of bytes in `kib` KiB; saturates at `u64::MAX`.
    #[must_use]
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib.saturating_mul(1024))
    }

    /// The number of bytes in `mib` MiB; saturates at `u64::MAX`.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self::from_kib(mib.saturating_mul(1024))
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = UNITS[0];
        for next in &UNITS[1..] {
            // Below 999.5 three digits are enough; above it the next unit reads better than `1000 MiB`.
            if value < 999.5 {
                break;
            }
            value /= 1024.0;
            unit = next;
        }
        let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
        write!(f, "{} {unit}", decimal(value, decimals))
    }
}

/// An address in a guest's physical memory. Displays in hexadecimal (`0xfffc0000`), serialises as a plain integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct GuestPhysAddr(pub u64);

impl fmt::Display for GuestPhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A duration in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Millis(pub u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "a display of at most a few hours")]
        let seconds = self.0 as f64 / 1000.0;
        match self.0 {
            0..1_000 => write!(f, "{} ms", self.0),
            1_000..60_000 => write!(f, "{} s", decimal(seconds, 2)),
            60_000..3_600_000 => write!(f, "{} min {:02} s", self.0 / 60_000, self.0 / 1_000 % 60),
            _ => write!(f, "{} h {:02} min", self.0 / 3_600_000, self.0 / 60_000 % 60),
        }
    }
}

impl From<std::time::Duration> for Millis {
    fn from(duration: std::time::Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

/// An instant, RFC 3339 in UTC with microseconds on the wire (`2025-11-14T08:58:23.550273Z`).
///
/// Kept to whole microseconds, so that an instant survives every store it passes through unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `micros` microseconds after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// The instant is outside of the years -9999 to 9999.
    pub fn from_unix_micros(micros: i64) -> Result<Self, InstantError> {
        calendar::checked(micros).map(Self)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_micros(self) -> i64 {
        self.0
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z, the unit of InfluxDB.
    #[must_use]
    pub fn unix_nanos(self) -> i128 {
        i128::from(self.0) * 1000
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0 / 1_000_000
    }

    /// The time from `earlier` to `self`; zero where `earlier` is later (a clock was set back).
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        let micros = self.unix_micros().saturating_sub(earlier.unix_micros()).max(0);
        Millis(micros.unsigned_abs() / 1000)
    }

    /// `self` moved back by `millis`; saturates at the beginning of time.
    #[must_use]
    pub fn minus(self, millis: Millis) -> Self {
        let micros = i64::try_from(millis.0).unwrap_or(i64::MAX).saturating_mul(1000);
        Self::from_unix_micros(self.unix_micros().saturating_sub(micros)).unwrap_or(self)
    }

    /// The start of the second that `self` lies in.
    #[must_use]
    pub fn to_the_second(self) -> Self {
        let micros = self.unix_micros();
        Self::from_unix_micros(micros - micros.rem_euclid(1_000_000)).unwrap_or(self)
    }

    /// `self` moved by `millis`; saturates at the end of time.
    #[must_use]
    pub fn plus(self, millis: Millis) -> Self {
        let micros = i64::try_from(millis.0).unwrap_or(i64::MAX).saturating_mul(1000);
        Self::from_unix_micros(self.unix_micros().saturating_add(micros)).unwrap_or(self)
    }
}

impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Self {
        let micros = match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        };
        Self(calendar::checked(micros).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        calendar::write(self.0, f)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = InstantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        calendar::read(text).map(Self)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_read_as_iec_units() {
        let shown =
            [0, 1023, 1024, 1_023_488, 1_048_576, 537_133_056, u64::MAX].map(|n| ByteCount(n).to_string());
        assert_eq!(shown, ["0 B", "1023 B", "1.00 KiB", "0.98 MiB", "1.00 MiB", "512 MiB", "16384 PiB"]);
    }

    #[test]
    fn durations_read_as_a_person_says_them() {
        let shown = [0, 999, 1_000, 59_999, 61_000, 3_660_000].map(|n| Millis(n).to_string());
        assert_eq!(shown, ["0 ms", "999 ms", "1.00 s", "60.00 s", "1 min 01 s", "1 h 01 min"]);
    }

    #[test]
    fn an_instant_before_another_is_zero_away_from_it() {
        let early = Timestamp::from_unix_micros(1_000_000).unwrap();
        let late = Timestamp::from_unix_micros(3_500_000).unwrap();
        assert_eq!(late.since(early), Millis(2_500));
        assert_eq!(early.since(late), Millis(0));
    }

    proptest! {
        #[test]
        fn an_instant_survives_its_text(micros in -377_705_023_201_000_000_i64..253_402_207_200_000_000) {
            let instant = Timestamp::from_unix_micros(micros).unwrap();
            prop_assert_eq!(instant.to_string().parse::<Timestamp>().unwrap(), instant);
            let json = serde_json::to_string(&instant).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), instant);
        }
    }
}

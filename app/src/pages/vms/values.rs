//! What a card shows of a guest's load, in words.

use memdeck_model::decimal;
use memdeck_model::telemetry::{LiveSummary, change_degrees, needle_degrees};

use crate::ui::Mark;
use crate::words::measured;

const MIB: f64 = 1_048_576.0;

/// The scale of a share: a quarter of a circle is 100 %.
pub const SHARE_MARKS: &[Mark] = &[(0.0, "0"), (45.0, "50"), (90.0, "100")];
/// The scale of bytes per second, in powers of ten.
pub const BYTES_MARKS: &[Mark] = &[(0.0, "1"), (38.66, "10k"), (60.95, "1G")];

/// One gauge: where its needle stands, and its number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// 0 to 90.
    pub degrees: Option<f64>,
    /// `12 %`, `1.25 MiB/s`.
    pub number: Option<String>,
}

/// Everything on a card that changes each second. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// Of the guest's vCPUs.
    pub cpu: Reading,
    /// Of its memory.
    pub memory: Reading,
    /// Read and written together.
    pub disk: Reading,
    /// Read from disk.
    pub read: Option<String>,
    /// Written to disk.
    pub written: Option<String>,
    /// Received from the network.
    pub received: Option<String>,
    /// Sent to the network.
    pub sent: Option<String>,
    /// How fast the CPU's share changes.
    pub cpu_change: Option<String>,
    /// How fast the memory's share changes.
    pub memory_change: Option<String>,
}

impl Values {
    /// Of `now`; `before` is the summary before it.
    pub fn of(now: &LiveSummary, before: Option<&LiveSummary>) -> Self {
        let change = |share: fn(&LiveSummary) -> Option<f64>| {
            let before = before?;
            let passed_ms = now.at.since(before.at).0;
            let change = share(now)? - share(before)?;
            #[expect(clippy::cast_precision_loss, reason = "seconds")]
            (passed_ms > 0).then(|| change_in_words(change * 1000.0 / passed_ms as f64))
        };
        let disk = match (now.disk_read, now.disk_write) {
            (None, None) => None,
            (read, written) => Some(read.unwrap_or_default() + written.unwrap_or_default()),
        };
        Self {
            cpu: share_of(now.cpu_pct),
            memory: share_of(now.memory_pct),
            disk: Reading { degrees: disk.map(needle_degrees), number: disk.map(bytes_per_second) },
            read: now.disk_read.map(bytes_per_second),
            written: now.disk_write.map(bytes_per_second),
            received: now.net_rx.map(bytes_per_second),
            sent: now.net_tx.map(bytes_per_second),
            cpu_change: change(|summary| summary.cpu_pct),
            memory_change: change(|summary| summary.memory_pct),
        }
    }
}

fn share_of(percent: Option<f64>) -> Reading {
    Reading {
        degrees: percent.map(|percent| percent * 0.9),
        number: percent.map(|percent| format!("{} %", decimal(percent, 1))),
    }
}

fn bytes_per_second(bytes: f64) -> String {
    format!("{} MiB/s", measured(bytes / MIB))
}

/// `+2.5 %/s (68°)`: the share's change per second, and how steep that is.
fn change_in_words(per_second: f64) -> String {
    // What rounds to nothing has no sign.
    let rounded = (per_second * 10.0).round() / 10.0;
    match rounded {
        0.0 => "steady (0°)".to_owned(),
        change => {
            let sign = if change > 0.0 { "+" } else { "−" };
            let degrees = change_degrees(per_second).abs();
            format!("{sign}{} %/s ({sign}{}°)", decimal(change.abs(), 1), decimal(degrees, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestState, Timestamp};

    use super::*;

    fn summary(second: i64) -> LiveSummary {
        let at = Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        LiveSummary::unmeasured("u", GuestState::Running, at)
    }

    #[test]
    fn what_is_not_measured_is_not_0() {
        assert_eq!(Values::of(&summary(1), Some(&summary(0))), Values::default());
    }

    #[test]
    fn gauges_have_a_needle_and_a_number() {
        let now = LiveSummary {
            cpu_pct: Some(50.0),
            memory_pct: Some(100.0),
            disk_read: Some(60_000.0),
            disk_write: Some(40_000.0),
            net_rx: Some(2.5 * MIB),
            ..summary(1)
        };
        let values = Values::of(&now, None);
        assert_eq!(values.cpu, Reading { degrees: Some(45.0), number: Some("50.0 %".into()) });
        assert_eq!(values.memory.degrees, Some(90.0));
        assert!((values.disk.degrees.unwrap() - 45.0).abs() < 1e-9, "100,000 bytes a second");
        assert_eq!(values.disk.number.as_deref(), Some("0.10 MiB/s"));
        assert_eq!((values.received.as_deref(), values.sent), (Some("2.50 MiB/s"), None));
        assert_eq!(values.cpu_change, None, "nothing to compare with");
    }

    #[test]
    fn changes_are_per_second_and_have_a_direction() {
        let at = |second, cpu_pct, memory_pct| LiveSummary {
            cpu_pct: Some(cpu_pct),
            memory_pct: Some(memory_pct),
            ..summary(second)
        };
        let values = Values::of(&at(12, 12.0, 40.01), Some(&at(10, 10.0, 40.0)));
        assert_eq!(values.cpu_change.as_deref(), Some("+1.0 %/s (+45°)"));
        assert_eq!(values.memory_change.as_deref(), Some("steady (0°)"));
        let falls = Values::of(&at(12, 0.0, 40.0), Some(&at(10, 10.0, 40.0)));
        assert_eq!(falls.cpu_change.as_deref(), Some("−5.0 %/s (−79°)"));
        assert_eq!(Values::of(&at(10, 1.0, 1.0), Some(&at(10, 2.0, 2.0))).cpu_change, None);
    }
}

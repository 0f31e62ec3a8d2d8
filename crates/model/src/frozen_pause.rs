//! How long a guest stands still for a frozen dump, by what was measured, and how long it may.

use serde::{Deserialize, Serialize};

use crate::{ByteCount, Guest, GuestState, Millis, ModeChoice};

/// The pause limit of a dump service, and how fast its host reads a guest that stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FrozenPause {
    /// `FROZEN_PAUSE_LIMIT`: the longest a running guest may stand still for a dump. At the limit the dump ends.
    pub limit_ms: Millis,
    /// Bytes of a guest's memory read in a second of its pause: the median of the newest frozen dumps of this host. Null
    /// where none was measured yet.
    #[serde(default)]
    pub bytes_per_s: Option<ByteCount>,
    /// How many dumps it is the median of.
    #[serde(default)]
    pub measured_from: u32,
}

impl FrozenPause {
    /// From the limit, and the size and the pause of each dump that counts. One that took no time says nothing.
    #[must_use]
    pub fn measured(limit: Millis, dumps: &[(ByteCount, Millis)]) -> Self {
        let mut rates: Vec<u64> = dumps.iter().filter_map(|(size, pause)| rate(*size, *pause)).collect();
        rates.sort_unstable();
        // Of an even number the slower one: a warning too many is the smaller evil.
        let median = rates.get(rates.len().saturating_sub(1) / 2).copied();
        Self {
            limit_ms: limit,
            bytes_per_s: median.map(ByteCount),
            measured_from: u32::try_from(rates.len()).unwrap_or(u32::MAX),
        }
    }

    /// How long a guest of `memory` is expected to stand still; `None` if nothing was measured yet.
    #[must_use]
    pub fn expected(&self, memory: ByteCount) -> Option<Millis> {
        expected_pause(memory, self.bytes_per_s?)
    }

    /// The warning before `guests` are dumped in this mode: that some would stand still for longer than the limit, and for how
    /// long the largest of them. `None` if none would, and where nothing was measured. `name` writes a guest's name.
    #[must_use]
    pub fn warning(
        &self,
        mode: ModeChoice,
        guests: &[Guest],
        name: impl Fn(&str) -> String,
    ) -> Option<String> {
        let too_long = self.too_long(mode, guests);
        let (largest, pause) = too_long.first()?;
        let (largest, size) = (name(&largest.name.0), largest.memory_max);
        let (pause, limit) = (in_round_numbers(*pause), seconds(self.limit_ms));
        let if_frozen = if mode == ModeChoice::Auto { ", if live is not possible," } else { "" };
        let what = match too_long.len() {
            1 => format!(
                "{largest} ({size}){if_frozen} would stand still for {pause}; its dump is ended at the limit of {limit}."
            ),
            count => format!(
                "{count} guests{if_frozen} would stand still for too long, {largest} ({size}) for {pause}; a dump is ended \
                 at the limit of {limit}."
            ),
        };
        Some(format!("{what} Choose live, or raise FROZEN_PAUSE_LIMIT."))
    }

    /// The guests that would stand still for longer than the limit if they were dumped in this mode, and for how long; the
    /// longest first.
    #[must_use]
    pub fn too_long<'a>(&self, mode: ModeChoice, guests: &'a [Guest]) -> Vec<(&'a Guest, Millis)> {
        if mode == ModeChoice::Live {
            return Vec::new();
        }
        // One that is stopped already has no limit.
        let runs = |guest: &&Guest| matches!(guest.state, GuestState::Running | GuestState::Blocked);
        let mut too_long: Vec<_> = guests
            .iter()
            .filter(runs)
            // All that it may have is read, whatever its balloon took away.
            .filter_map(|guest| Some((guest, self.expected(guest.memory_max)?)))
            .filter(|(_, pause)| *pause > self.limit_ms)
            .collect();
        too_long.sort_by_key(|(_, pause)| std::cmp::Reverse(*pause));
        too_long
    }
}

/// How long reading `memory` takes at `bytes_per_s`, rounded up; `None` at a rate of nothing.
#[must_use]
pub fn expected_pause(memory: ByteCount, bytes_per_s: ByteCount) -> Option<Millis> {
    let rate = u128::from(bytes_per_s.0);
    if rate == 0 {
        return None;
    }
    let millis = (u128::from(memory.0) * 1000).div_ceil(rate);
    Some(Millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

/// An expected pause as a person says it, rounded up.
#[must_use]
pub fn in_round_numbers(pause: Millis) -> String {
    match pause.0.div_ceil(1000) {
        0..=1 => "about a second".to_owned(),
        seconds @ 2..=119 => format!("about {seconds} s"),
        seconds => format!("about {} min", seconds.div_ceil(60)),
    }
}

/// Bytes per second, rounded up, so that the same memory is expected to take as long again and not a millisecond more;
/// `None` if nothing was read or it took no time.
fn rate(size: ByteCount, pause: Millis) -> Option<u64> {
    if size.0 == 0 || pause.0 == 0 {
        return None;
    }
    let rate = (u128::from(size.0) * 1000).div_ceil(u128::from(pause.0));
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// In the unit of the setting, and to its last digit.
fn seconds(limit: Millis) -> String {
    match (limit.0 / 1000, limit.0 % 1000) {
        (whole, 0) => format!("{whole} s"),
        (whole, rest) => format!("{} s", format!("{whole}.{rest:03}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::GuestName;

    const LIMIT: Millis = Millis(30_000);

    fn gib(gib: u64) -> ByteCount {
        ByteCount::from_mib(gib * 1024)
    }

    fn guest(name: &str, memory: ByteCount) -> Guest {
        Guest {
            host: None,
            id: Some(1),
            name: GuestName(name.into()),
            uuid: name.into(),
            state: GuestState::Running,
            vcpus: 1,
            memory_max: memory,
            memory,
            cpu_time_ns: 0,
        }
    }

    /// 1.5 s per GiB.
    fn slow() -> FrozenPause {
        FrozenPause::measured(LIMIT, &[(gib(2), Millis(3_000))])
    }

    fn warning(mode: ModeChoice, guests: &[Guest]) -> Option<String> {
        slow().warning(mode, guests, ToOwned::to_owned)
    }

    #[test]
    fn the_rate_is_the_median_and_of_two_the_slower() {
        let dump = |mib_per_s: u64| (ByteCount::from_mib(mib_per_s), Millis(1_000));
        let rate = |dumps: &[(ByteCount, Millis)]| {
            let measured = FrozenPause::measured(LIMIT, dumps);
            (measured.bytes_per_s, measured.measured_from)
        };
        assert_eq!(rate(&[]), (None, 0));
        assert_eq!(rate(&[dump(900)]), (Some(ByteCount::from_mib(900)), 1));
        assert_eq!(rate(&[dump(900), dump(400)]), (Some(ByteCount::from_mib(400)), 2));
        assert_eq!(rate(&[dump(900), dump(20), dump(700)]), (Some(ByteCount::from_mib(700)), 3));
    }

    #[test]
    fn what_took_no_time_or_read_nothing_was_not_measured() {
        let nothing = [(gib(1), Millis(0)), (ByteCount(0), Millis(500))];
        let measured = FrozenPause::measured(LIMIT, &nothing);
        assert_eq!(measured, FrozenPause { limit_ms: LIMIT, bytes_per_s: None, measured_from: 0 });
        assert_eq!(measured.expected(gib(1)), None);
        let guests = [guest("big-01", gib(4096))];
        assert_eq!(measured.warning(ModeChoice::Frozen, &guests, ToOwned::to_owned), None);
    }

    #[test]
    fn the_expected_pause_is_the_memory_by_the_rate_rounded_up() {
        let told = [(0, 1), (1, 1), (1, 1_000), (1_001, 1_000_000), (5, 3)]
            .map(|(memory, rate)| expected_pause(ByteCount(memory), ByteCount(rate)).unwrap().0);
        assert_eq!(told, [0, 1_000, 1, 2, 1_667]);
        assert_eq!(expected_pause(gib(1), ByteCount(0)), None);
        assert_eq!(expected_pause(ByteCount(u64::MAX), ByteCount(1)), Some(Millis(u64::MAX)));
    }

    #[test]
    fn a_guest_that_is_too_large_is_named_with_its_size_its_pause_and_the_limit() {
        let big = [guest("web-01", gib(1)), guest("big-01", gib(64))];
        assert_eq!(
            warning(ModeChoice::Frozen, &big).unwrap(),
            "big-01 (64.0 GiB) would stand still for about 96 s; its dump is ended at the limit of 30 s. Choose live, or \
             raise FROZEN_PAUSE_LIMIT."
        );
        assert_eq!(
            warning(ModeChoice::Auto, &big).unwrap(),
            "big-01 (64.0 GiB), if live is not possible, would stand still for about 96 s; its dump is ended at the \
             limit of 30 s. Choose live, or raise FROZEN_PAUSE_LIMIT."
        );
        assert_eq!(warning(ModeChoice::Live, &big), None);
    }

    #[test]
    fn of_many_the_largest_is_named_and_all_are_counted() {
        let guests = [32, 256, 40, 1].map(|size| guest(&format!("g{size}"), gib(size)));
        let frozen = warning(ModeChoice::Frozen, &guests).unwrap();
        assert_eq!(
            frozen,
            "3 guests would stand still for too long, g256 (256 GiB) for about 7 min; a dump is ended at the limit of 30 s. \
             Choose live, or raise FROZEN_PAUSE_LIMIT."
        );
        let auto = frozen.replacen("3 guests", "3 guests, if live is not possible,", 1);
        assert_eq!(warning(ModeChoice::Auto, &guests).unwrap(), auto);
        let told = slow().too_long(ModeChoice::Auto, &guests);
        let told: Vec<_> = told.into_iter().map(|(guest, pause)| (guest.name.0.as_str(), pause.0)).collect();
        assert_eq!(told, [("g256", 384_000), ("g40", 60_000), ("g32", 48_000)]);
    }

    #[test]
    fn a_guest_at_the_limit_is_not_too_large_and_one_above_it_is() {
        let at = |memory| warning(ModeChoice::Frozen, &[guest("big-01", memory)]);
        assert_eq!(at(gib(20)), None);
        let more = at(ByteCount(gib(20).0 + (1 << 20))).unwrap();
        assert!(more.contains("about 31 s; its dump is ended at the limit of 30 s"), "{more}");
    }

    #[test]
    fn a_guest_that_stands_still_already_has_no_limit() {
        for state in [GuestState::Paused, GuestState::Shutoff, GuestState::Crashed, GuestState::Suspended] {
            let guest = Guest { state, ..guest("big-01", gib(64)) };
            assert_eq!(warning(ModeChoice::Frozen, &[guest]), None, "{state:?}");
        }
        let blocked = Guest { state: GuestState::Blocked, ..guest("big-01", gib(64)) };
        assert!(warning(ModeChoice::Frozen, &[blocked]).is_some());
    }

    #[test]
    fn memory_that_a_balloon_took_away_is_read_all_the_same() {
        let ballooned = Guest { memory: gib(1), ..guest("big-01", gib(64)) };
        assert!(warning(ModeChoice::Frozen, &[ballooned]).unwrap().contains("(64.0 GiB)"));
    }

    #[test]
    fn names_are_written_as_the_caller_wants_them() {
        let quoted = slow().warning(ModeChoice::Frozen, &[guest("a b", gib(64))], |name| format!("“{name}”"));
        assert!(quoted.unwrap().starts_with("“a b” (64.0 GiB) would"));
    }

    #[test]
    fn limits_are_told_in_seconds() {
        let told = [30_000, 1_500, 86_400_000, 1_001, 1_020].map(|limit| seconds(Millis(limit)));
        assert_eq!(told, ["30 s", "1.5 s", "86400 s", "1.001 s", "1.02 s"]);
    }

    #[test]
    fn a_pause_is_told_in_round_numbers() {
        let told = [0, 999, 1_000, 1_001, 30_200, 119_000, 119_001].map(|ms| in_round_numbers(Millis(ms)));
        let expected = ["about a second", "about a second", "about a second", "about 2 s", "about 31 s"];
        assert_eq!(told[..5], expected);
        assert_eq!(told[5..], ["about 119 s", "about 2 min"]);
    }

    #[test]
    fn a_service_that_measured_nothing_says_null() {
        let json = serde_json::to_value(FrozenPause::measured(LIMIT, &[])).unwrap();
        assert_eq!(json, serde_json::json!({"limit_ms": 30_000, "bytes_per_s": null, "measured_from": 0}));
        let limit_only: FrozenPause = serde_json::from_str(r#"{"limit_ms": 30000}"#).unwrap();
        assert_eq!(limit_only, FrozenPause::measured(LIMIT, &[]));
    }

    proptest! {
        #[test]
        fn a_larger_guest_is_never_expected_to_pause_shorter(
            memory in 0_u64..=u64::MAX / 2, more in 0_u64..=u64::MAX / 2, rate in 1_u64..=u64::MAX
        ) {
            let rate = ByteCount(rate);
            prop_assert!(
                expected_pause(ByteCount(memory), rate) <= expected_pause(ByteCount(memory + more), rate)
            );
        }

        #[test]
        fn a_dump_of_the_same_size_is_expected_to_take_about_as_long_as_it_took(
            mib in 1_u64..1_000_000, pause in 100_u64..1_000_000
        ) {
            let dump = (ByteCount::from_mib(mib), Millis(pause));
            let expected = FrozenPause::measured(LIMIT, &[dump]).expected(dump.0).unwrap();
            prop_assert!(expected.0 <= pause && pause - expected.0 <= pause / 500, "{expected:?}");
        }
    }
}

//! What the modes do to a guest, in words.

use memdeck_model::{ByteCount, FrozenPause, Guest, ModeChoice, expected_pause, in_round_numbers};

use super::choice::memory_of;
use crate::words::shown;

const GIB: ByteCount = ByteCount::from_mib(1024);

/// The name of a mode on screen.
pub fn name(choice: ModeChoice) -> &'static str {
    match choice {
        ModeChoice::Auto => "Auto",
        ModeChoice::Live => "Live",
        ModeChoice::Frozen => "Frozen",
    }
}

/// What a mode does to any guest; how long a frozen one takes as it was measured, else by a rule of thumb.
pub fn hint(choice: ModeChoice, measured: Option<&FrozenPause>) -> String {
    match choice {
        ModeChoice::Auto => "Live if possible, otherwise frozen".to_owned(),
        ModeChoice::Live => "Keeps running, stops only for the last pages".to_owned(),
        ModeChoice::Frozen => match measured.and_then(|measured| measured.expected(GIB)) {
            Some(pause) => format!("Stops while it is read, {} s per GiB as measured", two_digits(pause.0)),
            None => "Stops while it is read, about 1 s per GiB".to_owned(),
        },
    }
}

/// What dumping `guests` does to them; nothing is to be said of none.
pub fn consequence(choice: ModeChoice, guests: &[Guest], measured: Option<&FrozenPause>) -> String {
    let what = pause(choice, guests, measured);
    let or_nothing = match choice {
        ModeChoice::Live => " If a live dump is not possible, no dump is taken.",
        ModeChoice::Auto | ModeChoice::Frozen => "",
    };
    match guests {
        [] => String::new(),
        [_] => format!("{}: stops for {what}.{or_nothing}", subject(guests)),
        _ => format!("{}: each stops for {what}.{or_nothing}", subject(guests)),
    }
}

/// That some of `guests` would stand still for longer than the limit; `None` if none would, and where nothing was measured.
pub fn warning(choice: ModeChoice, guests: &[Guest], measured: Option<&FrozenPause>) -> Option<String> {
    measured?.warning(choice, guests, shown)
}

/// Which guests, and how much memory they have.
pub fn subject(guests: &[Guest]) -> String {
    let memory = memory_of(guests);
    match guests {
        [guest] => format!("{}, {memory} of memory", shown(&guest.name.0)),
        _ => format!("{} guests, {memory} of memory", guests.len()),
    }
}

/// How long a guest is stopped; the longest stop of many, which each have their own.
pub fn pause(choice: ModeChoice, guests: &[Guest], measured: Option<&FrozenPause>) -> String {
    const LIVE: &str = "well under a second";
    let largest = guests.iter().map(|guest| guest.memory_max).max().unwrap_or_default();
    // Where nothing was measured, a second for each GiB that was begun.
    let rule_of_thumb = || expected_pause(largest, GIB);
    let longest = measured.and_then(|measured| measured.expected(largest)).or_else(rule_of_thumb);
    let longest = in_round_numbers(longest.unwrap_or_default());
    let frozen = if guests.len() > 1 { format!("up to {longest}") } else { longest };
    match choice {
        ModeChoice::Live => LIVE.to_owned(),
        ModeChoice::Frozen => frozen,
        ModeChoice::Auto => format!("{LIVE}, or, if a live dump is not possible, {frozen}"),
    }
}

/// Seconds with as many digits as matter.
fn two_digits(millis: u64) -> String {
    match millis {
        0..=990 => format!("0.{:02}", millis.div_ceil(10)),
        991..=9_900 => format!("{}.{}", millis.div_ceil(100) / 10, millis.div_ceil(100) % 10),
        _ => millis.div_ceil(1000).to_string(),
    }
}

/// How much room the images need at most.
pub fn space(guests: &[Guest]) -> String {
    format!("up to {}, usually much less after compression", memory_of(guests))
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestName, GuestState, Millis};

    use super::*;

    fn guest(name: &str, mib: u64) -> Guest {
        Guest {
            host: None,
            id: Some(1),
            name: GuestName(name.into()),
            uuid: name.into(),
            state: GuestState::Running,
            vcpus: 1,
            memory_max: ByteCount::from_mib(mib),
            memory: ByteCount::from_mib(mib),
            cpu_time_ns: 0,
        }
    }

    #[test]
    fn the_consequence_names_the_guest_its_size_and_how_long_it_is_stopped() {
        let told = ModeChoice::ALL.map(|choice| consequence(choice, &[guest("web-01", 4096)], None));
        assert_eq!(
            told,
            [
                "web-01, 4.00 GiB of memory: stops for well under a second, or, if a live dump is not possible, about 4 s.",
                "web-01, 4.00 GiB of memory: stops for well under a second. If a live dump is not possible, no dump is taken.",
                "web-01, 4.00 GiB of memory: stops for about 4 s.",
            ]
        );
    }

    #[test]
    fn the_consequence_for_many_is_the_longest_stop() {
        let guests = [guest("web-01", 1024), guest("db-01", 4096)];
        let told = ModeChoice::ALL.map(|choice| consequence(choice, &guests, None));
        assert_eq!(
            told,
            [
                "2 guests, 5.00 GiB of memory: each stops for well under a second, or, if a live dump is not possible, \
                 up to about 4 s.",
                "2 guests, 5.00 GiB of memory: each stops for well under a second. If a live dump is not possible, no \
                 dump is taken.",
                "2 guests, 5.00 GiB of memory: each stops for up to about 4 s.",
            ]
        );
        assert_eq!(space(&guests), "up to 5.00 GiB, usually much less after compression");
    }

    #[test]
    fn nothing_is_said_of_no_guest() {
        assert_eq!(ModeChoice::ALL.map(|choice| consequence(choice, &[], None)), ["", "", ""]);
    }

    /// So many milliseconds for each GiB.
    fn measured(per_gib: u64) -> FrozenPause {
        FrozenPause::measured(Millis(30_000), &[(GIB, Millis(per_gib))])
    }

    #[test]
    fn what_was_measured_takes_the_place_of_the_rule_of_thumb() {
        let web = [guest("web-01", 4096)];
        let told = |measured: Option<&FrozenPause>| pause(ModeChoice::Frozen, &web, measured);
        assert_eq!(told(None), "about 4 s");
        assert_eq!(told(Some(&measured(500))), "about 2 s");
        assert_eq!(told(Some(&measured(20_000))), "about 80 s");
        let nothing_yet = FrozenPause::measured(Millis(30_000), &[]);
        assert_eq!(told(Some(&nothing_yet)), "about 4 s");
        let hint = |measured: Option<&FrozenPause>| hint(ModeChoice::Frozen, measured);
        assert_eq!(hint(Some(&nothing_yet)), "Stops while it is read, about 1 s per GiB");
        assert_eq!(hint(None), "Stops while it is read, about 1 s per GiB");
        let shown = [40, 500, 990, 991, 1_460, 9_900, 12_300].map(|per_gib| hint(Some(&measured(per_gib))));
        let expected = ["0.04", "0.50", "0.99", "1.0", "1.5", "9.9", "13"];
        for (shown, expected) in shown.iter().zip(expected) {
            assert_eq!(*shown, format!("Stops while it is read, {expected} s per GiB as measured"));
        }
    }

    #[test]
    fn the_warning_writes_names_as_the_page_does_and_live_has_none() {
        let big = [guest("big ", 65_536)];
        let told = ModeChoice::ALL.map(|choice| warning(choice, &big, Some(&measured(1_500))));
        assert!(
            told[0].as_ref().unwrap().starts_with("“big ” (64.0 GiB), if live is not possible, would stand ")
        );
        assert_eq!(told[1], None);
        assert!(told[2].as_ref().unwrap().starts_with("“big ” (64.0 GiB) would stand still for about 96 s;"));
        assert_eq!(warning(ModeChoice::Frozen, &big, None), None);
    }

    #[test]
    fn all_that_a_guest_may_have_is_read_whatever_its_balloon_took() {
        let ballooned = Guest { memory: ByteCount::from_mib(1024), ..guest("web-01", 4096) };
        assert_eq!(pause(ModeChoice::Frozen, &[ballooned], None), "about 4 s");
    }
}

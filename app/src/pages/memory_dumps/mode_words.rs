//! What the modes do to a guest, in words.

use memdeck_model::{Guest, ModeChoice};

use super::choice::{expected_pause, memory_of};
use crate::words::shown;

/// The name of a mode on screen.
pub fn name(choice: ModeChoice) -> &'static str {
    match choice {
        ModeChoice::Auto => "Auto",
        ModeChoice::Live => "Live",
        ModeChoice::Frozen => "Frozen",
    }
}

/// What a mode does to any guest.
pub fn hint(choice: ModeChoice) -> &'static str {
    match choice {
        ModeChoice::Auto => "Live where possible, else frozen",
        ModeChoice::Live => "Runs on, stops for the last pages only",
        ModeChoice::Frozen => "Stops while it is read, about 1 s per GiB",
    }
}

/// What dumping `guests` does to them; nothing is to be said of none.
pub fn consequence(choice: ModeChoice, guests: &[Guest]) -> String {
    let what = pause(choice, guests);
    let or_nothing = match choice {
        ModeChoice::Live => " Where that is not possible, no dump is taken.",
        ModeChoice::Auto | ModeChoice::Frozen => "",
    };
    match guests {
        [] => String::new(),
        [_] => format!("{}: stops for {what}.{or_nothing}", subject(guests)),
        _ => format!("{}: each stops for {what}.{or_nothing}", subject(guests)),
    }
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
pub fn pause(choice: ModeChoice, guests: &[Guest]) -> String {
    const LIVE: &str = "well under a second";
    let longest = expected_pause(guests.iter().map(|guest| guest.memory).max().unwrap_or_default());
    let frozen = if guests.len() > 1 { format!("up to {longest}") } else { longest };
    match choice {
        ModeChoice::Live => LIVE.to_owned(),
        ModeChoice::Frozen => frozen,
        ModeChoice::Auto => format!("{LIVE}, or, if it cannot be dumped live, {frozen}"),
    }
}

/// How much room the images need at most.
pub fn space(guests: &[Guest]) -> String {
    format!("up to {}, usually much less once compressed", memory_of(guests))
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ByteCount, GuestName, GuestState};

    use super::*;

    fn guest(name: &str, mib: u64) -> Guest {
        Guest {
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
        let told = ModeChoice::ALL.map(|choice| consequence(choice, &[guest("web-01", 4096)]));
        assert_eq!(
            told,
            [
                "web-01, 4.00 GiB of memory: stops for well under a second, or, if it cannot be dumped live, about 4 s.",
                "web-01, 4.00 GiB of memory: stops for well under a second. Where that is not possible, no dump is taken.",
                "web-01, 4.00 GiB of memory: stops for about 4 s.",
            ]
        );
    }

    #[test]
    fn the_consequence_for_many_is_the_longest_stop() {
        let guests = [guest("web-01", 1024), guest("db-01", 4096)];
        let told = ModeChoice::ALL.map(|choice| consequence(choice, &guests));
        assert_eq!(
            told,
            [
                "2 guests, 5.00 GiB of memory: each stops for well under a second, or, if it cannot be dumped live, \
                 up to about 4 s.",
                "2 guests, 5.00 GiB of memory: each stops for well under a second. Where that is not possible, no dump \
                 is taken.",
                "2 guests, 5.00 GiB of memory: each stops for up to about 4 s.",
            ]
        );
        assert_eq!(space(&guests), "up to 5.00 GiB, usually much less once compressed");
    }

    #[test]
    fn nothing_is_said_of_no_guest() {
        assert_eq!(ModeChoice::ALL.map(|choice| consequence(choice, &[])), ["", "", ""]);
    }
}

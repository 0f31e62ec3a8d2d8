//! What the modes do to a guest, in words.

use memdeck_model::{CaptureMode, Guest, ModeChoice};

use super::choice::{expected_pause, memory_of};

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
        ModeChoice::Auto => {
            "Live where possible: the guest is stopped for the last pages only, well under a second. Else frozen."
        }
        ModeChoice::Live => {
            "The guest runs while its memory is copied and is stopped for the last pages only, well under a second; \
             point in time at the end. Where that is not possible no dump is taken."
        }
        ModeChoice::Frozen => {
            "The guest is stopped while its memory is read, about a second per GiB; point in time at the start."
        }
    }
}

/// What dumping `guests` does to them; nothing is to be said of none.
pub fn consequence(choice: ModeChoice, guests: &[Guest]) -> String {
    match guests {
        [] => String::new(),
        [guest] => for_one(choice, guest),
        many => for_many(choice, many),
    }
}

fn for_one(choice: ModeChoice, guest: &Guest) -> String {
    let Guest { name, memory, .. } = guest;
    let pause = expected_pause(*memory);
    match choice {
        ModeChoice::Frozen => {
            format!("{name} is stopped while its {memory} are read, {pause}; then it goes on as before.")
        }
        ModeChoice::Live => format!(
            "{name} runs while its {memory} are copied and is stopped for the last pages only, well under a second."
        ),
        ModeChoice::Auto => format!(
            "{name} is stopped for the last pages of its {memory} only, well under a second. Where it cannot be \
             dumped live it is stopped while they are read, {pause}; then it goes on as before."
        ),
    }
}

fn for_many(choice: ModeChoice, guests: &[Guest]) -> String {
    let pause = expected_pause(guests.iter().map(|guest| guest.memory).max().unwrap_or_default());
    let what = match choice {
        ModeChoice::Frozen => {
            format!("Each is stopped while its own memory is read, {pause} for the largest; then it goes on as before.")
        }
        ModeChoice::Live => {
            "Each runs while its memory is copied and is stopped for the last pages only, well under a second.".to_owned()
        }
        ModeChoice::Auto => format!(
            "Each is stopped for the last pages of its memory only, well under a second. One that cannot be dumped live \
             is stopped while its own memory is read, {pause} for the largest; then it goes on as before."
        ),
    };
    format!("{} guests with {} of memory in all. {what}", guests.len(), memory_of(guests))
}

/// Why a dump was taken in `mode` and not as it was first tried.
pub fn because(mode: Option<CaptureMode>, reason: &str) -> String {
    let mode = match mode {
        Some(CaptureMode::Live) => "Live",
        Some(CaptureMode::Frozen) => "Frozen",
        None => "Another mode",
    };
    format!("{mode}, because {}.", reason.trim_end_matches('.'))
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
        let of = |choice| consequence(choice, &[guest("web-01", 4096)]);
        assert_eq!(
            of(ModeChoice::Frozen),
            "web-01 is stopped while its 4.00 GiB are read, about 4 s; then it goes on as before."
        );
        assert_eq!(
            of(ModeChoice::Live),
            "web-01 runs while its 4.00 GiB are copied and is stopped for the last pages only, well under a second."
        );
        assert_eq!(
            of(ModeChoice::Auto),
            "web-01 is stopped for the last pages of its 4.00 GiB only, well under a second. Where it cannot be dumped \
             live it is stopped while they are read, about 4 s; then it goes on as before."
        );
    }

    #[test]
    fn the_consequence_for_many_is_the_longest_stop() {
        let of = |choice| consequence(choice, &[guest("web-01", 1024), guest("db-01", 4096)]);
        assert_eq!(
            of(ModeChoice::Frozen),
            "2 guests with 5.00 GiB of memory in all. Each is stopped while its own memory is read, about 4 s for the \
             largest; then it goes on as before."
        );
        assert!(
            of(ModeChoice::Auto).contains("well under a second. One that cannot be dumped live is stopped")
        );
        assert!(of(ModeChoice::Auto).contains("about 4 s for the largest"));
        assert!(of(ModeChoice::Live).contains("only, well under a second."));
    }

    #[test]
    fn nothing_is_said_of_no_guest() {
        assert_eq!(ModeChoice::ALL.map(|choice| consequence(choice, &[])), ["", "", ""]);
    }

    #[test]
    fn a_reason_becomes_one_sentence() {
        let told = because(Some(CaptureMode::Frozen), "the live copy was not complete after 2 min 00 s.");
        assert_eq!(told, "Frozen, because the live copy was not complete after 2 min 00 s.");
    }
}

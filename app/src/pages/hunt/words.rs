//! Hunts in words.

use memdeck_model::{Hunt, HuntState, MemoryOwners, PatternKind};

use crate::ui::{Icon, Tone};
use crate::words::{grouped, shown};

/// What is shown of a pattern where there is little room.
const LETTERS: usize = 40;

/// How a hunt stands.
pub fn state_of(state: HuntState) -> (&'static str, Tone, Icon) {
    match state {
        HuntState::Queued => ("Waiting", Tone::Waiting, Icon::Clock),
        HuntState::Running => ("Running", Tone::Active, Icon::Activity),
        HuntState::Completed => ("Completed", Tone::Good, Icon::Check),
        HuntState::Cancelled => ("Cancelled", Tone::Waiting, Icon::Ban),
        HuntState::Failed => ("Failed", Tone::Bad, Icon::Alert),
        HuntState::Interrupted => ("Interrupted", Tone::Waiting, Icon::Alert),
    }
}

/// The kinds of patterns: as forms name them, what they are called, and how one is written.
pub const KINDS: [(PatternKind, &str, &str, &str); 4] = [
    (PatternKind::Text, "text", "Text", "3 to 1024 bytes of UTF-8."),
    (PatternKind::Bytes, "bytes", "Bytes", "Pairs of hexadecimal digits: de ad be ef."),
    (
        PatternKind::Regex,
        "regex",
        "Regular expressions",
        "Up to 64, over bytes: \\x7fELF finds headers of programs.",
    ),
    (PatternKind::Page, "page", "Whole pages", "The fingerprint of a page, 32 hexadecimal digits."),
];

/// What the patterns of a hunt are.
pub fn manner(hunt: &Hunt) -> String {
    let kind = KINDS.iter().find(|(kind, ..)| *kind == hunt.kind).map_or("", |(_, _, name, _)| *name);
    let utf16 = if hunt.utf16 { ", also as UTF-16" } else { "" };
    let case = if hunt.ignore_case { ", in upper and lower case" } else { "" };
    format!("{kind}{utf16}{case}")
}

/// The first patterns of a hunt, shortened, and how many there are beside them.
pub fn sought(hunt: &Hunt) -> String {
    let first: Vec<String> = hunt.first_patterns.iter().map(|pattern| quoted(pattern)).collect();
    let others = usize::try_from(hunt.pattern_count).unwrap_or(usize::MAX).saturating_sub(first.len());
    let first = first.join(", ");
    match others {
        0 => first,
        1 => format!("{first} and 1 other"),
        others => format!("{first} and {} others", grouped(u64::try_from(others).unwrap_or(u64::MAX))),
    }
}

fn quoted(pattern: &str) -> String {
    let mut letters = pattern.chars();
    let start: String = letters.by_ref().take(LETTERS).collect();
    let more = if letters.next().is_some() { "…" } else { "" };
    format!("“{start}{more}”")
}

/// How far a hunt is, or was when it ended.
pub fn progress(hunt: &Hunt) -> String {
    let tally = hunt.tally;
    let dumps = counted(hunt.dump_count, "dump");
    if hunt.state == HuntState::Queued {
        return dumps;
    }
    if tally.bytes_done >= tally.bytes_expected && tally.dumps_done >= hunt.dump_count {
        return format!("{} in {dumps}", tally.bytes_done);
    }
    let done = format!("{} of {dumps}", tally.dumps_done);
    // Before the images are looked through, nobody knows how much there is.
    if tally.bytes_expected.0 == 0 {
        return done;
    }
    format!("{} of {}, {done}", tally.bytes_done, tally.bytes_expected)
}

/// `1 hit`, `1,200 hits`.
pub fn counted(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(count.into())) }
}

/// That a hunt has ended, and what it came to.
pub fn ended(hunt: &Hunt) -> String {
    let (word, ..) = state_of(hunt.state);
    format!("Hunt for {}: {}, {}.", sought(hunt), word.to_ascii_lowercase(), counted(hunt.tally.hits, "hit"))
}

/// Whose a place in memory is.
pub fn owned_by(owners: &MemoryOwners) -> String {
    let named =
        owners.processes.iter().map(|process| format!("{} ({})", shown(process.name.as_str()), process.pid));
    let more = (owners.further > 0).then(|| format!("{} more", grouped(owners.further)));
    let told: Vec<_> = named.chain(more).collect();
    if told.is_empty() { "of no process".to_owned() } else { format!("of {}", told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{Actor, ByteCount, HuntId, HuntTally};

    use super::*;

    fn hunt(state: HuntState) -> Hunt {
        Hunt {
            id: HuntId::from_uuid_bits(1),
            requested_by: Actor::Page,
            requested_at: std::time::UNIX_EPOCH.into(),
            started_at: None,
            ended_at: None,
            state,
            reason: None,
            kind: PatternKind::Text,
            utf16: true,
            ignore_case: true,
            pattern_count: 1_203,
            first_patterns: vec!["BusyBox".to_owned(), "x".repeat(50), "a b".to_owned()],
            dump_count: 3,
            limit: 1_000,
            tally: HuntTally {
                bytes_done: ByteCount(1 << 30),
                bytes_expected: ByteCount(3 << 30),
                dumps_done: 1,
                hits: 1,
            },
        }
    }

    #[test]
    fn a_hunt_is_called_by_its_first_patterns() {
        let many = hunt(HuntState::Running);
        let long = "x".repeat(40);
        assert_eq!(sought(&many), format!("“BusyBox”, “{long}…”, “a b” and 1,200 others"));
        assert_eq!(manner(&many), "Text, also as UTF-16, in upper and lower case");
        let one = Hunt { pattern_count: 2, first_patterns: vec!["abc".to_owned()], ..many };
        assert_eq!(sought(&one), "“abc” and 1 other");
    }

    #[test]
    fn it_is_said_how_far_a_hunt_is_and_what_it_came_to() {
        assert_eq!(progress(&hunt(HuntState::Queued)), "3 dumps");
        assert_eq!(progress(&hunt(HuntState::Running)), "1.00 GiB of 3.00 GiB, 1 of 3 dumps");
        let beginning = Hunt { tally: HuntTally::default(), ..hunt(HuntState::Running) };
        assert_eq!(progress(&beginning), "0 of 3 dumps");
        let tally =
            HuntTally { bytes_done: ByteCount(3 << 30), dumps_done: 3, ..hunt(HuntState::Running).tally };
        let whole = Hunt { tally, ..hunt(HuntState::Completed) };
        assert_eq!(progress(&whole), "3.00 GiB in 3 dumps");
        let one = Hunt { pattern_count: 1, first_patterns: vec!["abc".to_owned()], ..whole };
        assert_eq!(ended(&one), "Hunt for “abc”: completed, 1 hit.");
    }
}

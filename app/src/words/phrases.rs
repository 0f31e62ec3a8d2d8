//! Short phrases that many sentences are made of.

use std::fmt;

use memdeck_model::{Actor, CaptureMode};

/// Who did something.
pub fn by_whom(actor: &Actor) -> String {
    match actor {
        Actor::Page => "on the page".to_owned(),
        Actor::Api => "over REST".to_owned(),
        Actor::Dashboard { name, actor } => match actor.as_ref() {
            Actor::Page => format!("on the page of {name}"),
            actor => format!("{}, by way of {name}", by_whom(actor)),
        },
        _ => format!("by {actor}"),
    }
}

/// Who cancelled a dump, and when.
pub fn by_whom_and_when(by: &Actor, before_start: bool) -> String {
    let when = if before_start { " before it began" } else { "" };
    format!("{}{when}", by_whom(by))
}

/// Why a dump was taken in `mode` and not as it was first tried.
pub fn because(mode: Option<CaptureMode>, reason: &dyn fmt::Display) -> String {
    let mode = match mode {
        Some(CaptureMode::Live) => "Live",
        Some(CaptureMode::Frozen) => "Frozen",
        None => "Another mode",
    };
    format!("{mode}, because {}.", reason.to_string().trim_end_matches('.'))
}

/// With a capital letter at its beginning.
pub fn upper_first(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters
        .next()
        .map(|first| std::iter::once(first.to_ascii_uppercase()).chain(letters).collect())
        .unwrap_or_default()
}

/// As in the middle of a sentence; what is written in capitals stays so.
pub fn lower_first(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), second) if second.is_none_or(|second| !second.is_ascii_uppercase()) => {
            std::iter::once(first.to_ascii_lowercase()).chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}

/// `text` with a capital and a full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    match letters.next() {
        Some(first) => std::iter::once(first.to_ascii_uppercase()).chain(letters).chain(['.']).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_reads_well_behind_what_was_asked() {
        let alice = Actor::CommandLine { user: Some("alice".to_owned()) };
        let words = [Actor::Page, Actor::Api, alice.clone(), Actor::Page.by_way_of("ops-01")]
            .map(|actor| by_whom(&actor));
        assert_eq!(words, ["on the page", "over REST", "by alice (command line)", "on the page of ops-01"]);
        assert_eq!(by_whom(&alice.by_way_of("ops-01")), "by alice (command line), by way of ops-01");
    }

    #[test]
    fn within_a_sentence_what_is_made_of_capitals_keeps_them() {
        assert_eq!(
            ["Path", "SHA-256 of the image", "A dump", ""].map(lower_first),
            ["path", "SHA-256 of the image", "a dump", ""]
        );
    }

    #[test]
    fn a_reason_becomes_one_sentence() {
        let told = because(Some(CaptureMode::Frozen), &"the live copy was not complete after 2 min 00 s.");
        assert_eq!(told, "Frozen, because the live copy was not complete after 2 min 00 s.");
    }
}

//! Short phrases that many sentences are made of.

use memdeck_model::CaptureMode;

/// Who did something, in the words in which the catalog keeps it.
pub fn by_whom(told: &str) -> String {
    match told {
        "page" => "on the page".to_owned(),
        "api" => "over REST".to_owned(),
        _ => format!("by {told}"),
    }
}

/// Who cancelled a dump, and when.
pub fn by_whom_and_when(by: &str, before_start: bool) -> String {
    let when = if before_start { " before it began" } else { "" };
    format!("{}{when}", by_whom(by))
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

/// With a capital letter at its beginning.
pub fn upper_first(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `text` with a capital and a full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).chain(['.']).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_becomes_one_sentence() {
        let told = because(Some(CaptureMode::Frozen), "the live copy was not complete after 2 min 00 s.");
        assert_eq!(told, "Frozen, because the live copy was not complete after 2 min 00 s.");
    }
}

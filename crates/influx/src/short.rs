//! What a store says: without secrets, on one line of bounded length.

/// How much of a refusal is shown.
const MAX_REASON_CHARS: usize = 300;

pub(crate) fn shortened(text: &str) -> String {
    let line = text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty());
    let text = line.collect::<Vec<_>>().join(" ");
    if text.chars().count() <= MAX_REASON_CHARS {
        return text;
    }
    text.chars().take(MAX_REASON_CHARS).chain(['…']).collect()
}

/// The text without the secret.
pub(crate) fn masked(text: &str, secret: Option<&str>) -> String {
    match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) => text.replace(secret, "***"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(shortened("a\r\n\tb  c\u{1b}[31m"), "a b c [31m");
        assert_eq!(shortened(&"é".repeat(400)).chars().count(), MAX_REASON_CHARS + 1);
    }
}

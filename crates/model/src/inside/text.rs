//! Text of a guest, which may be hostile.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text out of a guest's memory, on one line: what would steer a terminal or turn text around is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct GuestText(String);

impl GuestText {
    /// At most so many characters of `text`; an ellipsis says that there was more.
    #[must_use]
    pub fn new(text: &str, most_chars: usize) -> Self {
        let shown = |c: char| if c.is_control() || turns_text(c) { '\u{fffd}' } else { c };
        let mut chars = text.chars();
        let mut kept: String = chars.by_ref().take(most_chars).map(shown).collect();
        if chars.next().is_some() {
            kept.push('…');
        }
        Self(kept)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for GuestText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Marks and separators that change the direction or the lines of a text that is shown.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_guest_is_short_and_steers_nothing() {
        assert_eq!(GuestText::new("a\u{1b}[31m\n\u{202e}b", 20).as_str(), "a\u{fffd}[31m\u{fffd}\u{fffd}b");
        assert_eq!(GuestText::new("abcdef", 3).as_str(), "abc…");
        assert_eq!(GuestText::new("abc", 3).as_str(), "abc");
    }
}

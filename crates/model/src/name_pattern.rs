//! Names of guests and hosts with `*` for any characters and `?` for one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A pattern for names: `*` stands for any characters, `?` for one, everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, min_length = 1, max_length = 200))]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern(String);

/// Text that is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern has 1 to {} characters, none of them a control character; * stands for any characters and ? for one",
    NamePattern::MAX_CHARS
)]
pub struct ParseNamePatternError;

impl NamePattern {
    /// The longest pattern.
    pub const MAX_CHARS: usize = 200;

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means `name`. Takes as long as both are, multiplied, whatever is in them.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut at, mut from) = (0, 0);
        // Where the last star is, and how far what it stands for reaches.
        let mut star: Option<(usize, usize)> = None;
        while from < name.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, from));
                    at += 1;
                }
                Some(wanted) if *wanted == '?' || Some(wanted) == name.get(from) => {
                    at += 1;
                    from += 1;
                }
                _ => {
                    let Some((place, reach)) = star else { return false };
                    star = Some((place, reach + 1));
                    at = place + 1;
                    from = reach + 1;
                }
            }
        }
        pattern.iter().skip(at).all(|c| *c == '*')
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NamePattern {
    type Err = ParseNamePatternError;

    fn from_str(text: &str) -> Result<Self, ParseNamePatternError> {
        let chars = text.chars().count();
        if (1..=Self::MAX_CHARS).contains(&chars) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseNamePatternError)
        }
    }
}

impl TryFrom<String> for NamePattern {
    type Error = ParseNamePatternError;

    fn try_from(text: String) -> Result<Self, ParseNamePatternError> {
        text.parse()
    }
}

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The meaning, letter by letter.
    fn means(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|skipped| means(rest, &name[skipped..])),
            Some((wanted, rest)) => name
                .split_first()
                .is_some_and(|(first, others)| (*wanted == '?' || wanted == first) && means(rest, others)),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_means_what_it_says_letter_by_letter(pattern in "[ab*?]{1,8}", name in "[ab]{0,8}") {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(pattern.parse::<NamePattern>().unwrap().matches(&name), means(&p, &n));
        }
    }

    #[test]
    fn a_pattern_with_many_stars_is_judged_at_once() {
        let pattern: NamePattern = "*a".repeat(100).parse().unwrap();
        assert!(!pattern.matches(&"b".repeat(100_000)));
    }

    #[test]
    fn what_cannot_be_shown_is_no_pattern() {
        for no_pattern in ["", "a\nb", &"x".repeat(201)] {
            assert!(no_pattern.parse::<NamePattern>().is_err(), "{no_pattern:?}");
        }
    }
}

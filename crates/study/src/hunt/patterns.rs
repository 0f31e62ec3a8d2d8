//! What is looked for: text, bytes, regular expressions, and fingerprints of pages, all at once.

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memdeck_model::PatternKind;
use regex::bytes::{Regex, RegexBuilder};

/// Shorter patterns are everywhere.
const FEWEST_BYTES: usize = 3;
/// Longer ones are not needed to recognise anything.
const MOST_BYTES: usize = 1024;
const MOST_PATTERNS: usize = 100_000;
const MOST_REGEXES: usize = 64;
/// Of the automaton of a regular expression.
const MOST_REGEX_BYTES: usize = 16 << 20;
/// A list with more bytes than this is searched by a smaller automaton, which is slower.
const BYTES_FOR_FAST: usize = 128 << 10;

/// A pattern as somebody gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Text, pairs of hexadecimal digits (blanks between them do not count), a regular expression, or the 32 hexadecimal
    /// digits of a page's fingerprint.
    pub text: String,
    /// Which of them.
    pub kind: PatternKind,
}

/// How patterns are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatternOptions {
    /// Text is looked for as UTF-16, little-endian, as well.
    pub utf16: bool,
    /// ASCII letters stand for both cases.
    pub ignore_case: bool,
}

/// Why a pattern cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is none.
    #[error("there is no pattern to look for")]
    Nothing,
    /// There are too many.
    #[error("there are {0} patterns; a hunt takes {MOST_PATTERNS}, and {MOST_REGEXES} regular expressions")]
    TooMany(usize),
    /// It is found everywhere.
    #[error("the pattern '{0}' is too short: it must have {FEWEST_BYTES} bytes or more")]
    TooShort(String),
    /// It is too long.
    #[error("the pattern '{0}' is too long: it may have {MOST_BYTES} bytes")]
    TooLong(String),
    /// Pages of zeroes are not searched.
    #[error("the pattern '{0}' is zeroes only, and zeroes are not searched")]
    Zeroes(String),
    /// Not pairs of hexadecimal digits.
    #[error("'{0}' is no string of bytes: it must be pairs of hexadecimal digits")]
    Hex(String),
    /// Not a fingerprint.
    #[error("'{0}' is no fingerprint of a page: it must be 32 hexadecimal digits")]
    Fingerprint(String),
    /// Not a regular expression.
    #[error("'{pattern}' is no regular expression that can be used: {reason}")]
    Regex {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It matches nothing at all.
    #[error("the regular expression '{0}' matches where nothing is")]
    MatchesNothing(String),
    /// All of them together are too much.
    #[error("the patterns cannot be looked for at once: {0}")]
    TooMuch(String),
}

impl PatternError {
    /// The pattern that it is about, as it was given; `None` if it is about all of them.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        match self {
            Self::Nothing | Self::TooMany(_) | Self::TooMuch(_) => None,
            Self::TooShort(pattern)
            | Self::TooLong(pattern)
            | Self::Zeroes(pattern)
            | Self::Hex(pattern)
            | Self::Fingerprint(pattern)
            | Self::Regex { pattern, .. }
            | Self::MatchesNothing(pattern) => Some(pattern),
        }
    }
}

/// Patterns, ready to be looked for.
pub struct PatternSet {
    patterns: Vec<Pattern>,
    literals: Option<AhoCorasick>,
    /// Which pattern each literal is a form of.
    forms: Vec<u32>,
    regexes: Vec<(u32, Regex)>,
    pages: HashMap<[u8; 16], u32>,
    longest_literal: usize,
}

/// A pattern that was found, in bytes that were searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) pattern: u32,
    pub(super) place: Range<usize>,
}

impl PatternSet {
    /// Prepares them.
    ///
    /// # Errors
    /// One cannot be looked for, or there are too many.
    pub fn new(patterns: Vec<Pattern>, options: PatternOptions) -> Result<Self, PatternError> {
        let regexes = patterns.iter().filter(|pattern| pattern.kind == PatternKind::Regex).count();
        if patterns.is_empty() {
            return Err(PatternError::Nothing);
        }
        if patterns.len() > MOST_PATTERNS || regexes > MOST_REGEXES {
            return Err(PatternError::TooMany(patterns.len()));
        }
        let mut set = Self {
            patterns: Vec::new(),
            literals: None,
            forms: Vec::new(),
            regexes: Vec::new(),
            pages: HashMap::new(),
            longest_literal: 0,
        };
        let mut literals: Vec<Vec<u8>> = Vec::new();
        for (number, pattern) in (0_u32..).zip(&patterns) {
            match pattern.kind {
                PatternKind::Text => {
                    set.literal(&pattern.text, number, pattern.text.as_bytes().to_vec(), &mut literals)?;
                    if options.utf16 {
                        let wide = pattern.text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                        set.literal(&pattern.text, number, wide, &mut literals)?;
                    }
                }
                PatternKind::Bytes => {
                    let bytes =
                        unhex(&pattern.text).ok_or_else(|| PatternError::Hex(pattern.text.clone()))?;
                    set.literal(&pattern.text, number, bytes, &mut literals)?;
                }
                PatternKind::Regex => set.regexes.push((number, regex(&pattern.text, options)?)),
                PatternKind::Page => {
                    let bytes = unhex(&pattern.text).and_then(|bytes| bytes.try_into().ok());
                    let fingerprint = bytes.ok_or_else(|| PatternError::Fingerprint(pattern.text.clone()))?;
                    set.pages.insert(fingerprint, number);
                }
            }
        }
        if !literals.is_empty() {
            let bytes: usize = literals.iter().map(Vec::len).sum();
            let kind = (bytes <= BYTES_FOR_FAST).then_some(AhoCorasickKind::DFA);
            let automaton = AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(options.ignore_case)
                .kind(kind.or(Some(AhoCorasickKind::ContiguousNFA)))
                .build(&literals);
            set.literals = Some(automaton.map_err(|error| PatternError::TooMuch(error.to_string()))?);
        }
        set.patterns = patterns;
        Ok(set)
    }

    fn literal(
        &mut self,
        text: &str,
        number: u32,
        bytes: Vec<u8>,
        literals: &mut Vec<Vec<u8>>,
    ) -> Result<(), PatternError> {
        if bytes.len() < FEWEST_BYTES {
            return Err(PatternError::TooShort(text.to_owned()));
        }
        if bytes.len() > MOST_BYTES {
            return Err(PatternError::TooLong(text.to_owned()));
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(PatternError::Zeroes(text.to_owned()));
        }
        self.longest_literal = self.longest_literal.max(bytes.len());
        self.forms.push(number);
        literals.push(bytes);
        Ok(())
    }

    /// The patterns, in the order in which they were given.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Which pattern a page of that fingerprint is.
    pub(super) fn page(&self, fingerprint: &[u8; 16]) -> Option<u32> {
        self.pages.get(fingerprint).copied()
    }

    /// Whether there are fingerprints of pages among them.
    pub(super) fn has_pages(&self) -> bool {
        !self.pages.is_empty()
    }

    /// Whether bytes must be searched at all.
    pub(super) fn has_content(&self) -> bool {
        self.literals.is_some() || !self.regexes.is_empty()
    }

    pub(super) fn is_regex(&self, pattern: u32) -> bool {
        self.regexes.iter().any(|(number, _)| *number == pattern)
    }

    /// How many bytes on each side of a border between pages may belong to something that lies across it.
    pub(super) fn reach(&self) -> usize {
        let longest = if self.regexes.is_empty() { self.longest_literal } else { MOST_BYTES };
        longest.saturating_sub(1)
    }

    /// Finds everything in these bytes.
    pub(super) fn search(&self, bytes: &[u8], found: &mut dyn FnMut(Match)) {
        if let Some(literals) = &self.literals {
            for hit in literals.find_overlapping_iter(bytes) {
                if let Some(pattern) = self.forms.get(hit.pattern().as_usize()) {
                    found(Match { pattern: *pattern, place: hit.range() });
                }
            }
        }
        for (pattern, regex) in &self.regexes {
            for hit in regex.find_iter(bytes).filter(|hit| !hit.is_empty()) {
                found(Match { pattern: *pattern, place: hit.range() });
            }
        }
    }
}

fn regex(text: &str, options: PatternOptions) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(text)
        .unicode(false)
        .case_insensitive(options.ignore_case)
        .size_limit(MOST_REGEX_BYTES)
        .dfa_size_limit(MOST_REGEX_BYTES)
        .build();
    let regex = built.map_err(|error| PatternError::Regex {
        pattern: text.to_owned(),
        reason: reason(&error.to_string()),
    })?;
    if regex.is_match(b"") { Err(PatternError::MatchesNothing(text.to_owned())) } else { Ok(regex) }
}

/// The last line: those before it repeat the pattern, and point into it.
fn reason(told: &str) -> String {
    let last = told.lines().next_back().unwrap_or(told);
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// The bytes that pairs of hexadecimal digits stand for; blanks between pairs do not count.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    pairs.iter().map(|[high, low]| Some(value(high)? << 4 | value(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kind: PatternKind, texts: &[&str], options: PatternOptions) -> Result<PatternSet, PatternError> {
        PatternSet::new(
            texts.iter().map(|text| Pattern { text: (*text).to_owned(), kind }).collect(),
            options,
        )
    }

    fn found(set: &PatternSet, bytes: &[u8]) -> Vec<(u32, Range<usize>)> {
        let mut found = Vec::new();
        set.search(bytes, &mut |hit| found.push((hit.pattern, hit.place)));
        found.sort_by_key(|(pattern, place)| (place.start, *pattern, place.end));
        found
    }

    #[test]
    fn every_form_of_a_pattern_is_found_also_where_they_overlap() {
        let options = PatternOptions { utf16: true, ignore_case: false };
        let text = set(PatternKind::Text, &["abcd", "bcd"], options).unwrap();
        assert_eq!(found(&text, b"xabcdx"), [(0, 1..5), (1, 2..5)]);
        assert_eq!(found(&text, b"b\0c\0d\0"), [(1, 0..6)]);
        let loud =
            set(PatternKind::Text, &["abcd"], PatternOptions { ignore_case: true, utf16: true }).unwrap();
        assert_eq!(found(&loud, b"ABCDa\0B\0c\0D\0"), [(0, 0..4), (0, 4..12)]);
        let bytes = set(PatternKind::Bytes, &["de ad BE ef"], PatternOptions::default()).unwrap();
        assert_eq!(found(&bytes, &[1, 0xde, 0xad, 0xbe, 0xef]), [(0, 1..5)]);
        let regex = set(PatternKind::Regex, &["a[0-9]+b"], PatternOptions::default()).unwrap();
        assert_eq!(found(&regex, b"\xffa12ba3b"), [(0, 1..5), (0, 5..8)]);
    }

    #[test]
    fn what_cannot_be_looked_for_is_refused_with_the_reason() {
        let refused = |kind, text: &str| set(kind, &[text], PatternOptions::default()).err().unwrap();
        assert!(matches!(refused(PatternKind::Text, "ab"), PatternError::TooShort(_)));
        assert!(matches!(refused(PatternKind::Text, &"a".repeat(1025)), PatternError::TooLong(_)));
        assert!(matches!(refused(PatternKind::Bytes, "000000"), PatternError::Zeroes(_)));
        for text in ["abc", "zz", "a b c"] {
            assert!(matches!(refused(PatternKind::Bytes, text), PatternError::Hex(_)), "{text}");
        }
        assert!(matches!(refused(PatternKind::Page, "0011"), PatternError::Fingerprint(_)));
        let unclosed = refused(PatternKind::Regex, "(a");
        assert!(matches!(unclosed, PatternError::Regex { .. }));
        assert_eq!(unclosed.to_string(), "'(a' is no regular expression that can be used: unclosed group");
        assert_eq!(unclosed.pattern(), Some("(a"));
        assert!(matches!(refused(PatternKind::Regex, "a*"), PatternError::MatchesNothing(_)));
        assert!(matches!(refused(PatternKind::Regex, "(a{1000}){1000}"), PatternError::Regex { .. }));
        assert!(matches!(set(PatternKind::Text, &[], PatternOptions::default()), Err(PatternError::Nothing)));
    }
}

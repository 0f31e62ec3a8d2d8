//! What a request wants of a representation: all of it, a part, or nothing because it has it already (RFC 9110,
//! sections 13 and 14). One part at a time: a request for several gets everything.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{IF_RANGE, RANGE};
use headers::{ETag, HeaderMapExt, IfNoneMatch, IfRange};
use http_range_header::{
    EndPosition, RangeUnsatisfiableError, StartPosition, SyntacticallyCorrectRange, parse_range_header,
};

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything.
    Whole,
    /// These bytes, half-open.
    Part(Range<u64>),
    /// A part that does not exist.
    Unsatisfiable,
}

/// Whether the request names the entity tag of what it has.
pub fn has_it_already(headers: &HeaderMap, tag: Option<&ETag>) -> bool {
    let known = headers.typed_get::<IfNoneMatch>();
    known.zip(tag).is_some_and(|(known, tag)| !known.precondition_passes(tag))
}

/// What the request wants of `length` bytes with this entity tag.
pub fn wanted(headers: &HeaderMap, tag: Option<&ETag>, length: u64) -> Wanted {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Wanted::Whole };
    if headers.contains_key(IF_RANGE) {
        // A date is never the same as ours, since we send none.
        let changed = headers.typed_get::<IfRange>().is_none_or(|known| known.is_modified(tag, None));
        if changed {
            return Wanted::Whole;
        }
    }
    match range.to_str().map(parse_range_header) {
        Ok(Ok(parsed)) => match parsed.ranges.as_slice() {
            [range] => part(range, length),
            _ => Wanted::Whole,
        },
        Ok(Err(RangeUnsatisfiableError::ZeroSuffix)) => Wanted::Unsatisfiable,
        // What cannot be read is ignored.
        _ => Wanted::Whole,
    }
}

/// The library's own check refuses a suffix that is longer than everything, which means everything.
fn part(range: &SyntacticallyCorrectRange, length: u64) -> Wanted {
    let start = match range.start {
        StartPosition::Index(start) => start,
        StartPosition::FromLast(count) => length.saturating_sub(count),
    };
    let end = match range.end {
        EndPosition::Index(last) if last < start => return Wanted::Whole,
        EndPosition::Index(last) => last.saturating_add(1).min(length),
        EndPosition::LastByte => length,
    };
    if start < length { Wanted::Part(start..end) } else { Wanted::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TAG: &str = "\"abc-raw-1\"";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn of(pairs: &[(&'static str, &str)]) -> Wanted {
        wanted(&headers(pairs), Some(&TAG.parse().unwrap()), 1000)
    }

    #[test]
    fn one_part_is_served_cut_to_what_there_is() {
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("bytes=990-5000", 990..1000),
            ("bytes=999-", 999..1000),
            ("bytes=-1", 999..1000),
            ("bytes=-5000", 0..1000),
            ("bytes=0-18446744073709551615", 0..1000),
        ] {
            assert_eq!(of(&[("range", range)]), Wanted::Part(part), "{range}");
        }
    }

    #[test]
    fn a_part_that_does_not_exist_is_unsatisfiable() {
        for range in ["bytes=1000-", "bytes=5000-6000", "bytes=-0"] {
            assert_eq!(of(&[("range", range)]), Wanted::Unsatisfiable, "{range}");
        }
        assert_eq!(wanted(&headers(&[("range", "bytes=0-")]), None, 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn several_parts_and_what_cannot_be_read_get_everything() {
        for range in ["bytes=0-1,5-6", "bytes=9-3", "bytes=", "lines=1-2", "bytes=a-b", "bytes=0x10-", "0-5"]
        {
            assert_eq!(of(&[("range", range)]), Wanted::Whole, "{range}");
        }
        assert_eq!(of(&[("range", "bytes=0-1"), ("range", "bytes=5-6")]), Wanted::Whole);
        assert_eq!(of(&[]), Wanted::Whole);
    }

    #[test]
    fn a_part_of_something_else_is_not_served() {
        let part = |known| of(&[("range", "bytes=0-1"), ("if-range", known)]);
        assert_eq!(part(TAG), Wanted::Part(0..2));
        for other in ["\"xyz\"", "W/\"abc-raw-1\"", "Fri, 14 Nov 2025 08:58:23 GMT", "nonsense"] {
            assert_eq!(part(other), Wanted::Whole, "{other}");
        }
        let headers = headers(&[("range", "bytes=0-1"), ("if-range", TAG)]);
        assert_eq!(wanted(&headers, None, 1000), Wanted::Whole, "what has no tag cannot be compared");
    }

    #[test]
    fn who_has_it_is_not_sent_it() {
        let has =
            |known: &str| has_it_already(&headers(&[("if-none-match", known)]), Some(&TAG.parse().unwrap()));
        for known in [TAG, "*", "\"xyz\", \"abc-raw-1\"", "W/\"abc-raw-1\""] {
            assert!(has(known), "{known}");
        }
        assert!(!has("\"abc-elf-1\""));
        assert!(!has_it_already(&headers(&[]), Some(&TAG.parse().unwrap())));
        assert!(!has_it_already(&headers(&[("if-none-match", "*")]), None));
    }
}
